"""Popularity, transitions and item-kNN against slow obvious versions."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from conftest import small_shop
from wareloom.core.family import RANKERS
from wareloom.rankers.neighbourhood import highest
from wareloom.shop import Log, Requests

LOG = Log.of(small_shop(users=50))
LOG = replace(LOG, weight=np.random.default_rng(2).integers(1, 4, len(LOG)).astype(np.float32))
N = len(LOG.items)
ASKED = Requests.of(Log.of(small_shop(users=15, seed=9)))


def summed(table: np.ndarray, decay: float, last: int) -> np.ndarray:
    """The sum of the rows of `table` over the last events of each history, the slow way."""
    history = ASKED.histories
    assert history is not None
    scores = np.zeros((len(ASKED), N))
    for r in range(len(ASKED)):
        items = history.item[history.offsets[r] : history.offsets[r + 1]][::-1]
        for age, item in enumerate(items[: last or None]):
            scores[r] += decay**age * table[item]
    return scores


def kept(table: np.ndarray, k: int) -> np.ndarray:
    """The k highest of each row, lower columns first."""
    out = np.zeros_like(table)
    for i, row in enumerate(table):
        best = np.argsort(-row, kind="stable")[:k]
        out[i, best] = row[best]
    return out


def agrees(scores: np.ndarray, expected: np.ndarray) -> None:
    known = expected > 0
    np.testing.assert_allclose(scores[known], expected[known], rtol=1e-4)
    assert (scores[~known] < 0).all()
    assert known.any()
    assert not known.all()


@pytest.mark.parametrize("powers", [(0.0, 0.0), (0.5, 0.25)])
@pytest.mark.parametrize("neighbours", [4, 100])
def test_transitions_equal_the_slow_version(powers: tuple[float, float], neighbours: int) -> None:
    table = np.zeros((N, N))
    for a, b in zip(LOG.offsets, LOG.offsets[1:], strict=False):
        for p in range(a, b):
            for q in range(p + 1, min(b, p + 4)):
                gain = 0.7 ** (q - p - 1) * np.sqrt(LOG.weight[p] * LOG.weight[q])
                table[LOG.item[p], LOG.item[q]] += gain
                table[LOG.item[q], LOG.item[p]] += 0.3 * gain
    counts = LOG.counts(weighted=True)
    table /= counts[:, None] ** powers[0] * counts[None, :] ** powers[1]
    ranker = RANKERS.make(
        "transitions",
        window=3,
        neighbours=neighbours,
        last=3,
        decay=0.6,
        row_power=powers[0],
        column_power=powers[1],
    )
    agrees(ranker.fit(LOG).score(ASKED), summed(kept(table, neighbours), 0.6, 3))


@pytest.mark.parametrize("neighbours", [4, 100])
def test_item_knn_equals_the_slow_version(neighbours: int) -> None:
    x = np.sqrt(LOG.matrix().toarray())
    norm = np.linalg.norm(x, axis=0)
    table = x.T @ x / (np.outer(norm, norm) + 5)
    np.fill_diagonal(table, 0)
    ranker = RANKERS.make("item_knn", neighbours=neighbours, shrink=5, decay=0.8).fit(LOG)
    expected = summed(kept(table, neighbours), 0.8, 0)
    known = expected > 0
    scores = ranker.score(ASKED)
    np.testing.assert_allclose(scores[known], expected[known], rtol=1e-4)
    assert (scores[~known] < 0).all()


@pytest.mark.parametrize("k", [1, 3, 100])
def test_the_highest_of_each_row_stay(k: int) -> None:
    drawn = np.random.default_rng(k).integers(0, 4, (30, 12)).astype(np.float32)
    np.testing.assert_array_equal(highest(sparse.csr_matrix(drawn), k).toarray(), kept(drawn, k))


def test_weighting_says_less_for_users_with_many_items() -> None:
    shop = ["a", "b", "c", "d", "e", "f", "g", "h"]
    long = Requests.sessions([["a", "b"], ["a", *shop[2:]], ["h"]]).histories
    assert long is not None
    plain, weighted = (
        RANKERS.make("item_knn", weighting=w, shrink=0)
        .fit(long)
        .score(Requests.sessions([["a"]]), ["b", "c"])[0]
        for w in ("none", "tfidf")
    )
    assert weighted[0] / weighted[1] > plain[0] / plain[1]


def test_popularity_halves_with_age() -> None:
    log = Log.of(small_shop())
    age = (log.time.max() - log.time) / 86_400e6
    expected = np.bincount(log.item, weights=0.5 ** (age / 7), minlength=len(log.items))
    score = RANKERS.make("popularity", half_life=7).fit(log).score(Requests.sessions([[]]))[0]
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_popularity_without_times_counts_all_alike() -> None:
    log = Log.of(small_shop(timed=False))
    score = RANKERS.make("popularity", half_life=7).fit(log).score(Requests.sessions([[]]))[0]
    np.testing.assert_allclose(score, log.counts())
