"""EASE: a linear autoencoder in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit, prange

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, Positive
from wareloom.errors import InputError, MemoryLimitError
from wareloom.rankers import Ranker
from wareloom.rankers.history import distinct, popularity, recency, tail
from wareloom.rankers.neighbourhood import sum_rows
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps

GIB = 1 << 30


@dataclass(kw_only=True, eq=False)
class EASE(Ranker):
    """Predict each item of a user from all the others by ridge regression, and score histories with the weights.

    With the Gram matrix G of the items, P = (G + regularization × I)⁻¹ and the weights are B = I - P / diag(P). A
    user's value of an item is √(weight of the events), so that a user whose events weigh 2 counts as two such users.
    `pair_decay` counts a pair of items d places apart in a user's sequence pair_decay^d in G, which stays positive
    definite. A request's score of j is the sum over its events of decay^age × weight × B(i, j); without known events,
    items go by popularity.

    Memory: 4 × items² bytes, in place; 12,000 items take 0.6 GB. Raises `InputError` before it starts where that is
    above `memory_limit`. Steck (2019), "Embarrassingly shallow autoencoders for sparse data".
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "moved by history",
            "weighted users",
            "weighted events",
        }
    )
    random: ClassVar[bool] = False

    regularization: Positive = 100.0
    """Ridge penalty; more for sparse logs, less for dense ones."""
    decay: Factor = 0.7
    """Factor for each step back in the history that is scored; 1 counts all events alike, as the paper does."""
    last: Count = 0
    """Events of the history that count, the latest ones; 0 takes all."""
    pair_decay: Factor = 0.8
    """Factor for each place between two items of one user in training; 1 counts all pairs alike, as the paper does."""
    max_items: Count = 0
    """Learn the most popular items only, the others go below all by popularity; 0 takes all."""
    memory_limit: Positive = 4.0
    """GiB the weights may take."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)
        kept = min(self.max_items or len(log.items), len(log.items))
        self._check_memory(kept)
        self.kept_ = np.sort(np.argsort(-self.popularity_, kind="stable")[:kept]).astype(np.int32)
        place = np.full(len(log.items), -1, dtype=np.int32)
        place[self.kept_] = np.arange(kept, dtype=np.int32)
        with run.task(f"EASE over {kept} items"):
            matrix = gram(log, place, kept, self.pair_decay)
            matrix.ravel()[:: kept + 1] += np.float32(self.regularization)
            self.weights_ = weights(matrix)

    def _check_memory(self, kept: int) -> None:
        needed, allowed = 4 * kept * kept / GIB, self.memory_limit
        if needed > allowed:
            fits = int((allowed * GIB / 4) ** 0.5)
            raise MemoryLimitError(
                f"EASE over {kept} items needs {needed:.1f} GiB, more than memory_limit={allowed:g}. Set "
                f"max_items={fits} to learn the most popular ones only, "
                f"or memory_limit={needed * 1.01:.1f} if the machine has it."
            )

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        order = tail(self.popularity_)
        offsets, items, values = recency(requests.histories, self.decay, self.last)
        place = np.full(len(order), -1, dtype=np.int32)
        place[self.kept_] = np.arange(len(self.kept_), dtype=np.int32)
        known = place[items] >= 0
        offsets = np.concatenate([[0], np.cumsum(known)])[offsets].astype(np.int64)
        scores = sum_rows((offsets, place[items[known]], values[known]), self.weights_)
        empty = np.diff(offsets) == 0
        if len(self.kept_) == len(order):
            scores[empty] = order
            return scores
        whole: np.ndarray = scores.min(axis=1, keepdims=True) + order
        whole[:, self.kept_] = scores
        whole[empty] = order
        return whole


@njit(cache=True, parallel=True)
def _gram(users, events, kept, decay):  # type: ignore[no-untyped-def]
    """Add up the lower triangle; a pair of one user's items counts decay^(places apart)."""
    offsets, item, root = users
    starts, order, owner = events
    # A row is of one thread, which meets its pairs in the order of events: no number of threads changes a sum.
    out = np.zeros((kept, kept), dtype=np.float32)
    for i in prange(kept):
        row = out[i]
        for e in order[starts[i] : starts[i + 1]]:
            for f in range(offsets[owner[e]], offsets[owner[e] + 1]):
                j = item[f]
                if 0 <= j <= i:
                    row[j] += root[e] * root[f] * decay ** abs(e - f)
    return out


def gram(log: Log, place: np.ndarray, kept: int, decay: float) -> np.ndarray:
    """Lower triangle of the Gram matrix of the items that `place` (code, or -1) keeps: float32 [kept, kept]."""
    offsets, items, values = distinct(log)
    item = place[items]
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.argsort(item, kind="stable")
    starts = np.searchsorted(item[order], np.arange(kept + 1))
    return _gram((offsets, item, np.sqrt(values)), (starts, order, owner), kept, decay)


@njit(cache=True, parallel=True)
def _spread(p, diagonal):  # type: ignore[no-untyped-def]
    """Turn the lower triangle of P into B = -P / diag(P) with a zero diagonal, in place, tile by tile."""
    # Column j is divided by its own diagonal: both halves differ, and are written from the one that is known. Tiles
    # keep the writes across the diagonal in the cache.
    n, tile = len(p), 64
    tiles = (n + tile - 1) // tile
    for a in prange(tiles):
        for b in range(a + 1):
            for i in range(a * tile, min(n, a * tile + tile)):
                for j in range(b * tile, min(i, b * tile + tile)):
                    value = p[i, j]
                    p[i, j] = -value / diagonal[j]
                    p[j, i] = -value / diagonal[i]
    for i in range(n):
        p[i, i] = 0.0


def weights(matrix: np.ndarray) -> np.ndarray:
    """Invert the positive definite `matrix` (float32, its lower triangle, overwritten) and return EASE's weights."""
    from scipy.linalg import lapack

    factor, failed = lapack.spotrf(matrix.T, lower=0, clean=0, overwrite_a=1)
    if failed:
        raise InputError(
            "EASE: the Gram matrix is not positive definite in 32 bits; set a higher regularization."
        )
    inverse, _ = lapack.spotri(factor, lower=0, overwrite_c=1)
    result = inverse.T
    _spread(result, result.diagonal().copy())
    return result
