"""The arms of a proof of search, by what reaches the ranker: one loss for all, and no held-out query in any."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest

from search_shop import Told, search_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.experiment.plan import MIXED, NAIVE, OWN, REAL, REPEATED, SYNTHETIC
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.prove import prove
from wareloom.proof.search import QueryProofSettings, Search
from wareloom.report import render
from wareloom.sampling.generator import Generator
from wareloom.sampling.own_queries import best_found, own_queries, pseudo_labelled
from wareloom.shop import Shop

RUN = Run(seed=3, threads=1)
LABELLER: dict[str, Any] = {"round_trip": 0, "graded": 4}
LOWER = pl.col("grade") < 3


def settings(synthesizer: str, made: dict[str, Any], **more: Any) -> QueryProofSettings:
    few: dict[str, Any] = {"seeds": 1, "labelled": 0, "queries": 60, "baselines": {}}
    few |= {"primary": "catalogue", "single_grade": True, "ranker": "search_shop:Told"}
    generator = Generator(synthesizer=synthesizer, settings=made, screens=())
    return QueryProofSettings(generator=generator, **(few | more))


def given(asked: QueryProofSettings, shop: Shop) -> dict[str, pl.DataFrame]:
    """The judgments that each arm's ranker was fitted on, by the arm."""
    Told.seen.clear()
    found = prove(shop, asked, RUN)
    rows = {row["arm"]: row["judgments"][0] for row in found.data["training"]}
    by_arm = {}
    for arm, count in rows.items():
        mine = [one for one in Told.seen if len(one) == count and _is_of(arm, one)]
        assert mine, (arm, count, [len(one) for one in Told.seen])
        by_arm[arm] = mine[0]
    return by_arm


def _is_of(arm: str, rows: pl.DataFrame) -> bool:
    beside = {*rows["origin"]} - {"real"} if len(rows) else set()
    kind = {"naive": NAIVE, "own-queries": OWN, "repeated-0": REPEATED, "repeated-1": REPEATED}
    there = {kind.get(origin, MIXED) for origin in beside} or {REAL}
    alone = arm == SYNTHETIC and "real" not in {*rows["origin"]}
    return (there == {MIXED} and alone) or (arm != SYNTHETIC and there == {arm})


def shares_words(rows: pl.DataFrame, shop: Shop) -> float:
    """The part of the rows whose product's title has a word of the query."""
    titled = rows.join(shop.table("items").select("item_id", "title"), on="item_id")
    return float(
        np.mean(
            [
                bool({*query.lower().split()} & {*title.lower().split()})
                for query, title in titled.select("query", "title").iter_rows()
            ]
        )
    )


def test_naive_queries_are_labelled_by_the_labeller_of_the_synthetic_ones() -> None:
    shop = search_shop()
    arms = given(settings("lexical", LABELLER), shop)
    naive, mixed = arms[NAIVE], arms[MIXED]
    labeller = SYNTHESIZERS.make("lexical", **LABELLER).fit(shop.with_tables(judgments=None), RUN)
    queries = naive["query"].to_list()
    grades, _ = labeller.label(queries, np.arange(len(queries)), naive["item_id"].to_list(), RUN)
    np.testing.assert_allclose(naive["grade"], grades, atol=1e-9)
    sizes = [rows.group_by("query").len()["len"].mean() for rows in (naive, mixed)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.15), "as many products a query"
    hard = [shares_words(rows.filter(LOWER), shop) for rows in (naive, mixed)]
    assert hard[0] > 0.9 * hard[1] > 0.5, "what is to be told apart is as hard"
    # Titles of two words have few runs, and a run of words is labelled once a product.
    assert 0.9 < len(naive) / len(mixed) < 1.2


@pytest.mark.parametrize("told", [30, 0])
def test_a_synthesizer_from_outside_lends_its_grades(told: int) -> None:
    arms = given(settings("search_shop:TitleQueries", {}, labelled=told), search_shop())
    real = set(arms[REAL]["query"]) if told else set()

    def lists(rows: pl.DataFrame) -> Counter[tuple[float, ...]]:
        made = rows.filter(~pl.col("query").is_in(list(real)))
        return Counter(
            tuple(sorted(each, reverse=True))
            for each in made.group_by("query").agg("grade")["grade"].to_list()
            if len(each) == 6
        )

    naive, mixed = lists(arms[NAIVE]), lists(arms[MIXED])
    assert len(naive) > 3
    assert {*naive} <= {*mixed}


def test_each_query_of_a_synthesizer_of_queries_has_one_product_in_every_arm() -> None:
    shop = search_shop()
    arms = given(settings("attributes", {}), shop)
    for arm in (NAIVE, MIXED, OWN):
        assert set(arms[arm]["grade"]) == {3.0}, arm
    told = arms[OWN]
    assert told["query"].n_unique() == len(told), "the one that was found first"


