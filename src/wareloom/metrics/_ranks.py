"""The rank of each relevant item among all candidates, in one compiled pass over the scores."""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(cache=True, parallel=True)
def _ranks(scores, offsets, items, tie):  # type: ignore[no-untyped-def]
    requests, width = scores.shape
    rank = np.empty(len(items), dtype=np.int64)
    candidates = np.empty(requests, dtype=np.int64)
    for r in prange(requests):
        row = scores[r]
        begin, end = offsets[r], offsets[r + 1]
        finite = 0
        for c in range(width):
            finite += row[c] > -np.inf
        candidates[r] = finite
        for e in range(begin, end):
            target = items[e]
            if target < 0 or not row[target] > -np.inf:
                rank[e] = finite + 1
                continue
            score, key = row[target], tie[target]
            better = 0
            for c in range(width):
                better += (row[c] > score) | ((row[c] == score) & (tie[c] < key))
            rank[e] = better + 1
    return rank, candidates


def ranks(scores: np.ndarray, offsets: np.ndarray, items: np.ndarray, tie: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank the relevant items of each request among all items.

    `scores` float32 [requests, items], -inf for what is no candidate (NaN counts so too); `offsets` int64 [requests +
    1] and `items` int32 [relevant]: the relevant items of request r are items[offsets[r]:offsets[r+1]], -1 for one that
    is not in the catalogue; `tie` int32 [items], a permutation: of equal scores the lower key comes first.

    Returns the ranks, int64 [relevant], from 1, and the number of candidates, int64 [requests]. A relevant item that is
    no candidate has the rank candidates + 1. Time: requests × items × (1 + relevant items a request).
    """
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    rank, candidates = _ranks(scores, offsets.astype(np.int64), items.astype(np.int32), tie.astype(np.int32))
    return rank, candidates
