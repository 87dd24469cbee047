"""The proof of search: its measures, its arms, its verdicts, and a synthesizer from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import ndcg_score

import wareloom
from conftest import small_shop
from search_shop import search_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.evaluate import judge
from wareloom.evaluation.judged_items import QueryTask
from wareloom.evaluation.ranking import metric
from wareloom.experiment.plan import ARMS, OWN
from wareloom.experiment.result import Proof
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.clicks import ClickProofSettings
from wareloom.proof.prove import prove
from wareloom.proof.search import QueryProofSettings
from wareloom.rankers import Ranker
from wareloom.recipe import Recipe
from wareloom.report import render
from wareloom.sampling.generator import Generator
from wareloom.sampling.judgments import added, make_pool, real_rows
from wareloom.shop import Shop

RUN = Run(seed=3, threads=1)


SHOWN = ("recall@10", "recall@100", "judged@10")
"""Measured over the whole catalogue, beside nDCG, where nothing is said"""
OUTSIDER = "search_shop:TitleQueries"


def quick(**changes: Any) -> QueryProofSettings:
    made = Generator(synthesizer=OUTSIDER, settings=changes.pop("generator", {}), screens=())
    few: dict[str, Any] = {
        "ratios": (1.0,),
        "seeds": 2,
        "ranker_settings": {"trees": 20, "min_rows": 5},
    }
    return QueryProofSettings(generator=made, **(few | changes))


@pytest.fixture(scope="module")
def proof() -> Proof:
    return prove(search_shop(), quick(), RUN)


def test_has_the_form_of_every_proof(proof: Proof, tmp_path: Path) -> None:
    assert proof.data["kind"] == "search"
    assert set(proof.arms()["arm"]) == set(ARMS)
    assert set(proof.arms()["metric"]) == {"ndcg@10", "ndcg@10, all items", *SHOWN}
    assert {row["ranker"] for row in proof.data["baselines"]} == {"bm25"}
    assert proof.headline().height == 4
    rows = {row["arm"]: row["judgments"] for row in proof.data["training"]}
    wanted = 2 * rows["real"][0]
    assert all(abs(n - wanted) <= 6 for arm in (ARMS[1], ARMS[3]) for n in rows[arm]), (
        "as much in every arm"
    )
    # Naive queries come whole, with as many grades as a synthetic one has: a few rows more or less.
    assert all(abs(n - wanted) <= 0.05 * wanted for n in rows[ARMS[2]])
    proof.save(tmp_path / "proof")
    assert Proof.open(tmp_path / "proof").data["arms"] == proof.data["arms"]
    said = " ".join([proof.data["story"]["finding"], proof.data["story"]["power"]])
    assert "queries" in said
    assert "shoppers" not in said
    page = render(proof.data)
    assert "held-out queries" in page
    made = proof.data["modes"][0]["synthetic"]
    assert f"{made['judgments']:,} judgments of {made['queries']:,} synthetic queries" in page
    assert f">{round(np.mean(rows['real + synthetic'])):,}<" in page, "what arms were trained on"


def test_is_the_same_again_and_goes_on(proof: Proof, tmp_path: Path) -> None:
    for _ in range(2):
        again = prove(search_shop(), quick(), RUN.with_(cache=tmp_path / "cells"))
        assert again.data["comparisons"] == proof.data["comparisons"]


def test_random_grades_are_not_said_to_help() -> None:
    found = prove(search_shop(), quick(generator={"noise": True}, ratios=(4.0,)), RUN)
    assert found.verdict in ("hurts", "no evidence")
    made = found.data["modes"][0]["synthetic"]
    assert made["origin"].startswith(f"{OUTSIDER}@")
    assert sum(made["grades"].values()) == made["judgments"]


def test_the_measure_is_ndcg_of_judged_items_alone() -> None:
    shop = search_shop(40)
    test = split(shop, SplitSettings(by="query"), None, RUN).test
    task = QueryTask.of(test, "test", 2.0)
    ranker = RANKERS.make("bm25").fit(shop, RUN)
    values = metric("ndcg@10").per_request(task.rank_judged(ranker, RUN))
    assert values is not None
    for q, query in enumerate(task.queries):
        part = slice(task.offsets[q], task.offsets[q + 1])
        grades = task.grade[part]
        scores = ranker.match([query], np.zeros(len(grades), dtype=int), task.item[part].to_list())
        if len(set(scores)) == len(scores):
            assert values[q] == pytest.approx(ndcg_score([grades], [scores], k=10))
    assert np.ptp(task.grade) > 0
    every = test.table("judgments")["query"].n_unique()
    assert len(task) + task.left_out == every


def test_the_catalogue_is_ranked_whole() -> None:
    shop = search_shop(40)
    task = QueryTask.of(shop, "test", 2.0)
    ranker = RANKERS.make("bm25").fit(shop, RUN)
    found = metric("recall@5").per_request(task.rank_all(ranker, RUN)[0])
    assert found is not None
    for q in range(len(task)):
        part = slice(task.offsets[q], task.offsets[q + 1])
        right = set(task.item[part].filter(pl.Series(task.grade[part] >= 2)))
        if not right:
            assert np.isnan(found[q])
    assert np.nanmean(found) > 0.3


def test_pools_keep_held_out_queries_out_and_draw_whole_queries() -> None:
    shop = search_shop(60)
    rows = shop.table("judgments").with_columns(query=pl.col("query").str.replace(r" \d+q$", ""))
    parts = split(shop.with_tables(judgments=rows), SplitSettings(by="query"), None, RUN)
    made = make_pool(
        Generator(synthesizer=OUTSIDER, settings={"cheat": "same"}, screens=()), parts, 1.0, RUN
    )
    held = set(parts.test.table("judgments")["query"]) | set(
        parts.validation.table("judgments")["query"]
    )
    assert made.report["reasons"]["held-out query"] > 0
    assert not set(made.kept["query"]) & held
    real = real_rows(parts.train)
    assert not set(made.naive["query"]) & held
    words = set(" ".join(shop.table("items")["title"]).lower().split())
    assert {word for query in made.naive["query"] for word in query.lower().split()} <= words
    some = added(made.repeated, len(real) / 2, RUN.rng("some"))
    whole = real.group_by("query").len().rename({"len": "n"})
    assert (
        some.group_by("query").len().join(whole, on="query").select(pl.col("len") == pl.col("n"))
    )["len"].all()
    assert len(real) / 2 <= len(some) < len(real)


def test_a_ranker_is_judged_on_what_it_is_made_for() -> None:
    parts = split(search_shop(40), SplitSettings(by="query"), None, RUN)
    found = judge(RANKERS.make("bm25").fit(parts.train, RUN), parts, "test")
    assert (found.of, found.unit) == ("search", "queries")
    assert set(found.table["metric"]) == {"ndcg@10", "ndcg@10, all items", *SHOWN}
    with pytest.raises(SettingError, match="There is no part 'tset'"):
        judge(RANKERS.make("bm25").fit(parts.train, RUN), parts, "tset")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"ranker": "ease", "ranker_settings": {}},
            "'ease' does not read queries: choose lambdamart or bm25",
        ),
        ({"split": SplitSettings(by="time")}, "splits by query, not by time"),
        ({"metrics": ("coverage@10",)}, "'coverage@10' is no mean over queries"),
        ({"labelled": 0}, "set queries, such as 10000"),
        ({"queries": -1}, "give 0 or more"),
        (
            {"primary": "catalogue", "catalogue_metrics": ()},
            "needs a metric among catalogue_metrics",
        ),
        ({"relevant": 0.0}, "relevant is 0.0; give a number above 0, at most 3"),
        ({"seeds": 0}, "seeds is 0; give a whole number from 1 to 1000"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        prove(search_shop(20), quick(**changes), RUN)


def test_what_cannot_be_proved_is_refused() -> None:
    with pytest.raises(
        SettingError, match="needs one synthesizer whose samples have the table judgments"
    ):
        prove(search_shop(20), QueryProofSettings(), RUN)
    with pytest.raises(InputError, match="needs the table 'judgments'"):
        prove(small_shop(), quick(), RUN)
    for cheat, said in (("none", "made no judgments"), ("real", "say they are real")):
        with pytest.raises(InputError, match=said):
            prove(search_shop(60), quick(generator={"cheat": cheat}), RUN)
    level = search_shop(60)
    level = level.with_tables(judgments=level.table("judgments").with_columns(grade=pl.lit(1.0)))
    with pytest.raises(InputError, match="No query of the shop has two items of different grades"):
        prove(level, quick(), RUN)


def test_a_recipe_says_what_is_proved(tmp_path: Path) -> None:
    base: dict[str, Any] = {
        "read": {"source": "x"},
        "split": {"by": "query"},
        "synthesize": {"name": OUTSIDER},
        "train": {"name": "lambdamart"},
        "prove": {"of": "search"},
        "stages": ["read", "clean", "split", "prove"],
    }
    recipe = Recipe.of(base)
    asked = recipe.settings
    assert isinstance(asked, QueryProofSettings)
    assert (asked.metrics, list(asked.baselines)) == (("ndcg@10",), ["bm25"])
    (tmp_path / "again.toml").write_text(recipe.toml())
    assert Recipe.load(tmp_path / "again.toml", allow_code=("search_shop",)).settings == asked
    clicks = {
        "read": {"source": "x"},
        "synthesize": {"name": "exposures"},
        "train": {"name": "logistic"},
        "prove": {"of": "clicks", "seeds": 2},
    }
    asked_clicks = Recipe.of(clicks).settings
    assert isinstance(asked_clicks, ClickProofSettings)
    assert asked_clicks.generator.screens == ("schema", "impossible", "leak")
    assert (asked_clicks.seeds, asked_clicks.metrics[0]) == (2, "log_loss")
    with pytest.warns(FutureWarning, match="written as make, which comes after prove now"):
        before = Recipe.of(base | {"stages": ["read", "synthesize", "prove"]})
    assert before.stages == ("read", "prove", "make"), "what is made is made of judgments, too"
    for changed, said in (
        (base | {"stages": ["read", "make"]}, "The stage 'make' needs the stage 'prove' before"),
        (
            clicks | {"prove": {"of": "clicks", "leave_out": True}},
            "A proof of clicks has no setting 'leave_out'",
        ),
        (clicks | {"prove": {"of": "clics"}}, "No proof is of 'clics'. Did you mean 'clicks'"),
    ):
        with pytest.raises(SettingError, match=said):
            Recipe.of(changed)


def test_one_call_proves_it_all() -> None:
    made = wareloom.prove(
        search_shop(90), of="search", synthesizer=OUTSIDER, ratios=[1.0], seeds=1, catalogue_metrics=[], run=RUN,
        ranker_settings={"trees": 5, "min_rows": 5},
    )  # fmt: skip
    assert made.data["kind"] == "search"
    assert set(made.arms()["metric"]) == {"ndcg@10"}
    with pytest.raises(SettingError, match=r"A proof of search has no setting 'ties'"):
        wareloom.prove(search_shop(20), of="search", ties=["file"])
    found = wareloom.evaluate(*_fitted(), metrics=["ndcg@10"])
    assert found.table["metric"].to_list()[0] == "ndcg@10"


def _fitted() -> tuple[Ranker, Split]:
    parts = split(search_shop(40), SplitSettings(by="query"), None, RUN)
    return wareloom.ranker("bm25").fit(parts.train, RUN), parts


def unlabelled(**changes: Any) -> QueryProofSettings:
    made = Generator(synthesizer="lexical", settings={"round_trip": 0, "graded": 4}, screens=())
    few: dict[str, Any] = {
        "seeds": 2,
        "ranker_settings": {"trees": 20, "min_rows": 5},
        "labelled": 0,
        "queries": 60,
    }
    more = {
        "primary": "catalogue",
        "catalogue_metrics": ("ndcg@10", "recall@10"),
        "gain": "exponential",
        "single_grade": True,
    }
    return QueryProofSettings(generator=made, **(few | more | changes))


def test_without_a_label_the_ranker_is_compared_with_itself_untaught() -> None:
    found = prove(search_shop(), unlabelled(), RUN)
    assert set(found.arms()["arm"]) == {"real", "real + naive", "real + synthetic", OWN}
    assert set(found.arms()["metric"]) == {"ndcg@10", "ndcg@10, all items", "recall@10"}
    assert found.data["decisive"]["metric"] == "ndcg@10, all items"
    rows = {row["arm"]: row["judgments"] for row in found.data["training"]}
    assert rows["real"] == [0, 0]
    assert all(
        0.9 < a / b < 1.2
        for a, b in zip(rows["real + naive"], rows["real + synthetic"], strict=True)
    ), rows
    assert "the ranker untaught" in found.data["story"]["controls"]
    assert "runs of words cut out of titles" in found.data["story"]["controls"]
    assert "real data" not in found.data["story"]["controls"]
    assert "ratio" not in " ".join(found.data["story"]["next"]), (
        "no ratio is chosen where all queries are synthetic"
    )
    assert "nDCG@10 over all items" in found.data["story"]["finding"]
    page = render(found.data)
    assert "runs of words cut out of titles" in page.partition("The details")[0]
    assert "drawn from popularity" not in page
    assert "order of ties" not in page
    untaught = next(r for r in found.data["arms"] if r["arm"] == "real" and r["slice"] == "all")
    plain = next(
        r
        for r in found.data["baselines"]
        if r["ranker"] == "bm25" and r["metric"] == untaught["metric"]
    )
    assert untaught["mean"] == pytest.approx(plain["mean"], abs=1e-6), (
        "without judgments lambdamart is bm25"
    )


def test_some_labelled_queries_and_all_arms_of_one_size() -> None:
    found = prove(search_shop(), unlabelled(labelled=20), RUN)
    rows = {row["arm"]: row["judgments"] for row in found.data["training"]}
    assert set(rows["real"]) == {120}, "20 queries with 6 judgments each"
    assert all(abs(n - rows["real + synthetic"][0]) <= 6 for n in rows["real, repeated"])
    told = {
        row["arm"]: row
        for row in found.data["arms"]
        if row["slice"] == "all" and row["metric"] == "recall@10"
    }
    assert set(told) == {*ARMS, OWN}, "those that are not among the twenty are the shop's own"


def test_a_query_whose_items_are_all_alike_counts_if_it_is_asked_to() -> None:
    rows = pl.DataFrame(
        {
            "query": ["a", "a", "b", "b", "c"],
            "item_id": ["i1", "i2", "i1", "i3", "i2"],
            "grade": [1.0, 3.0, 2.0, 2.0, 0.0],
        }
    )
    shop = Shop(
        {
            "items": pl.DataFrame({"item_id": ["i1", "i2", "i3"], "title": ["x", "y", "z"]}),
            "judgments": rows,
        }
    )
    assert QueryTask.of(shop, "test", 2.0).queries == ["a"]
    every = QueryTask.of(shop, "test", 2.0, single_grade=True, gain="exponential")
    assert every.queries == ["a", "b"]
    assert every.left_out == 1
    assert every.gain.tolist() == [1.0, 7.0, 3.0, 3.0]


def right_alone(queries: int = 120) -> Shop:
    """The shop as a log of queries has it: the one item that was chosen, and nobody said what is wrong."""
    shop = search_shop(queries)
    rows = shop.table("judgments").sort("query", "grade", descending=[False, True])
    one = rows.group_by("query", maintain_order=True).first().with_columns(grade=pl.lit(1.0))
    return shop.with_tables(judgments=one.select(rows.columns)).in_memory()


def test_right_items_alone_are_proved_over_the_whole_catalogue() -> None:
    whole = {"primary": "catalogue", "catalogue_metrics": ("ndcg@10", "recall@10")}
    found = prove(right_alone(), quick(**whole), RUN)
    assert found.data["decisive"]["metric"] == "ndcg@10, all items"
    task = found.data["modes"][0]["task"]
    assert task["left_out"] == 0
    assert task["requests"] == task["answers"] > 10
    means = {
        row["metric"]: row["mean"]
        for row in found.data["arms"]
        if row["arm"] == "real" and row["slice"] == "all"
    }
    assert 0 < means["recall@10"] <= 1, "an item of grade 1 is right where there is no other grade"
    assert 0 < means["ndcg@10, all items"] <= 1
    assert found.verdict in ("helps", "no evidence", "hurts", "helps, but")


def test_the_order_of_single_items_is_not_asked_for() -> None:
    with pytest.raises(
        InputError, match=r"No query of the shop has two items .*primary='catalogue'"
    ):
        prove(right_alone(40), quick(), RUN)


def test_a_ranker_is_judged_over_the_catalogue_where_items_cannot_be_ordered() -> None:
    parts = split(right_alone(60), SplitSettings(by="query"), None, RUN)
    model = wareloom.ranker("bm25").fit(parts.train, RUN)
    found = judge(model, parts, "test", ("ndcg@10",), RUN)
    assert set(found.table["metric"]) == {"ndcg@10, all items"}
    assert found.requests == parts.test.table("judgments")["query"].n_unique()
    assert 0 < found.table["mean"][0] <= 1
    usual = set(judge(model, parts, "test", (), RUN).table["metric"])
    assert usual == {f"{name}, all items" for name in ("ndcg@10", *SHOWN)}


def test_one_graded_queries_count_of_themselves_only_where_all_are() -> None:
    items = pl.DataFrame({"item_id": ["i1", "i2", "i3"]})

    def of(*grades: float) -> Shop:
        rows = {"query": ["a", "a", "b"], "item_id": ["i1", "i2", "i3"], "grade": grades}
        return Shop({"items": items, "judgments": pl.DataFrame(rows)})

    assert QueryTask.of(of(1.0, 1.0, 1.0), "test", 2.0).queries == ["a", "b"]
    assert QueryTask.of(of(1.0, 1.0, 1.0), "test", 2.0).relevant == 1.0
    assert QueryTask.of(of(3.0, 0.0, 3.0), "test", 2.0).queries == ["a"]
    assert QueryTask.of(of(3.0, 0.0, 3.0), "test", 2.0).relevant == 2.0
    with pytest.raises(InputError, match="No query of the test part has two items"):
        QueryTask.of(of(1.0, 1.0, 1.0), "test", 2.0, single_grade=False)
    with pytest.raises(InputError, match="has an item of a grade above 0"):
        QueryTask.of(of(0.0, 0.0, 0.0), "test", 2.0)
