"""Item-kNN: items bought by the same users are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numba import get_num_threads, njit, prange
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, Size
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency, tail
from wareloom.rankers.neighbourhood import Neighbourhood, keep_best, sum_neighbours, to_table
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps

K1, B = 1.2, 0.75
"""The usual constants of BM25."""


@dataclass(kw_only=True, eq=False)
class ItemKNN(Ranker):
    """Score items by their cosine similarity to the items of the history.

    A user's value of an item is √(weight of the events), so that a user whose events weigh 2 counts as two such users.
    The similarity of i and j is xᵢ·xⱼ / (‖xᵢ‖ ‖xⱼ‖ + shrink). A request's score of j is the sum over its events of
    decay^age × weight × similarity (i, j); where that is 0, items follow by popularity, below all others.

    Time: the sum over users of the square of their items. Memory: items × neighbours × 8 bytes beside the log; the full
    similarity matrix is never built. Sarwar et al. (2001), Deshpande and Karypis (2004).
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

    neighbours: Size = 200
    """Similar items kept for each item."""
    shrink: NonNegative = 20.0
    """Added to the denominator, so that items with few users in common are not taken for alike."""
    weighting: Literal["none", "tfidf", "bm25"] = "none"
    """How values are weighed before: none; tfidf, users with many items say less; bm25, so do popular items."""
    decay: Factor = 0.7
    """Factor for each step back in the history that is scored; 1 counts all events alike."""
    last: Count = 0
    """Events of the history that count, the latest ones; 0 takes all."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)
        users = _weigh(log.matrix(), self.weighting)
        items = users.tocsc()
        norm = np.sqrt(np.asarray(users.multiply(users).sum(axis=0), dtype=np.float64).ravel())
        parts = _similar(
            (users.indptr, users.indices, users.data),
            (items.indptr, items.indices, items.data),
            norm,
            self.shrink,
            min(self.neighbours, len(log.items)),
            min(len(log.items), 8 * get_num_threads()),
        )
        self.table_ = to_table(parts, len(log.items))

    def neighbourhood(self) -> Neighbourhood:
        """Return the table whose rows it adds up over the history."""
        return Neighbourhood(self.table_, self.decay, self.last)

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        history = recency(requests.histories, self.decay, self.last)
        return sum_neighbours(history, self.table_, tail(self.popularity_))


def _weigh(users: sparse.csr_matrix, weighting: str) -> sparse.csr_matrix:
    """Return users × items with √ of the weights, times what `weighting` says of the user."""
    users.data = np.sqrt(users.data)
    users.eliminate_zeros()
    if weighting == "none":
        return users
    items = users.shape[1]
    held = np.diff(users.indptr)
    row = np.repeat(np.arange(users.shape[0]), held)
    rarity = np.log1p(items / np.maximum(held, 1))
    if weighting == "bm25":
        length = np.bincount(users.indices, weights=users.data, minlength=items)
        norm = K1 * (1.0 - B + B * length / max(length.mean(), 1e-12))
        users.data = users.data * (K1 + 1.0) / (norm[users.indices] + users.data)
    users.data = (users.data * rarity[row]).astype(np.float32)
    return users


@njit(cache=True, parallel=True)
def _similar(users, items, norm, shrink, k, chunks):  # type: ignore[no-untyped-def]
    """Build each item's row in a buffer of its thread, keeping the k best entries."""
    user_start, user_item, user_value = users
    item_start, item_user, item_value = items
    n_items = len(norm)
    count = np.zeros(n_items, dtype=np.int64)
    columns = np.zeros((n_items, k), dtype=np.int32)
    values = np.zeros((n_items, k), dtype=np.float32)
    for c in prange(chunks):
        # One dense row a thread, and a list of where it was touched: what is cleared is what was filled (Gustavson
        # 1978), so that a row costs the pairs it has, not the size of the catalogue.
        sums = np.zeros(n_items)
        touched = np.empty(n_items, dtype=np.int32)
        for i in range(n_items * c // chunks, n_items * (c + 1) // chunks):
            n = 0
            for e in range(item_start[i], item_start[i + 1]):
                user, value = item_user[e], item_value[e]
                for f in range(user_start[user], user_start[user + 1]):
                    j = user_item[f]
                    if j == i:
                        continue
                    if sums[j] == 0.0:
                        touched[n] = j
                        n += 1
                    sums[j] += value * user_value[f]
            for t in range(n):
                j = touched[t]
                sums[j] /= norm[i] * norm[j] + shrink
            count[i] = keep_best(sums, touched[:n], k, columns[i], values[i])
    return count, columns, values
