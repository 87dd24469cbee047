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
        order = _ordered(row, items[begin:end], tie)
        n = len(order)
        better = np.zeros(n + 1, dtype=np.int64)
        finite = 0
        for c in range(width):
            if not row[c] > -np.inf:
                continue
            finite += 1
            low, high = 0, n
            while low < high:
                middle = (low + high) // 2
                target = items[begin + order[middle]]
                if row[c] > row[target] or (row[c] == row[target] and tie[c] < tie[target]):
                    high = middle
                else:
                    low = middle + 1
            better[low] += 1
        candidates[r] = finite
        rank[begin:end] = finite + 1
        before = 0
        for place in range(n):
            before += better[place]
            rank[begin + order[place]] = before + 1
    return rank, candidates


@njit(cache=True)
def _ordered(row, answers, tie):  # type: ignore[no-untyped-def]
    """Places of the answers that are candidates, best first."""
    order = np.empty(len(answers), dtype=np.int64)
    n = 0
    for e in range(len(answers)):
        target = answers[e]
        if target < 0 or not row[target] > -np.inf:
            continue
        place = n
        while place > 0:
            above = answers[order[place - 1]]
            if row[above] > row[target] or (row[above] == row[target] and tie[above] <= tie[target]):
                break
            order[place] = order[place - 1]
            place -= 1
        order[place] = e
        n += 1
    return order[:n]


def ranks(scores: np.ndarray, offsets: np.ndarray, items: np.ndarray, tie: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank the relevant items of each request among all items.

    `scores` float32 [requests, items], -inf for what is no candidate (NaN counts so too); `offsets` int64 [requests +
    1] and `items` int32 [relevant]: the relevant items of request r are items[offsets[r]:offsets[r+1]], -1 for one that
    is not in the catalogue; `tie` int32 [items], a permutation: of equal scores the lower key comes first.

    Returns the ranks, int64 [relevant], from 1, and the number of candidates, int64 [requests]. A relevant item that is
    no candidate has the rank candidates + 1. Time: requests × items × log(1 + relevant items a request).
    """
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    rank, candidates = _ranks(scores, offsets.astype(np.int64), items.astype(np.int32), tie.astype(np.int32))
    return rank, candidates
