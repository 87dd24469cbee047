"""The rank of each relevant item among all candidates, in one compiled pass over the scores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import get_num_threads, njit, prange

FEW = 8
"""Answers a request up to which comparing each with all scores is quicker than sorting them."""


@njit(cache=True, parallel=True)
def _compare(scores, offsets, items, tie):  # type: ignore[no-untyped-def]
    requests, width = scores.shape
    rank = np.empty(len(items), dtype=np.int64)
    candidates = np.empty(requests, dtype=np.int64)
    for r in prange(requests):
        row = scores[r]
        finite = 0
        for c in range(width):
            finite += row[c] > -np.inf
        candidates[r] = finite
        for e in range(offsets[r], offsets[r + 1]):
            target = items[e]
            if target < 0 or not row[target] > -np.inf:
                rank[e] = finite + 1
                continue
            score, above, same = row[target], np.int32(0), np.int32(0)
            for c in range(width):
                above += np.int32(row[c] > score)
                same += np.int32(row[c] == score)
            rank[e] = above + 1 + (_earlier(row, score, tie, tie[target]) if same > 1 else 0)
    return rank, candidates


@njit(cache=True)
def _earlier(row, score, tie, key):  # type: ignore[no-untyped-def]
    """Count the scores equal to `score` whose tie key is lower than `key`."""
    count = 0
    for c in range(len(row)):
        if row[c] == score and tie[c] < key:
            count += 1
    return count


def _sorted(
    scores: np.ndarray, offsets: np.ndarray, items: np.ndarray, tie: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rank by sorting each row; numpy sorts float32 with vector instructions and outside the interpreter's lock."""
    rank = np.empty(len(items), dtype=np.int64)
    candidates = np.empty(len(scores), dtype=np.int64)

    def work(r: int) -> None:
        row, answers = np.where(np.isnan(scores[r]), np.float32(-np.inf), scores[r]), items[offsets[r] : offsets[r + 1]]
        ordered = np.sort(row)
        finite = len(row) - np.searchsorted(ordered, -np.inf, side="right")
        score = np.where(answers >= 0, row[answers], -np.inf)
        above, below = np.searchsorted(ordered, score, side="right"), np.searchsorted(ordered, score, side="left")
        places = len(row) - above + 1
        for e in np.flatnonzero((above - below > 1) & (score > -np.inf)):
            places[e] += _earlier(row, row[answers[e]], tie, tie[answers[e]])
        rank[offsets[r] : offsets[r + 1]] = np.where(score > -np.inf, places, finite + 1)
        candidates[r] = finite

    with ThreadPoolExecutor(get_num_threads()) as pool:
        for _ in pool.map(work, range(len(scores))):
            pass
    return rank, candidates


def ranks(scores: np.ndarray, offsets: np.ndarray, items: np.ndarray, tie: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank the relevant items of each request among all items.

    `scores` float32 [requests, items], -inf for what is no candidate (NaN counts so too); `offsets` int64 [requests +
    1] and `items` int32 [relevant]: the relevant items of request r are items[offsets[r]:offsets[r+1]], -1 for one that
    is not in the catalogue; `tie` int32 [items], a permutation: of equal scores the lower key comes first.

    Returns the ranks, int64 [relevant], from 1, and the number of candidates, int64 [requests]. A relevant item that is
    no candidate has the rank candidates + 1. Time: requests × items × the lesser of (1 + relevant items a request) and
    log(items).
    """
    scores = np.ascontiguousarray(scores, dtype=np.float32)
    way = _compare if len(items) <= FEW * len(scores) else _sorted
    rank, candidates = way(scores, offsets.astype(np.int64), items.astype(np.int32), tie.astype(np.int32))
    return rank, candidates
