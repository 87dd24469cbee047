"""Agreement of labels with people, and the synthesizers of labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit
from sklearn.metrics import cohen_kappa_score

import wareloom
from conftest import small_shop
from search_shop import search_shop
from wareloom.cli import app
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError
from wareloom.shop import Shop
from wareloom.stats.agreement import kappa, whole
from wareloom.synthesis import GivenQueries
from wareloom.synthesis.labels._ordinal import chances, fit_ordinal

RUN = Run(seed=3, threads=1)
FEW: dict[str, Any] = {"embedder": ""}
WORDS = [
    "red oak table",
    "oak table lamp",
    "glass lamp",
    "table lamp shade",
    "steel sink",
    "kitchen sink",
    "sink drain kit",
]


def titled(titles: list[str] = WORDS) -> Shop:
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles})}
    )


def test_kappa_is_cohens_with_quadratic_weights() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    b = np.where(rng.random(300) < 0.6, a, b)
    table = np.bincount(a * 4 + b, minlength=16).reshape(4, 4).astype(float)
    assert kappa(table) == pytest.approx(cohen_kappa_score(a, b, weights="quadratic"))
    assert kappa(np.diag([0.0, 0.0, 0.0, 9.0])) == 0.0, "where all is one grade nothing is shown"
    assert whole(np.array([0.49, 0.5, 2.5, 3.0])).tolist() == [0, 1, 3, 3]


def test_proportional_odds_finds_what_made_the_grades() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(6_000, 3))
    true, cuts = np.array([1.5, -0.7, 0.0]), np.array([-1.0, 0.5, 2.0])
    above = expit((x @ true)[:, None] - cuts)
    y = (rng.random(6_000)[:, None] < above).sum(axis=1)
    w, theta = fit_ordinal(x, y, 4, 1e-6)
    np.testing.assert_allclose(w, true, atol=0.12)
    np.testing.assert_allclose(theta, cuts, atol=0.12)
    p = chances(x, w, theta)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (np.diff(theta) > 0).all()
    shrunk, _ = fit_ordinal(x, y, 4, 10.0)
    assert np.abs(shrunk).max() < 0.2


def test_rules_grade_by_the_thing_and_by_what_is_asked_of_it() -> None:
    made = SYNTHESIZERS.make("lexical", round_trip=0).fit(titled(), RUN)
    grade, sure = made.label(["table lamp"], [0, 0, 0, 0], ["i1", "i2", "i0", "i4"], RUN)
    assert grade[0] == 3.0
    assert grade[0] > grade[1] > grade[2] > grade[3]
    assert grade[3] == 0.0
    assert ((sure >= 0) & (sure <= 1)).all()


@pytest.mark.parametrize("name", ["lexical", "distilled"])
def test_labels_are_a_shop_of_judgments(name: str, tmp_path: Path) -> None:
    shop, extra = search_shop(120), FEW if name == "distilled" else {}
    made = SYNTHESIZERS.make(name, graded=6, near=3, far=12, round_trip=12, **extra).fit(shop, RUN)
    assert configure(type(made), made.settings()).settings() == made.settings()
    sample = made.sample(30, RUN)
    rows = sample.table("judgments")
    assert rows["query"].n_unique() <= 30
    assert set(rows["origin"]) == {made.origin}
    assert rows["grade"].is_between(0, 3).all()
    assert set(rows["item_id"]) <= set(shop.table("items")["item_id"])
    assert rows.select("query", "item_id").is_unique().all(), "one grade for a query and an item"
    assert sample.fingerprint == made.sample(30, RUN).fingerprint
    assert sample.fingerprint != made.sample(30, RUN.with_(seed=9)).fingerprint
    made.save(tmp_path / name)
    assert SYNTHESIZERS.restore(tmp_path / name).sample(30, RUN).fingerprint == sample.fingerprint
    given = made.sample(2, RUN, GivenQueries(queries=("red thing1", "blue"))).table("judgments")
    assert set(given["query"]) <= {"red thing1", "blue"}


def test_a_query_stays_if_its_product_comes_back() -> None:
    kept = SYNTHESIZERS.make("lexical", round_trip=1, near=1, far=2).fit(titled(), RUN)
    rows = kept.sample(12, RUN).table("judgments")
    ranker = kept.retrievers_["retriever"]
    ids = titled().table("items")["item_id"].to_list()
    for query in rows["query"].unique():
        best = ids[int(np.argmax(ranker.match_all([query])[0]))]
        assert best in rows.filter(pl.col("query") == query)["item_id"].to_list()
    with pytest.raises(InputError, match="no query brought its product back among the first 1"):
        SYNTHESIZERS.make("lexical", round_trip=1, queries="search_shop:Elsewhere").fit(
            titled(), RUN
        ).sample(3, RUN)


def test_what_people_graded_is_learned_and_agreed_on() -> None:
    shop = search_shop(400)
    found = {}
    for name, labelled, extra in (
        ("lexical", 0, {}),
        ("distilled", 20, FEW),
        ("distilled", 200, FEW),
    ):
        got = wareloom.agree(shop, name, labelled=labelled, seeds=2, settings=extra, run=RUN)
        found[name, labelled] = {m["measure"]: m for m in got.data["measures"]}
        assert got.data["given"] == 1.0
        assert "kappa" in str(got)
    assert found["distilled", 200]["kappa"]["mean"] > 0.9, "grades are made of shared words"
    assert found["distilled", 200]["kappa"]["mean"] > found["lexical", 0]["kappa"]["low"]
    for measures in found.values():
        assert all(m["low"] <= m["mean"] <= m["high"] for m in measures.values())


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"the shop has 0 real ones: give it 30 or more, or a teacher"
    ):
        SYNTHESIZERS.make("distilled", **FEW).fit(titled(), RUN)
    with pytest.raises(SettingError, match="the teacher 'attributes' gives no labels"):
        SYNTHESIZERS.make("distilled", teacher="attributes")
    with pytest.raises(SettingError, match="'markov', which writes no queries"):
        SYNTHESIZERS.make("lexical", queries="markov")
    with pytest.raises(SettingError, match="the retriever 'ease' reads no queries"):
        SYNTHESIZERS.make("lexical", retriever="ease")
    with pytest.raises(SettingError, match="'markov' gives no labels"):
        wareloom.agree(search_shop(30), "markov", run=RUN)
    with pytest.raises(InputError, match="needs the table 'judgments'"):
        wareloom.agree(small_shop(), "lexical", run=RUN)
    with pytest.raises(InputError, match="the item 'gone', which the fitted shop lacks"):
        SYNTHESIZERS.make("lexical").fit(titled(), RUN).label(["lamp"], [0], ["gone"])


def test_a_teacher_takes_the_place_of_people() -> None:
    shop = search_shop(60).with_tables(judgments=None)
    how = {"teacher_settings": {"round_trip": 0}, "training_queries": 60, "round_trip": 0}
    made = SYNTHESIZERS.make("distilled", teacher="lexical", **how, **FEW).fit(shop, RUN)
    rule = SYNTHESIZERS.make("lexical").fit(shop, RUN)
    queries = ["red thing1"] * 4
    items = ["i1", "i0", "i11", "i25"]
    ours, theirs = (one.label(queries, range(4), items, RUN)[0] for one in (made, rule))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.8


def test_the_command_says_what_it_measured(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    search_shop(80).save(tmp_path / "shop")
    call = [
        "agree",
        "lexical",
        str(tmp_path / "shop"),
        "--labelled",
        "0",
        "--seeds",
        "1",
    ]
    shown = CliRunner().invoke(app, [*call, "--to", str(tmp_path / "a.json")])
    assert shown.exit_code == 0, shown.output
    assert "kappa" in shown.output
    assert json.loads((tmp_path / "a.json").read_text())["labels"] == "lexical"
    assert json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)["queries"] > 10