def test_own_queries_are_those_of_the_training_part_labelled_by_what_nobody_taught() -> None:
    shop = search_shop()
    asked = settings("attributes", {}, queries=400)
    told = given(asked, shop)[OWN]
    parts = split(shop, SplitSettings(by="query"), None, RUN)
    assert set(told["query"]) == set(parts.train.table("judgments")["query"])
    bare = shop.with_tables(judgments=None)
    stages = Told().fit(bare, RUN)
    scores = stages.match_all(told["query"].to_list())
    best = stages.items_.gather(scores.argmax(axis=1)).to_list()
    assert np.mean([a == b for a, b in zip(best, told["item_id"].to_list(), strict=True)]) > 0.9
    assert Search(shop, asked, RUN).own == sorted(set(told["query"]))


@pytest.mark.parametrize("told", [30, 0])
def test_what_labels_the_shop_s_own_queries_was_taught_by_no_label_that_is_told_or_hidden(
    told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bool]] = []
    fit = Told.fit

    def noted(self: Told, shop: Shop, *args: Any, **more: Any) -> Told:
        seen.append((shop.rows("judgments"), self.settings() == self.untaught().settings()))
        return fit(self, shop, *args, **more)

    monkeypatch.setattr(Told, "fit", noted)
    study = Search(search_shop(), settings("attributes", {}, labelled=told), RUN)
    assert len(study._found) == len(study.own) > 0
    assert seen == [(0, True)]


def planted() -> tuple[Split, list[str]]:
    """A training part whose searches have the test queries in other writing, and two of their own."""
    parts = split(search_shop(60), SplitSettings(by="query"), None, RUN)
    held = [*parts.test.table("judgments")["query"], *parts.validation.table("judgments")["query"]]
    near = [f"  {query.upper()} ".replace(" ", "\u00a0 ") for query in dict.fromkeys(held)]
    asked = [*near, "garden hose", "Garden  HOSE", "bath towel", " "]
    searches = pl.DataFrame({"search_id": [f"s{n}" for n in range(len(asked))], "query": asked})
    return Split(
        parts.train.with_tables(searches=searches), parts.validation, parts.test, parts.how
    ), near


def test_no_held_out_query_is_among_the_shop_s_own_however_it_is_written() -> None:
    parts, near = planted()
    assert len(near) > 10
    every = own_queries(parts, parts.train)
    assert [query.lower().split() for query in every] == [["bath", "towel"], ["garden", "hose"]]
    hidden = own_queries(parts, parts.train.with_tables(judgments=None))
    assert len(hidden) == 2 + parts.train.table("judgments")["query"].n_unique()
    assert not {" ".join(q.lower().split()) for q in hidden} & {
        " ".join(q.lower().split()) for q in near
    }


def test_labels_of_own_queries_take_the_grades_of_synthetic_ones_from_the_top_down() -> None:
    found = np.array([[3, 1, 2, 0], [0, 2, -1, -1], [-1, -1, -1, -1]])
    items = pl.Series("item_id", ["a", "b", "c", "d"])
    made = pseudo_labelled(["x", "y", "z"], found, items, [[3.0, 1.0, 0.5]], RUN.rng("own"))
    x, y = (made.filter(pl.col("query") == name) for name in ("x", "y"))
    assert x["grade"].to_list() == [3.0, 1.0, 0.5]
    order = ["d", "b", "c", "a"]
    places = [order.index(item) for item in x["item_id"]]
    assert places[0] == 0
    assert places == sorted(places)
    assert y.select("item_id", "grade").rows() == [("a", 3.0), ("c", 1.0)]
    assert made.filter(pl.col("query") == "z").is_empty(), "nothing was found for it"
    assert best_found(Told().fit(search_shop(20), RUN), []).shape[0] == 0


def test_without_queries_of_its_own_the_arm_is_left_out_with_the_reason() -> None:
    asked = settings("attributes", {}, labelled=None, ranker="bm25")
    found = prove(search_shop(60), asked, RUN)
    assert OWN not in set(found.arms()["arm"])
    assert "nobody labelled" in found.data["arms_left_out"][OWN]
    assert "nobody labelled" in render(found.data)


def test_the_arm_is_shown_beside_and_decides_nothing() -> None:
    found = prove(search_shop(), settings("attributes", {}, seeds=2), RUN)
    pairs = {(row["arm"], row["against"]) for row in found.data["comparisons"]}
    assert {(OWN, REAL), (MIXED, OWN)} <= pairs
    assert OWN not in found.data["decisive"]["controls"]
    assert "the shop's own queries" in " ".join(found.data["story"]["references"])
