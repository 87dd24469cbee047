"""What every reranker keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import RANKERS, RERANKERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError
from wareloom.reranking import Catalogue, Lists, Reranker
from wareloom.shop import Log, Requests

NAMES = RERANKERS.names()
FAITHFUL: dict[str, dict[str, Any]] = {
    "calibrated": {"relevance": 1.0},
    "dpp": {"relevance": 1.0},
    "exposure": {"shares": {"new": 0.0}},
    "mmr": {"relevance": 1.0},
    "objective": {"margin": 0.0, "diversity": 0.0},
}
"""Settings under which scores alone count."""


def make(name: str, **settings: Any) -> Reranker:
    made = RERANKERS.make(name, **settings)
    assert isinstance(made, Reranker)
    return made


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(small_shop(), Run(seed=1, threads=1))


@pytest.fixture(scope="module")
def requests() -> Requests:
    return Requests.of(Log.of(small_shop(users=40, seed=5)))


@pytest.fixture(scope="module")
def ranking(requests: Requests) -> pl.DataFrame:
    return (
        RANKERS.make("transitions").fit(small_shop(), Run(seed=1, threads=1)).rank(requests, k=18)
    )


@pytest.fixture(scope="module")
def lists(ranking: pl.DataFrame, catalogue: Catalogue, requests: Requests) -> Lists:
    return Lists.of(ranking, catalogue, requests)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented_and_goes_round(name: str) -> None:
    entry = RERANKERS.describe(name)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []
    made = make(name)
    assert made.name == name
    assert configure(type(made), made.settings()).settings() == made.settings()
    with pytest.raises(SettingError, match="has no setting 'no_such'"):
        RERANKERS.make(name, no_such=1)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_restored_orders_the_same(
    name: str, lists: Lists, catalogue: Catalogue, tmp_path: Path
) -> None:
    made = make(name)
    made.save(tmp_path / name)
    again = RERANKERS.restore(tmp_path / name)
    np.testing.assert_array_equal(again.rerank(lists, catalogue), made.rerank(lists, catalogue))


@pytest.mark.parametrize("name", NAMES)
def test_an_order_names_each_place_once(name: str, lists: Lists, catalogue: Catalogue) -> None:
    order = make(name).rerank(lists, catalogue, 10)
    assert order.shape == (40, 10)
    assert order.dtype == np.int64
    assert ((order >= 0) & (order < 18)).all()
    assert all(len(set(row)) == 10 for row in order.tolist())
    whole = make(name).rerank(lists, catalogue, 99)
    np.testing.assert_array_equal(np.sort(whole, axis=1), np.tile(np.arange(18), (40, 1)))


@pytest.mark.parametrize("name", NAMES)
def test_where_scores_alone_count_the_order_stays(
    name: str, lists: Lists, catalogue: Catalogue
) -> None:
    assert set(FAITHFUL) == set(NAMES)
    order = make(name, **FAITHFUL[name]).rerank(lists, catalogue, 18)
    np.testing.assert_array_equal(order, np.tile(np.arange(18), (40, 1)))


@pytest.mark.parametrize("name", NAMES)
def test_defaults_move_something(name: str, lists: Lists, catalogue: Catalogue) -> None:
    made = make(name, shares={"category:Arc 2": 0.3}) if name == "exposure" else make(name)
    assert (made.rerank(lists, catalogue, 10) != np.arange(10)).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_ordered_as_each_alone(name: str, lists: Lists, catalogue: Catalogue) -> None:
    made = make(name)
    batch = made.rerank(lists, catalogue, 8)
    for i in range(len(lists)):
        np.testing.assert_array_equal(made.rerank(lists.part(i, i + 1), catalogue, 8)[0], batch[i])


@pytest.mark.parametrize("name", NAMES)
def test_the_unit_of_the_scores_does_not_matter(
    name: str, lists: Lists, catalogue: Catalogue
) -> None:
    moved = Lists(lists.item, lists.score * 4.0 - 8.0, lists.histories)
    np.testing.assert_array_equal(
        make(name).rerank(moved, catalogue), make(name).rerank(lists, catalogue)
    )


@pytest.mark.parametrize("name", NAMES)
def test_short_and_empty_lists(name: str, lists: Lists, catalogue: Catalogue) -> None:
    item, score = lists.item.copy(), lists.score.copy()
    for row, length in ((0, 3), (1, 0), (2, 1)):
        item[row, length:], score[row, length:] = -1, -np.inf
    order = make(name).rerank(Lists(item, score, lists.histories), catalogue, 5)
    assert sorted(order[0].tolist()) == [-1, -1, 0, 1, 2]
    assert (order[0, 3:] == -1).all()
    assert (order[1] == -1).all()
    assert order[2].tolist() == [0, -1, -1, -1, -1]
    np.testing.assert_array_equal(order[3:], make(name).rerank(lists, catalogue, 5)[3:])
    none = Lists(
        np.zeros((0, 4), np.int32), np.zeros((0, 4)), lists.histories.select(np.zeros(0, int))
    )  # type: ignore[union-attr]
    assert make(name).rerank(none, catalogue).shape == (0, 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_ranking_keeps_its_columns_and_scores(
    name: str, ranking: pl.DataFrame, catalogue: Catalogue, requests: Requests
) -> None:
    found = make(name).apply(ranking, catalogue, 5, requests)
    assert found.schema == ranking.schema
    assert found.filter(pl.col("request") == 7)["rank"].to_list() == [1, 2, 3, 4, 5]
    joined = found.join(ranking, on=["request", "item_id"], suffix="_before")
    assert len(joined) == len(found) == 5 * 40
    assert (joined["score"] == joined["score_before"]).all()
    assert (joined["user_id"] == joined["user_id_before"]).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_call_is_answered(name: str, lists: Lists, catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match="k is 0"):
        make(name).rerank(lists, catalogue, 0)
    strange = Lists(lists.item + 30, lists.score, lists.histories)
    with pytest.raises(InputError, match="the catalogue has 30 items"):
        make(name).rerank(strange, catalogue)


def test_lists_are_checked() -> None:
    item = np.array([[0, 1]], dtype=np.int32)
    with pytest.raises(InputError, match="not in the order of their scores"):
        Lists(item, np.array([[1.0, 2.0]]))
    with pytest.raises(InputError, match="no finite number"):
        Lists(item, np.array([[np.nan, 2.0]]))
    with pytest.raises(InputError, match="two like tables"):
        Lists(item, np.zeros((1, 3)))
    with pytest.raises(InputError, match="2 histories for 1 requests"):
        Lists(item, np.zeros((1, 2)), Requests.sessions([[], []]).histories)


def test_a_ranking_of_another_shop_is_refused(ranking: pl.DataFrame, catalogue: Catalogue) -> None:
    with pytest.raises(InputError, match="names the item 'else'"):
        Lists.of(ranking.with_columns(item_id=pl.lit("else")), catalogue)
