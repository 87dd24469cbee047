"""Rankers of search: BM25 against the formula, English and Chinese, judgments that teach."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.judged_items import QueryTask
from wareloom.language.tokenise import tokenise
from wareloom.metrics.ranking.ndcg import NDCG
from wareloom.preparing.splits import SplitSettings, split
from wareloom.rankers.search.base import without_history
from wareloom.rankers.search.match import NAMES
from wareloom.readers import read
from wareloom.shop import Log, Requests, Shop

TITLES = [
    "Red hammer drill, 18V",
    "Red paint",
    "Hammer",
    "Drill bits for a hammer drill",
    "Garden hose",
    "",
]
RUN = Run(seed=1, threads=1)


def catalogue(titles: list[str], **columns: list[str]) -> Shop:
    ids = [f"i{i}" for i in range(len(titles))]
    return Shop({"items": pl.DataFrame({"item_id": ids, "title": titles, **columns})})


def slow_bm25(
    query: str, texts: list[str], k1: float, b: float, pairs: float, delta: float
) -> list[float]:
    """The formula, word by word and text by text; two words side by side as terms of their own."""

    def terms(text: str, size: int) -> list[str]:
        words = tokenise(text, stem=True)
        return [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]

    total = np.zeros(len(texts))
    for size, weight in ((1, 1.0), (2, pairs)):
        # "18V" is found by its number, too.
        also = [["18"] * (size == 1 and "18" in text) for text in texts]
        words = [terms(text, size) + more for text, more in zip(texts, also, strict=True)]
        mean = sum(map(len, words)) / len(words)
        for place, own in enumerate(words):
            held = Counter(own)
            for word in filter(held.get, terms(query, size)):
                n = sum(word in other for other in words)
                idf = np.log(1 + (len(words) - n + 0.5) / (n + 0.5))
                long = k1 * (1 - b + b * len(own) / mean)
                tf = held[word] * (k1 + 1) / (held[word] + long)
                total[place] += weight * idf * (tf + delta)
    return total.tolist()


@pytest.mark.parametrize(
    ("k1", "b", "close", "delta"),
    [(1.2, 0.75, 0.15, 1.0), (0.5, 0.0, 0.0, 0.0), (2.0, 1.0, 1.0, 0.5)],
)
def test_bm25_is_the_formula(k1: float, b: float, close: float, delta: float) -> None:
    ranker = RANKERS.make("bm25", k1=k1, b=b, pairs=close, delta=delta)
    ranker = ranker.fit(catalogue(TITLES), RUN)
    queries = ["hammer drill", "red red paint", "garden gnome"]
    scores = ranker.score(without_history(queries))
    for row, query in zip(scores, queries, strict=True):
        np.testing.assert_allclose(
            row, slow_bm25(query, TITLES, k1, b, close, delta), rtol=1e-5, atol=1e-6
        )
    pairs = ranker.match(queries, np.array([0, 0, 2, 1]), ["i3", "nobody's", "i4", "i1"])
    np.testing.assert_allclose(
        pairs, [scores[0, 3], -np.inf, scores[2, 4], scores[1, 1]], rtol=1e-5
    )


def test_a_long_title_with_all_words_comes_before_a_short_one_with_some() -> None:
    tail = "with case bag two batteries and fast charger for home garage and garden work by hand"
    others = [*["hammer drill"] * 8, *["hose"] * 3, *["cordless saw"] * 2]
    shop = catalogue([f"hammer drill cordless {tail}", *others])
    asked = without_history(["cordless hammer drill"])
    lifted, plain = (
        RANKERS.make("bm25", pairs=0.0, delta=delta).fit(shop, RUN).score(asked)[0, :2]
        for delta in (1.0, 0.0)
    )
    assert lifted[0] > lifted[1]
    assert plain[0] < plain[1]


@pytest.mark.parametrize("name", ["bm25", "lambdamart"])
def test_chinese_is_found(name: str) -> None:
    ranker = RANKERS.make(name).fit(
        catalogue(["红色连衣裙", "儿童雨鞋", "黑色手机壳", "连衣裙 蓝色"]), RUN
    )
    best = ranker.rank(without_history(["连衣裙", "手机壳"]), k=1)["item_id"].to_list()
    assert best[0] in ("i0", "i3")
    assert best[1] == "i2"


@pytest.mark.parametrize("name", ["bm25", "lambdamart"])
def test_a_field_s_weight_counts_and_no_query_is_popularity(name: str) -> None:
    ranker = RANKERS.make(name).fit(small_shop(), RUN)
    history = Log.of(small_shop(users=2, seed=5))
    asked = Requests(users=["a", "b"], queries=["item 7", " "], histories=history)
    scores = ranker.score(asked)
    assert ranker.items_[int(scores[0].argmax())] == "i7"
    popular = RANKERS.make("popularity").fit(small_shop()).score(asked)
    np.testing.assert_array_equal(scores[1], popular[1])
    if name == "bm25":
        shop = catalogue(["red", "blue"], brand=["blue", "red"])
        for fields, best in (("title^3 brand", 0), ("title brand^3", 1)):
            found = (
                RANKERS.make("bm25", fields=fields).fit(shop, RUN).score(without_history(["red"]))
            )
            assert found[0].argmax() == best


def judged_shop(queries: int = 120, seed: int = 0) -> Shop:
    """A shop where the last word of a title says what the item is, and people grade by that word alone."""
    rng = np.random.default_rng(seed)
    colours, things = ["red", "blue", "green", "black"], [f"thing{i}" for i in range(12)]
    pairs = [(a, b) for a in colours for b in things]
    items = catalogue([f"{a} {b}" for a, b in pairs])
    rows = []
    for q in range(queries):
        a, b = colours[rng.integers(4)], things[rng.integers(12)]
        for place in [
            *rng.choice(len(pairs), 10, replace=False).tolist(),
            colours.index(a) * 12 + things.index(b),
        ]:
            grade = 3.0 if pairs[place][1] == b else 0.0
            rows.append((f"{a} {b} {q}x", f"i{place}", grade))
    judgments = pl.DataFrame(rows, schema=["query", "item_id", "grade"], orient="row")
    return items.with_tables(judgments=judgments.unique(["query", "item_id"], maintain_order=True))


def test_judgments_teach_what_bm25_cannot_know(tmp_path: Path) -> None:
    """Colour and thing are told apart by what people graded: here rare words are what matters, colours are common."""
    shop = judged_shop()
    flat = shop.table("judgments").with_columns(
        grade=pl.when(pl.col("grade") > 0).then(0.0).otherwise(3.0), weight=pl.lit(1.0)
    )
    kind = RANKERS.make("lambdamart", min_rows=5, trees=40, candidates=20)
    learned, turned = (
        kind.fit(shop, RUN),
        RANKERS.make("lambdamart", min_rows=5, trees=40, candidates=20),
    )
    turned.fit(shop.with_tables(judgments=flat), RUN)
    pairs = (["green thing3 7x"], np.zeros(2, dtype=np.int64), ["i27", "i28"])
    right, wrong = learned.match(*pairs)
    assert right > wrong
    right, wrong = turned.match(*pairs)
    assert right < wrong, "judgments the other way round teach the other way round"
    again = RANKERS.make("lambdamart", min_rows=5, trees=40, candidates=20).fit(shop, RUN)
    learned.save(tmp_path / "model")
    queries = without_history(["red thing5", "blue"])
    for other in (again, RANKERS.restore(tmp_path / "model")):
        np.testing.assert_array_equal(other.score(queries), learned.score(queries))
    assert np.isfinite(learned.score(queries)).all()


def test_rows_without_weight_and_of_unknown_items_teach_nothing() -> None:
    shop = judged_shop(30)
    rows = shop.table("judgments")
    more = pl.concat(
        [
            rows,
            rows.head(40).with_columns(
                grade=3.0 - pl.col("grade"), weight=pl.lit(0.0, dtype=pl.Float32)
            ),
            rows.head(40).with_columns(item_id=pl.lit("gone")),
        ]
    )
    queries = without_history(["red thing5"])
    made = [
        RANKERS.make("lambdamart", min_rows=5, trees=9).fit(shop.with_tables(judgments=j), RUN)
        for j in (rows, more)
    ]
    np.testing.assert_array_equal(made[0].score(queries), made[1].score(queries))


def test_the_numbers_of_a_pair_by_hand() -> None:
    ranker = RANKERS.make("lambdamart").fit(catalogue(TITLES), RUN)
    matcher = ranker._matcher
    row = matcher.pairs(
        ranker._matrices, matcher.ask(["red drill gnome"]), np.array([0]), np.array([0])
    )[0]
    told = dict(zip(NAMES, row.tolist(), strict=True))
    assert told["BM25 of all text"] == pytest.approx(
        slow_bm25("red drill gnome", TITLES, 1.2, 0.75, 0.0, 0.0)[0], rel=1e-5
    )
    assert told["words of the query"] == 3
    assert told["words of the first field"] == 5
    assert told["share of the query's words in the first field"] == pytest.approx(2 / 3)
    assert told["share of the first field's words in the query"] == pytest.approx(2 / 5)
    assert told["last word in the first field"] == 0
    rarity = {n: np.log(1 + (6 - n + 0.5) / (n + 0.5)) for n in (0, 2)}
    share = 2 * rarity[2] / (2 * rarity[2] + rarity[0])
    assert told["share of the query's rarity in the first field"] == pytest.approx(share, rel=1e-5)
    assert 0 < told["cosine of trigrams"] < 1


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(SettingError, match=r"bm25: b is 2\.0; give a number from 0 to 1"):
        RANKERS.make("bm25", b=2.0)
    with pytest.raises(SettingError, match=r"bm25: fields is 'titel'.* Did you mean 'title'"):
        RANKERS.make("bm25", fields="titel")
    with pytest.raises(SettingError, match="lambdamart: leaves is 1; give 2 or more"):
        RANKERS.make("lambdamart", leaves=1)
    with pytest.raises(
        InputError, match="'bm25' reads the text of the items, but it was given a log alone"
    ):
        RANKERS.make("bm25").fit(Log.of(small_shop()))
    with pytest.raises(InputError, match="items have no text"):
        RANKERS.make("bm25").fit(Shop({"items": pl.DataFrame({"item_id": ["a"]})}))


def some(shop: Shop, queries: int) -> Shop:
    """The judgments of the first queries."""
    rows = shop.table("judgments")
    kept = rows["query"].unique(maintain_order=True).head(queries)
    return shop.with_tables(judgments=rows.filter(pl.col("query").is_in(kept.implode())))


def test_few_labels_do_not_lead_astray_in_a_whole_catalogue(
    real_data: Path, tmp_path: Path
) -> None:
    shop = read(real_data / "homedepot_search", to=tmp_path / "shop", run=RUN).in_memory()
    parts = split(shop, SplitSettings(by="query"), None, RUN)
    few, test = some(parts.train, 150), some(parts.test, 300)
    judged = pl.concat(
        [few.table("judgments")["item_id"], test.table("judgments")["item_id"]]
    ).unique()
    whole = shop.table("items")
    items = whole.filter(
        pl.col("item_id").is_in(judged.implode()) | (pl.int_range(pl.len()) < 4_000)
    )
    task = QueryTask.of(test.with_tables(items=items), "test", 2.0)
    reached = {}
    for name in ("bm25", "lambdamart"):
        ranker = RANKERS.make(name).fit(few.with_tables(items=items), RUN)
        _, graded, _ = task.rank_all(ranker, RUN)
        reached[name] = NDCG().measure(graded), NDCG().measure(task.rank_judged(ranker, RUN))
    assert reached["lambdamart"][0] > reached["bm25"][0] - 0.01, (
        "trees of judged lists alone fall to a half"
    )
    assert reached["lambdamart"][1] > reached["bm25"][1]
