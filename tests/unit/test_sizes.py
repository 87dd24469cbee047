"""Sizes, dimensions and model numbers are found however people type them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.language.sizes import Terms, also, side_by_side
from wareloom.serving.versions import stock
from wareloom.serving.versions.published import Served, write_served
from wareloom.serving.versions.stock import Stock
from wareloom.shop import Shop

TITLES = {
    "range-36": "Gas Range 36 in. Stainless",
    "range-30": "Gas Range 30 in. Stainless",
    "pieces": "Gas Range Knobs (36-Piece)",
    "ply-4x8": "Plywood 3/4 in. x 4 ft. x 8 ft.",
    "ply-2x4": "Plywood 3/4 in. x 2 ft. x 4 ft.",
    "blade": "Saw Blade DW705-2",
    "heater": "Cover of a Water Heater",
    "apart": "Water Cover of a Heater",
}


@pytest.fixture(scope="module")
def sized() -> Shop:
    return Shop({"items": pl.DataFrame({"item_id": list(TITLES), "title": list(TITLES.values())})})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2x6x10 board", "2 x 6 x 10 board"),
        ("2 by 4 lumber", "2 x 4 lumber"),
        ("48'x34' shower pan", "48ft x 34ft shower pan"),
        ("36 in. x 80 in. door", "36in x 80in door"),
        ("1/2 x 3/4 coupling", "1/2 x 3/4 coupling"),
        ("60×40cm", "60 x 40cm"),
        ("宽60x40cm", "宽 60 x 40cm"),
        ("xbox 360", "xbox 360"),
        ("standby 4 hours", "standby 4 hour"),
        ("", ""),
    ],
)
def test_dimensions_fall_into_their_numbers(text: str, words: str) -> None:
    assert Terms().words(text) == words.split()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("36 in. range", "36"),
        ("18-Volt drill", "18"),
        ("1-1/2 in. pipe", "1-1/2"),
        ("DW705-2 saw", "dw705 2 dw7052"),
        ("1/2 pipe, 1.5 deep", ""),
        ("plain words", ""),
    ],
)
def test_an_item_is_found_by_bare_numbers_and_parts_of_model_numbers(text: str, found: str) -> None:
    assert also(Terms().words(text)) == found.split()


def test_a_query_asks_for_what_it_says_and_nothing_more() -> None:
    assert Terms().asked("36 in. range") == ["36in", "range"]
    assert Terms(pairs=True).asked("36 range") == ["36", "range", "36 range"]
    assert Terms().found("36 in. range") == ["36in", "range", "36"]
    assert Terms(sizes=False).found("36 in. 2x4") == ["36in", "2x4"]
    assert side_by_side(["one"]) == []


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("36 in. range", "range-36"),
        ("30 gas range", "range-30"),
        ("4x8 plywood", "ply-4x8"),
        ("2x4 plywood", "ply-2x4"),
        ("dw705 blade", "blade"),
        ("dw7052", "blade"),
    ],
)
def test_a_product_is_found_by_its_size_however_it_is_typed(
    sized: Shop, query: str, best: str
) -> None:
    ranker = RANKERS.make("bm25").fit(sized, Run(seed=1))
    assert ranker.items_[int(ranker.match_all([query])[0].argmax())] == best


def test_words_side_by_side_weigh_more(sized: Shop) -> None:
    plain, close = (
        RANKERS.make("bm25", pairs=weight).fit(sized, Run(seed=1)) for weight in (0.0, 0.15)
    )
    heater, apart = list(TITLES).index("heater"), list(TITLES).index("apart")
    one, other = (ranker.match_all(["water heater"])[0] for ranker in (plain, close))
    assert one[heater] == pytest.approx(one[apart])
    assert other[heater] > other[apart]


def test_without_sizes_numbers_are_words_like_others(sized: Shop) -> None:
    ranker = RANKERS.make("bm25", sizes=False).fit(sized, Run(seed=1))
    assert ranker.match_all(["dw705"]).max() == 0
    assert RANKERS.make("bm25").fit(sized, Run(seed=1)).match_all(["dw705"]).max() > 0


def test_what_is_served_finds_sizes_as_the_ranker_does(sized: Shop, tmp_path: Path) -> None:
    ranker = RANKERS.make("bm25").fit(sized, Run(seed=1))
    write_served(ranker, tmp_path / "served")
    served, none = Served.open(tmp_path / "served"), np.zeros(0, np.int32)
    for query in ("36 gas range", "4x8 plywood", "dw7052", "water heater", "30 in. gas range"):
        codes, scores = served.top(none, query, len(served))
        wanted = ranker.match_all([query])[0]
        np.testing.assert_allclose(scores, wanted[codes], rtol=1e-5)
        assert wanted[codes[0]] == wanted.max() > 0


def test_a_version_written_before_there_were_sizes_is_read_as_it_was(
    sized: Shop, tmp_path: Path
) -> None:
    ranker = RANKERS.make("bm25", sizes=False, pairs=0.0).fit(sized, Run(seed=1))
    write_served(ranker, tmp_path / "served")
    (told_at,) = (p for p in (tmp_path / "served").glob("*.json") if "terms" in p.read_text())
    told_at.write_text(
        re.sub(r'"terms":\s*\{[^}]*\}', '"stem": true', told_at.read_text()), encoding="utf-8"
    )
    served = Served.open(tmp_path / "served")
    codes, scores = served.top(np.zeros(0, np.int32), "dw705-2 blade", 1)
    assert ranker.items_[int(codes[0])] == "blade"
    assert scores[0] == pytest.approx(ranker.match_all(["dw705-2 blade"]).max())


def test_a_product_put_a_minute_ago_is_found_by_its_size(tmp_path: Path) -> None:
    known = Stock(tmp_path / "items.log")
    known.put(
        [
            {"item_id": "new-36", "title": "Cooktop 36 in. x 20 in."},
            {"item_id": "new-30", "title": "Cooktop 30 in. x 20 in."},
        ]
    )
    known.refresh()
    found = known.found("cooktop 36x20", lambda word: 1.0, 5.0, list(known.items))
    assert max(found, key=lambda name: found[name]) == "new-36"


def test_new_products_are_scored_by_the_settings_of_bm25() -> None:
    ranker = RANKERS.make("bm25")
    own = (stock.K1, stock.B, stock.DELTA, stock.PAIRS)
    assert (ranker.k1, ranker.b, ranker.delta, ranker.pairs) == own
    assert ranker._terms == stock.TERMS
