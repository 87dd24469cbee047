"""Walks of one collaborative ranker: drawn from its table, of behaviour alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import MemoryLimitError, SettingError
from wareloom.rankers.neighbourhood import Neighbourhood
from wareloom.shop import Log
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._tables import _vectors, _weights


class Fitted:
    """What a table is taken from."""

    decay, last = 0.7, 0
    items_ = tuple("abcde")
    kept_ = np.array([0, 2, 3, 4])
    weights_ = np.array(
        [[0, 3, -1, 2], [1, 0, 0, -2], [5, 4, 0, 3], [-1, -2, -3, 0]], dtype=np.float32
    )
    vectors_ = np.array([[2, 0], [0, 1], [1, 1], [-1, 0], [0, 0]], dtype=np.float32)


def entries(of: Neighbourhood) -> dict[tuple[int, int], float]:
    found = of.table.tocoo()
    return {
        (int(i), int(j)): round(float(v), 4)
        for i, j, v in zip(found.row, found.col, found.data, strict=True)
    }


def test_the_highest_positive_weights_of_ease_are_kept() -> None:
    wanted = {(0, 2): 3, (0, 4): 2, (2, 0): 1, (3, 0): 5, (3, 2): 4}
    assert entries(_weights(Fitted(), 2)) == wanted
    assert _weights(Fitted(), 2).decay == 0.7


def test_the_nearest_vectors_of_als_are_kept() -> None:
    half = round(2**-0.5, 4)
    assert entries(_vectors(Fitted(), 2)) == {
        (0, 2): half,
        (1, 2): half,
        (2, 0): half,
        (2, 1): half,
    }


@pytest.mark.parametrize("ranker", ["item_knn", "ease", "als", "transitions"])
def test_walks_follow_the_ring(ranker: str) -> None:
    """Of real steps four in five go one item on; walks keep near, however the ranker counts."""
    settings = {"embedding_size": 8, "alpha": 5.0} if ranker == "als" else {}
    made = SYNTHESIZERS.make("neighbours", ranker=ranker, ranker_settings=settings, top=5).fit(
        small_shop(users=300), Run(seed=1)
    )
    log = Log.of(made.sample(300, Run(seed=2)))
    inner = np.flatnonzero(np.diff(log.user, prepend=-1) == 0)
    number = np.array([int(item[1:]) for item in log.items.ids])[log.item]
    step = (number[inner] - number[inner - 1] + 15) % 30 - 15
    fresh = np.abs(step[step != 0])
    assert (fresh <= 3).mean() > 0.6
    assert made.origin.startswith("neighbours@")


def test_the_next_item_has_the_frequencies_of_the_table() -> None:
    made = SYNTHESIZERS.make("neighbours", temperature=1.0, top=4).fit(
        small_shop(users=200), Run(seed=1)
    )
    log = Log.of(made.sample(20_000, Run(seed=2), Given(start_items=("i7",), length=2)))
    first, second = log.item[log.offsets[:-1]], log.item[log.offsets[1:] - 1]
    row = made.table_[log.items.encode(["i7"])[0]].toarray().ravel()
    best = np.argsort(-row)[:4]
    fresh = second[first != second]
    found = np.array([(fresh == item).mean() for item in best])
    np.testing.assert_allclose(found, row[best] / row[best].sum(), atol=0.015)


def test_text_changes_nothing() -> None:
    shop = small_shop()
    blank = shop.with_tables(
        items=shop.table("items").select("item_id", title=pl.lit("one and the same"))
    )
    one, other = (
        SYNTHESIZERS.make("neighbours").fit(s, Run(seed=1)).sample(50, Run(seed=2))
        for s in (shop, blank)
    )
    # Ids carry the draw, and with it the catalogue that was read.
    same = [
        shop.table("events").with_columns(pl.col("user_id").rank("dense"), origin=pl.lit(""))
        for shop in (one, other)
    ]
    assert same[0].equals(same[1])


def test_wrong_settings_are_named_and_a_full_matrix_too_large_is_refused() -> None:
    for settings, said in (
        ({"ranker": "sasrec"}, "ranker is 'sasrec'; give "),
        ({"top": 0}, "top is 0"),
    ):
        with pytest.raises(SettingError, match=said):
            SYNTHESIZERS.make("neighbours", **settings)
    small = {"ranker": "ease", "ranker_settings": {"memory_limit": 1e-6}}
    with pytest.raises(MemoryLimitError, match="max_items"):
        SYNTHESIZERS.make("neighbours", **small).fit(small_shop(), Run(seed=1))
