"""ALS: matrix factorisation of implicit feedback, with unseen users folded in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numba import njit, prange

from wareloom.core.run import Run
from wareloom.core.settings import Factor, Positive, Size
from wareloom.rankers import Ranker
from wareloom.rankers.history import Columns, merged, popularity, recency, tail
from wareloom.rankers.space import Places, Space
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class ALS(Ranker):
    """Factorise users × items by alternating least squares; a request's user vector is solved from its history.

    An event of weight w has the confidence 1 + alpha × w and the preference 1, all else confidence 1 and preference 0.
    At scoring the user vector is the exact solution for the history given, so users need not be known; the weight of an
    event of age a counts decay^a. Without known events, items go by popularity.

    Training is `implicit`'s (conjugate gradients, C++). Hu, Koren and Volinsky (2008); Takács et al. (2011).
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "moved by history", "weighted events"}
    )
    quick: ClassVar[Mapping[str, Any]] = {"embedding_size": 8, "epochs": 3}

    embedding_size: Size = 128
    """Length of the vector of each item."""
    regularization: Positive = 0.1
    """Penalty on the squared length of the vectors."""
    alpha: Positive = 40.0
    """Confidence an event of weight 1 adds."""
    epochs: Size = 15
    """Rounds over users and items."""
    decay: Factor = 0.7
    """Factor for each step back in the history that is scored; 1 counts all events alike."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        self.popularity_ = popularity(log)
        confidence = log.matrix()
        confidence.eliminate_zeros()
        confidence.data = 1.0 + np.float32(self.alpha) * confidence.data
        with threadpool_limits(1, user_api="blas"), run.task("ALS epochs", self.epochs) as advance:
            model = AlternatingLeastSquares(
                factors=self.embedding_size,
                regularization=self.regularization,
                iterations=self.epochs,
                num_threads=run.cores,
                random_state=run.seed_for("als") % 2**32,
            )
            model.fit(confidence, show_progress=False, callback=lambda *_: advance())
        self.vectors_ = np.asarray(model.item_factors, dtype=np.float32)
        wide = self.vectors_.astype(np.float64)
        self.gram_ = wide.T @ wide + self.regularization * np.eye(self.embedding_size)
        self.inverse_ = np.linalg.inv(self.gram_)

    @cached_property
    def _spread(self) -> np.ndarray:
        """V (VᵀV + λI)⁻¹; built once, not saved."""
        return self.vectors_ @ self.inverse_

    def space(self) -> Space:
        """Return the items' factors."""
        return Space(self.vectors_)

    def _places(self, requests: Requests) -> Places:
        assert requests.histories is not None
        history = merged(recency(requests.histories, self.decay, 0), len(self.vectors_))
        users = fold_in(history, self.vectors_, (self.gram_, self._spread), self.alpha)
        return Places(users, np.diff(history[0]) > 0)

    def _score(self, requests: Requests) -> np.ndarray:
        users, known = self._places(requests)
        scores: np.ndarray = users @ self.vectors_.T
        scores[~known] = tail(self.popularity_)
        return scores


@njit(cache=True, fastmath={"reassoc", "contract"})
def _short(items, extra, vectors, spread, out):  # type: ignore[no-untyped-def]
    """Solve in the size of the history by Cholesky; loops, as calls of LAPACK cost more than so small a sum."""
    # Woodbury: with A = VᵀV + λI, K = V_h A⁻¹ V_hᵀ over the items of the history, c = 1 + extra and D = diag(extra),
    # x = A⁻¹ V_hᵀ (c - (K + D⁻¹)⁻¹ K c): a system of the history's size instead of the vectors'.
    n, size = len(items), vectors.shape[1]
    inner, factor, right = np.empty((n, n)), np.empty((n, n)), np.zeros(n)
    for i in range(n):
        one = spread[items[i]]
        for j in range(i + 1):
            two, total = vectors[items[j]], 0.0
            for c in range(size):
                total += one[c] * two[c]
            inner[i, j] = inner[j, i] = total
    for i in range(n):
        for j in range(n):
            right[i] += inner[i, j] * (1.0 + extra[j])
        inner[i, i] += 1.0 / extra[i]
    for i in range(n):
        for j in range(i + 1):
            total = inner[i, j]
            for c in range(j):
                total -= factor[i, c] * factor[j, c]
            factor[i, j] = np.sqrt(total) if i == j else total / factor[j, j]
        for c in range(i):
            right[i] -= factor[i, c] * right[c]
        right[i] /= factor[i, i]
    for i in range(n - 1, -1, -1):
        for c in range(i + 1, n):
            right[i] -= factor[c, i] * right[c]
        right[i] /= factor[i, i]
    sums = np.zeros(size)
    for i in range(n):
        sums += (1.0 + extra[i] - right[i]) * spread[items[i]]
    out[:] = sums


@njit(cache=True, parallel=True)
def _fold_in(offsets, items, extra, vectors, gram, spread):  # type: ignore[no-untyped-def]
    requests, size = len(offsets) - 1, vectors.shape[1]
    out = np.zeros((requests, size), dtype=np.float32)
    for r in prange(requests):
        begin, end = offsets[r], offsets[r + 1]
        if begin == end:
            continue
        more = extra[begin:end]
        if end - begin < size:
            _short(items[begin:end], more, vectors, spread, out[r])
        else:
            held = vectors[items[begin:end]].astype(np.float64)
            left = gram + held.T @ (held * more.reshape(-1, 1))
            out[r] = np.linalg.solve(left, held.T @ (1.0 + more))
    return out


def fold_in(
    history: Columns, vectors: np.ndarray, solved: tuple[np.ndarray, np.ndarray], alpha: float
) -> np.ndarray:
    """Solve (VᵀV + λI + Σ αw vvᵀ) x = Σ (1 + αw) v for the vector x of each request.

    `solved` is VᵀV + λI and V (VᵀV + λI)⁻¹ in float64. Short histories are solved in the size of the history
    (Woodbury's identity), long ones in that of the vectors. Returns float32 [requests, embedding_size].
    """
    offsets, items, values = history
    extra = alpha * values.astype(np.float64)
    users: np.ndarray = _fold_in(offsets, items, extra, vectors, *solved)
    return users
