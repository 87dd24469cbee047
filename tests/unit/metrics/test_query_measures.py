"""Measures of queries: what is alike stands at the floor; each thing that is done to queries is caught by its own."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer import Typer
from typer.testing import CliRunner

import wareloom as wl
from asked import THINGS, asked, titles, typed
from lively import lively
from wareloom.cli import compare as command
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.compare import Comparison, compare, query_measures
from wareloom.metrics.likeness.measure import Figure
from wareloom.metrics.likeness.queries._signs import hashed, logistic
from wareloom.metrics.likeness.queries.measure import QueryMeasure
from wareloom.metrics.likeness.queries.samples import QueryTrio, gathered_queries
from wareloom.shop import Shop

NAMES = [name for name in METRICS.names() if issubclass(METRICS.load(name), QueryMeasure)]
NAMED = ("head_noun_rate", "brand_rate")
LONG = ("query_length", "query_discriminator")
WORDS = ("vocabulary_overlap", "word_frequency", "zipf_slope")
RUN = Run(seed=1, threads=1)
REAL, HELD, MADE = typed(600, 1), typed(600, 2), typed(600, 3)


def trio_of(made: list[str], real: list[str] = REAL, held: list[str] = HELD) -> QueryTrio:
    return gathered_queries(asked(real), asked(made, "made@1"), asked(held), 20, RUN)


def verdicts(made: list[str], *names: str) -> dict[str, str]:
    """Of the measures named, or of all."""
    trio = trio_of(made)
    found = [figure for name in names or NAMES for figure in METRICS.make(name).compare(trio, RUN)]
    return {figure.name: figure.verdict(1.25) for figure in found}


@pytest.fixture(scope="module")
def alike() -> QueryTrio:
    return trio_of(MADE)


def test_a_comparison_knows_them_all() -> None:
    assert query_measures() == NAMES
    assert len(NAMES) >= 9


@pytest.mark.parametrize("name", NAMES)
def test_what_every_measure_keeps_to(name: str, alike: QueryTrio, tmp_path: Path) -> None:
    measure = METRICS.make(name)
    assert configure(type(measure), measure.settings()).settings() == measure.settings()
    measure.save(tmp_path / name)
    assert METRICS.restore(tmp_path / name).settings() == measure.settings()
    found = measure.compare(alike, RUN)
    assert found == METRICS.restore(tmp_path / name).compare(trio_of(MADE), Run(seed=1, threads=2))
    for figure in found:
        assert isinstance(figure, Figure)
        assert figure.name.partition(".")[0] == name
        numbers = [
            figure.value,
            figure.low,
            figure.high,
            figure.floor,
            figure.floor_low,
            figure.floor_high,
        ]
        assert all(math.isfinite(number) for number in numbers)
        assert 0 <= figure.low <= figure.value <= figure.high
        assert 0 <= figure.floor_low <= figure.floor_high
        json.dumps(asdict(figure), allow_nan=False)


def test_other_queries_of_the_same_people_are_at_the_floor() -> None:
    assert "beyond" not in verdicts(MADE).values()


def test_the_very_same_queries_are_no_distance_apart() -> None:
    trio = trio_of(HELD)
    for name in NAMES:
        for figure in METRICS.make(name).compare(trio, RUN):
            if figure.unit == "AUC":
                assert figure.value == pytest.approx(0.5, abs=0.02)
            elif name in ("query_copies", "query_duplicates"):
                assert figure.value == figure.floor
            else:
                assert figure.value == 0


def test_shuffled_words_are_told_by_the_discriminator_alone() -> None:
    rng = np.random.default_rng(0)
    found = verdicts([" ".join(rng.permutation(text.split())) for text in MADE])
    assert {name for name, verdict in found.items() if verdict == "beyond"} <= {
        "query_discriminator.words",
        "query_discriminator.form",
    }
    assert found["query_discriminator.words"] == "beyond"


def test_a_tail_that_is_missing() -> None:
    often = {
        word for word, _ in Counter(word for text in REAL for word in text.split()).most_common(40)
    }
    found = verdicts(
        [" ".join(w for w in text.split() if w in often) or THINGS[0] for text in typed(900, 3)],
        *WORDS,
    )
    for name in ("vocabulary_overlap.missing", "word_frequency", "zipf_slope"):
        assert found[name] == "beyond", name
    assert found["vocabulary_overlap.strange"] == "within"


def test_copies_of_what_was_fitted() -> None:
    turned = [" ".join(reversed(text.split())) + "s" for text in REAL]
    assert verdicts(turned, "query_copies")["query_copies"] == "beyond"
    copies = METRICS.make("query_copies").compare(trio_of(REAL), RUN)[0]
    assert copies.value == 1.0
    assert copies.floor < 0.5
    assert verdicts(MADE, "query_copies")["query_copies"] != "beyond"


def test_a_letter_may_differ_where_a_query_is_long() -> None:
    held = [f"{text} quantor" for text in HELD]
    slips = [
        "blackfer grenny rugton",
        "blackr grenny rugton",
        "blackxr grenny rugton",
        "blacxyr grenny rugton",
        "ab c d",
    ]
    for text, told in zip(slips, [1.0, 1.0, 1.0, 0.0, 0.0], strict=True):
        trio = trio_of([text] * 30, ["blacker grenny rugton", "ab c e", *REAL], held)
        assert METRICS.make("query_copies").compare(trio, RUN)[0].value == told


def test_doubled_length() -> None:
    found = verdicts([f"{a} {b}" for a, b in zip(MADE, typed(600, 4), strict=True)], *LONG)
    assert found["query_length.words"] == found["query_length.characters"] == "beyond"
    assert found["query_discriminator.form"] == "beyond"
    trio = trio_of(MADE)
    words = METRICS.make("query_length").compare(trio, RUN)[0]
    assert words.real == pytest.approx(np.mean([len(text.split()) for text in trio.real.text]))


def test_things_and_brands_that_are_not_named() -> None:
    things = set(THINGS)
    found = verdicts(
        [" ".join(w for w in text.split() if w not in things) or "grenny" for text in MADE], *NAMED
    )
    assert found["head_noun_rate"] == "beyond"
    assert found["brand_rate"] != "beyond"
    assert verdicts([f"bolton {text}" for text in MADE], *NAMED)["brand_rate"] == "beyond"


def test_queries_that_repeat_each_other() -> None:
    found = verdicts(
        [
            " ".join(reversed(text.split())) if n % 2 else text
            for text in MADE[:300]
            for n in range(2)
        ],
        "query_duplicates",
    )
    assert found["query_duplicates"] == "beyond"
    trio = gathered_queries(asked(REAL), asked(MADE[:20] * 30, "made@1"), asked(HELD), 20, RUN)
    assert METRICS.make("query_duplicates").compare(trio, RUN)[0].value == pytest.approx(580 / 600)


def test_logistic_regression_against_an_oracle() -> None:
    sk = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    texts = [Counter(str(w) for w in rng.integers(0, 30, 8)) for _ in range(200)]
    table = hashed(texts)
    label = np.array([float("3" in text or "7" in text) for text in texts])
    weights, constant = logistic(table, label, 1.0)
    oracle = sk.LogisticRegression(C=1.0, tol=1e-8, max_iter=500).fit(table, label)
    np.testing.assert_allclose(
        table @ weights + constant, oracle.decision_function(table), atol=0.02
    )
    assert hashed([Counter(["a", "b"])]).toarray().max() == pytest.approx(2**-0.5)


def test_chinese_queries_are_divided_into_words() -> None:
    pytest.importorskip("jieba")
    real = [
        f"{colour}{thing}"
        for colour in ("红色", "蓝色", "黑色", "白色")
        for thing in ("连衣裙", "运动鞋", "手提包")
    ] * 10
    made = [
        f"{thing} {colour}" for thing in ("连衣裙", "运动鞋") for colour in ("红色", "蓝色")
    ] * 30
    trio = gathered_queries(asked(real), asked(made, "made@1"), None, 20, RUN)
    words = METRICS.make("query_length").compare(trio, RUN)[0]
    assert (words.real, words.value) == (2.0, 0.0)
    assert METRICS.make("vocabulary_overlap").compare(trio, RUN)[1].value > 0.2
    assert METRICS.make("query_discriminator").compare(trio, RUN)[1].value == pytest.approx(1.0)


def test_judgments_count_each_query_once_and_that_is_said() -> None:
    made = asked([*MADE, *MADE[:100]], "made@1", judged=True)
    found = compare(asked(REAL, judged=True), made, asked(HELD), run=RUN).data
    queries = found["queries"]
    assert queries["shops"]["synthetic"] == len({" ".join(text.split()) for text in MADE})
    assert queries["reference"] == "held out"
    assert "REAL and SYNTH have judgments and no log of searches" in found["notes"][0]


def test_only_what_was_made_is_judged_where_it_stands_beside_real_queries() -> None:
    mixed = pl.concat(
        [
            asked(shop, origin).table("searches")
            for shop, origin in ((REAL, "real"), (MADE, "made@1"))
        ]
    )
    trio = gathered_queries(
        asked(REAL), asked(MADE).with_tables(searches=mixed), asked(HELD), 20, RUN
    )
    assert trio.sizes == {"REAL": 600, "SYNTH": 600, "the holdout": 600}
    assert set(trio.synthetic.text) <= set(MADE)


def test_halves_serve_where_nothing_is_held_out_or_real_has_no_queries() -> None:
    halves = compare(
        asked(REAL),
        asked(MADE, "made@1"),
        run=RUN,
    ).data
    assert (halves["queries"]["reference"], halves["queries"]["compared"]) == (
        "halves of real",
        300,
    )
    assert "two halves of those of REAL" in halves["notes"][0]
    bare = compare(Shop({"items": titles()}), asked(MADE, "made@1"), asked(HELD), run=RUN).data
    assert bare["queries"]["reference"] == "halves of holdout"
    assert "REAL has no queries" in bare["left_out"]["query_copies"]
    assert bare["users"] is None


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(InputError, match=r"20 queries of a kind or more.*600 of REAL, 5 of SYNTH"):
        compare(asked(REAL), asked(MADE[:5]), run=RUN)
    with pytest.raises(InputError, match="Neither REAL nor a holdout has a query"):
        compare(Shop({"items": titles()}), asked(MADE), run=RUN)
    with pytest.raises(SettingError, match=r"'query_lenght'\. Did you mean 'query_length'"):
        wl.compare(asked(REAL), asked(MADE), run=RUN, measures=("query_lenght",))
    named = wl.compare(asked(REAL), asked(MADE), run=RUN, measures=("query_length", "gaps"))
    assert "no behaviour to compare" in named.data["left_out"]["gaps"]


def test_events_and_queries_are_compared_where_there_are_both() -> None:
    def both(events: Shop, queries: list[str]) -> Shop:
        return events.with_tables(searches=asked(queries).table("searches"))

    shops = (
        both(lively(80, 1), REAL),
        both(lively(70, 3, "f"), MADE),
        both(lively(60, 2, "h"), HELD),
    )
    found = wl.compare(*shops, run=RUN, measures=("activity", "query_length")).data
    assert [figure["name"] for figure in found["figures"]] == [
        "activity",
        "query_length.words",
        "query_length.characters",
    ]
    assert found["users"]["compared"] == 60
    few = wl.compare(shops[0], both(lively(70, 3, "f"), MADE[:3]), shops[2], run=RUN)
    assert "3 of SYNTH" in few.data["left_out"]["query_length"]
    assert few.figure("activity")


def test_the_command_writes_one_page_of_queries(tmp_path: Path) -> None:
    asked(REAL).save(tmp_path / "real")
    asked(["<script>alert(1)</script>", *MADE], "made@1", judged=True).save(tmp_path / "fake")
    asked(HELD).save(tmp_path / "held")
    app = Typer()
    app.command()(command.main)
    words = [
        str(tmp_path / "real"),
        str(tmp_path / "fake"),
        "--holdout",
        str(tmp_path / "held"),
        "--to",
    ]
    told = CliRunner().invoke(
        app, [*words, str(tmp_path / "out"), "--json", "--quiet", "--threads", "1"]
    )
    assert told.exit_code == 0, told.output
    data = json.loads(told.stdout)
    assert data == Comparison.open(tmp_path / "out").data
    page = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    assert "synthetic queries were held beside as many held-out queries" in page
    assert "What betrays the synthetic queries: words" in page
    assert "<script>alert" not in page
    assert all(figure["name"] in page for figure in data["figures"])
