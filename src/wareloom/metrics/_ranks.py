"""The rank of each relevant item among all candidates and the first items, in one compiled pass over the scores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.core.top import best_columns, best_of_row, buffers, sizes

FEW = 8
"""Answers a request up to which comparing each with all scores is quicker than sorting them."""
LOWEST = np.float32(-np.inf)
"""In the scores' own precision: a comparison in a wider one is not done with vector instructions as wide."""


@njit(cache=True)
def _count(row, score):  # type: ignore[no-untyped-def]
    """Count the scores that are candidates', those above `score` and those equal to it."""
    finite, above, reach = np.int32(0), np.int32(0), np.int32(0)
    for c in range(len(row)):
        finite += np.int32(row[c] > LOWEST)
        above += np.int32(row[c] > score)
        reach += np.int32(row[c] >= score)
    return finite, above, reach - above


@njit(cache=True)
def _earlier(row, score, tie, key):  # type: ignore[no-untyped-def]
    """Count the scores equal to `score` whose tie key is lower than `key`."""
    count = np.int32(0)
    for c in range(len(row)):
        count += np.int32(row[c] == score) & np.int32(tie[c] < key)
    return count


@njit(cache=True, parallel=True)
def _compare(scores, offsets, items, tie, depth, lanes):  # type: ignore[no-untyped-def]
    """Rank by comparing each answer with all scores, and find the best, while the row is near."""
    requests = len(scores)
    rank, candidates = np.empty(len(items), dtype=np.int64), np.empty(requests, dtype=np.int64)
    top = np.empty((requests, depth), dtype=np.int32)
    for r in prange(requests):
        # Comparing with all scores is linear and vectorised: for few answers it beats sorting. NaN compares as false,
        # so that it is no candidate.
        row = scores[r]
        finite = np.int32(-1)
        for e in range(offsets[r], offsets[r + 1]):
            target = items[e]
            rank[e] = -1
            if target >= 0 and row[target] > LOWEST:
                finite, above, same = _count(row, row[target])
                rank[e] = (
                    above + 1 + (_earlier(row, row[target], tie, tie[target]) if same > 1 else 0)
                )
        if finite < 0:
            finite = _count(row, LOWEST)[0]
        candidates[r] = finite
        for e in range(offsets[r], offsets[r + 1]):
            if rank[e] < 0:
                rank[e] = finite + 1
        if depth:
            best_of_row(row, tie, buffers(lanes, depth), top[r])
    return rank, candidates, top


def _sorted(
    scores: np.ndarray, offsets: np.ndarray, items: np.ndarray, tie: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rank by sorting each row; numpy sorts float32 with vector instructions and outside the interpreter's lock."""
    rank = np.empty(len(items), dtype=np.int64)
    candidates = np.empty(len(scores), dtype=np.int64)

    def work(r: int) -> None:
        row, answers = (
            np.where(np.isnan(scores[r]), np.float32(-np.inf), scores[r]),
            items[offsets[r] : offsets[r + 1]],
        )
        ordered = np.sort(row)
        finite = len(row) - np.searchsorted(ordered, -np.inf, side="right")
        score = np.where(answers >= 0, row[answers], -np.inf)
        above, below = (
            np.searchsorted(ordered, score, side="right"),
            np.searchsorted(ordered, score, side="left"),
        )
        places = len(row) - above + 1
        for e in np.flatnonzero((above - below > 1) & (score > -np.inf)):
            places[e] += _earlier(row, row[answers[e]], tie, tie[answers[e]])
        rank[offsets[r] : offsets[r + 1]] = np.where(score > -np.inf, places, finite + 1)
        candidates[r] = finite

    with ThreadPoolExecutor(get_num_threads()) as pool:
        for _ in pool.map(work, range(len(scores))):
            pass
    return rank, candidates


def ranks(
    scores: np.ndarray, offsets: np.ndarray, items: np.ndarray, tie: np.ndarray, depth: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank the relevant items of each request among all items, and find the `depth` first items of each.

    `scores` float32 [requests, items], -inf for what is no candidate (NaN counts so too); `offsets` int64 [requests +
    1] and `items` int32 [relevant]: the relevant items of request r are items[offsets[r]:offsets[r+1]], -1 for one that
    is not in the catalogue; `tie` int32 [items], a permutation: of equal scores the lower key comes first.

    Returns the ranks, int64 [relevant], from 1, the number of candidates, int64 [requests], and the first items, int32
    [requests, depth], -1 where there are fewer. A relevant item that is no candidate has the rank candidates + 1. Time:
    requests × items × the lesser of (1 + relevant items a request) and log(items).
    """
    scores, tie = (
        np.ascontiguousarray(scores, dtype=np.float32),
        np.ascontiguousarray(tie, dtype=np.int32),
    )
    offsets, items = offsets.astype(np.int64), items.astype(np.int32)
    if len(items) <= FEW * len(scores):
        rank, candidates, top = _compare(
            scores, offsets, items, tie, depth, sizes(scores.shape[1], depth)
        )
        return rank, candidates, top
    return *_sorted(scores, offsets, items, tie), best_columns(scores, tie, depth)
