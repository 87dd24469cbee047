"""The contract of rerankers."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError
from wareloom.reranking import Catalogue, Lists, Reranker
from wareloom.shop import Log, Requests
from wareloom.testing import laws as kit
from wareloom.testing.laws import Law, again, law, make, refused
from wareloom.testing.shops import small_shop

RUN = Run(seed=1, threads=1)
LAWS: dict[str, Law] = {
    "every setting is documented": kit.documented,
    "settings go round": kit.settings_go_round,
}
"""What every reranker keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


@cache
def catalogue() -> Catalogue:
    """The items of the ring."""
    return Catalogue(small_shop(), RUN)


@cache
def requests() -> Requests:
    """Forty requests with histories."""
    return Requests.of(Log.of(small_shop(users=40, seed=5)))


@cache
def ranking() -> pl.DataFrame:
    """The 18 best items of each request."""
    found: pl.DataFrame = RANKERS.make("transitions").fit(small_shop(), RUN).rank(requests(), k=18)
    return found


def lists() -> Lists:
    """The ranking as lists, anew each time."""
    return Lists.of(ranking(), catalogue(), requests())


@law(LAWS, "saved and restored")
def saved_and_restored(cls: type[Reranker]) -> None:
    """Saved and restored, it orders the same."""
    made = make(cls)
    np.testing.assert_array_equal(
        again(made).rerank(lists(), catalogue()), made.rerank(lists(), catalogue())
    )


@law(LAWS, "an order names each place once")
def an_order_names_each_place_once(cls: type[Reranker]) -> None:
    """An order is int64 [requests, k] of different places, all of them where k is large enough."""
    order = make(cls).rerank(lists(), catalogue(), 10)
    assert order.shape == (40, 10)
    assert order.dtype == np.int64
    assert ((order >= 0) & (order < 18)).all()
    assert all(len(set(row)) == 10 for row in order.tolist())
    whole = make(cls).rerank(lists(), catalogue(), 99)
    np.testing.assert_array_equal(np.sort(whole, axis=1), np.tile(np.arange(18), (40, 1)))


@law(LAWS, "where scores alone count the order stays")
def where_scores_alone_count_the_order_stays(cls: type[Reranker]) -> None:
    """Under its `faithful` settings the order is that of the scores."""
    order = configure(cls, cls.faithful).rerank(lists(), catalogue(), 18)
    np.testing.assert_array_equal(order, np.tile(np.arange(18), (40, 1)))


@law(LAWS, "it moves something")
def it_moves_something(cls: type[Reranker]) -> None:
    """Under its `moving` settings, the defaults where it has none, some list has another order."""
    made = configure(cls, kit.quick(cls) | dict(cls.moving))
    assert (made.rerank(lists(), catalogue(), 10) != np.arange(10)).any()


@law(LAWS, "its input stays")
def its_input_stays(cls: type[Reranker]) -> None:
    """The lists are as they were before."""
    given, before = lists(), lists()
    make(cls).rerank(given, catalogue(), 10)
    np.testing.assert_array_equal(given.item, before.item)
    np.testing.assert_array_equal(given.score, before.score)


@law(LAWS, "a batch is ordered as each alone")
def a_batch_is_ordered_as_each_alone(cls: type[Reranker]) -> None:
    """The order of a list does not hang on what stands beside it."""
    made, whole = make(cls), lists()
    batch = made.rerank(whole, catalogue(), 8)
    for i in range(len(whole)):
        alone = made.rerank(whole.part(i, i + 1), catalogue(), 8)[0]
        np.testing.assert_array_equal(alone, batch[i])


@law(LAWS, "the unit of the scores does not matter")
def the_unit_of_the_scores_does_not_matter(cls: type[Reranker]) -> None:
    """Scores times a number, and plus one, give the same order."""
    whole = lists()
    moved = Lists(whole.item, whole.score * 4.0 - 8.0, whole.histories)
    np.testing.assert_array_equal(
        make(cls).rerank(moved, catalogue()), make(cls).rerank(whole, catalogue())
    )


@law(LAWS, "short and empty lists")
def short_and_empty_lists(cls: type[Reranker]) -> None:
    """Lists that end early are ordered as far as they go, and change no other; no list at all has no order."""
    whole = lists()
    item, score = whole.item.copy(), whole.score.copy()
    for row, length in ((0, 3), (1, 0), (2, 1)):
        item[row, length:], score[row, length:] = -1, -np.inf
    order = make(cls).rerank(Lists(item, score, whole.histories), catalogue(), 5)
    assert sorted(order[0].tolist()) == [-1, -1, 0, 1, 2]
    assert (order[0, 3:] == -1).all()
    assert (order[1] == -1).all()
    assert order[2].tolist() == [0, -1, -1, -1, -1]
    np.testing.assert_array_equal(order[3:], make(cls).rerank(whole, catalogue(), 5)[3:])
    assert whole.histories is not None
    nobody = whole.histories.select(np.zeros(0, dtype=np.int64))
    none = Lists(np.zeros((0, 4), np.int32), np.zeros((0, 4)), nobody)
    assert make(cls).rerank(none, catalogue()).shape == (0, 4)


@law(LAWS, "a ranking keeps its columns and scores")
def a_ranking_keeps_its_columns_and_scores(cls: type[Reranker]) -> None:
    """A reranked ranking has the same columns, places from 1, and each item's own score and user."""
    found = make(cls).apply(ranking(), catalogue(), 5, requests())
    assert found.schema == ranking().schema
    assert found.filter(pl.col("request") == 7)["rank"].to_list() == [1, 2, 3, 4, 5]
    joined = found.join(ranking(), on=["request", "item_id"], suffix="_before")
    assert len(joined) == len(found) == 5 * 40
    assert (joined["score"] == joined["score_before"]).all()
    assert (joined["user_id"] == joined["user_id_before"]).all()


@law(LAWS, "a wrong call is answered")
def a_wrong_call_is_answered(cls: type[Reranker]) -> None:
    """A list of no length, and items that the catalogue does not have, are refused."""
    whole = lists()
    with refused(InputError, "k is 0"):
        make(cls).rerank(whole, catalogue(), 0)
    strange = Lists(whole.item + 30, whole.score, whole.histories)
    with refused(InputError, "the catalogue has 30 items"):
        make(cls).rerank(strange, catalogue())
