"""BM25 of runs of characters against the formula; words that queries use and texts lack; queries as they were typed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.language.tokenise import tokenise
from wareloom.language.typed import Corrected, as_typed
from wareloom.shop import Shop

RUN = Run(seed=1, threads=1)
TITLES = ["Red sofa", "Blue sofa, two seats", "Oak table", "Lamp for a table", "红色连衣裙", ""]


def catalogue(titles: list[str], rows: list[tuple[Any, ...]] | None = None) -> Shop:
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(len(titles))], "title": titles})
    if rows is None:
        return Shop({"items": items})
    names = ["query", "item_id", "grade", "origin", "weight"]
    return Shop({"items": items, "judgments": pl.DataFrame(rows, schema=names, orient="row")})


def slow(
    query: Counter[str], texts: list[Counter[str]], k1: float, b: float, delta: float = 0.0
) -> list[float]:
    """The formula, term by term and text by text."""
    mean = sum(sum(text.values()) for text in texts) / len(texts)
    scores = []
    for own in texts:
        score = 0.0
        for term in filter(own.get, query.elements()):
            n = sum(term in other for other in texts)
            idf = np.log(1 + (len(texts) - n + 0.5) / (n + 0.5))
            length = k1 * (1 - b + b * sum(own.values()) / mean)
            tf = own[term] * (k1 + 1) / (own[term] + length)
            score += idf * (tf + delta * min(own[term], 1.0))
        scores.append(score)
    return scores


def runs(text: str, size: int) -> Counter[str]:
    spaced = f" {' '.join(tokenise(text))} "
    return Counter(spaced[i : i + size] for i in range(len(spaced) - size + 1))


@pytest.mark.parametrize(("size", "k1", "b"), [(3, 0.3, 0.3), (4, 1.2, 0.75), (2, 0.0, 0.0)])
def test_runs_are_weighed_by_the_formula(size: int, k1: float, b: float) -> None:
    made = RANKERS.make("bm25_runs", size=size, k1=k1, b=b).fit(catalogue(TITLES), RUN)
    queries = ["red sofas", "tabel lamp", "连衣裙", "sofa sofa"]
    found = made.match_all(queries)
    for row, query in zip(found, queries, strict=True):
        expected = slow(runs(query, size), [runs(title, size) for title in TITLES], k1, b)
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)
    pairs = made.match(queries, np.array([0, 3, 1]), ["i0", "i1", "nobody's"])
    np.testing.assert_allclose(pairs, [found[0, 0], found[3, 1], -np.inf], rtol=1e-6)


def test_runs_find_what_is_misspelt_joined_and_parted() -> None:
    made = RANKERS.make("bm25_runs").fit(
        catalogue(["night light bulb", "garden hose", "refrigerator", "paint"]), RUN
    )
    found = made.match_all(["nightlight", "refridgerater", "gardenhose"]).argmax(axis=1)
    assert found.tolist() == [0, 2, 1]


def test_runs_are_read_as_typed_where_others_are_corrected() -> None:
    """In a fusion with the speller, the words are corrected and the runs are those that were typed."""
    titles = [
        "kitchen faucet",
        "kitchen faucet chrome",
        "kitchen knob",
        "pitch fork",
        "chicken wire",
    ]
    shop = catalogue(titles)
    query = ["kichen faucett"]
    both = RANKERS.make("fusion", members=("bm25", "bm25_runs")).fit(shop, RUN)
    words, typed = both._asked(both._read(query))
    np.testing.assert_array_equal(
        words, RANKERS.make("bm25").fit(shop, RUN).match_all(["kitchen faucet"])
    )
    np.testing.assert_array_equal(typed, RANKERS.make("bm25_runs").fit(shop, RUN).match_all(query))
    assert (as_typed("as it is"), as_typed(Corrected.of("a", "b"))) == ("as it is", "b")


@pytest.mark.parametrize("worth", [2.0, 0.4])
def test_an_item_is_found_by_words_that_its_queries_use_and_its_text_lacks(worth: float) -> None:
    rows = [
        ("red couch", "i0", 3.0, "real", 1.0),
        ("couch", "i0", 2.0, "real", 1.0),
        ("big couch", "i1", 2.0, "real", 3.0),
        ("sofa", "i1", 3.0, "real", 1.0),
        ("couch lamp", "i3", 1.0, "real", 1.0),
        ("couch oak", "i2", 3.0, "real", 0.0),
    ]
    shop = catalogue(TITLES, rows)
    plain = RANKERS.make("bm25").fit(shop, RUN)
    assert plain.match_all(["couch"]).max() == 0
    made = RANKERS.make("bm25", expansion=worth).fit(shop, RUN)
    words = [Counter(tokenise(title, stem=True)) for title in TITLES]
    texts: list[Any] = [Counter(dict.fromkeys(own, 0.0)) | own for own in words]
    # Both queries of i0 say couch; of i1's, three parts in four; grade 1 and weight 0 say nothing.
    texts[0]["couch"], texts[1]["couch"], texts[1]["big"] = worth, 0.75 * worth, 0.75 * worth
    for row, query in zip(
        made.match_all(["couch", "big sofa"]), ["couch", "big sofa"], strict=True
    ):
        expected = slow(Counter(query.split()), texts, 1.2, 0.75, 1.0)
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)
    assert (made.match_all(["couch"])[0] > 0).tolist() == [True, True, *[False] * 4]


def test_expansion_without_a_judgment_is_plain() -> None:
    plain = RANKERS.make("bm25").fit(catalogue(TITLES), RUN)
    made = RANKERS.make("bm25", expansion=1.0).fit(catalogue(TITLES), RUN)
    queries = ["red sofa", "couch"]
    np.testing.assert_array_equal(made.match_all(queries), plain.match_all(queries))


@pytest.mark.parametrize("settings", [{"expansion": -1.0}, {"b": 2.0}])
def test_settings_out_of_bounds_are_refused(settings: dict[str, Any]) -> None:
    name = "bm25" if "expansion" in settings else "bm25_runs"
    with pytest.raises(SettingError, match=next(iter(settings))):
        RANKERS.make(name, **settings)
