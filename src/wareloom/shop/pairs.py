"""Which item follows which: weighted counts of ordered pairs within a window of each user's history."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numba import njit
from scipy import sparse

from wareloom.shop.log import NO_TIME, Log

CHUNK_EVENTS = 4_000_000
"""Pairs are counted for this many events at a time, so that memory is bounded by the distinct pairs, not by the log."""
DAY = 86_400_000_000
"""Microseconds of a day."""


def recency(log: Log, half_life: float | None) -> np.ndarray:
    """Weight of each event, halved for every `half_life` days before the log's last: float [events].

    An event of unknown time counts as the oldest.
    """
    if half_life is None or not log.timed:
        return log.weight
    known = log.time != NO_TIME
    age = (log.last_time() - log.time) / DAY
    oldest = age[known].max(initial=0.0)
    return log.weight.astype(np.float64) * np.exp2(-np.where(known, age, oldest) / half_life)


def follow_counts(
    log: Log, *, window: int = 1, decay: float = 1.0, weight: np.ndarray | None = None
) -> sparse.csr_matrix:
    """Count how often item j comes after item i: float32 CSR [items, items].

    A pair d places apart (d ≤ `window`) counts weight(j) · `decay`^(d-1). An item is never paired with itself.
    `weight`: float [events], the log's own weights where None.
    """
    weight = log.weight if weight is None else weight
    n = len(log.items)
    total = sparse.csr_matrix((n, n), dtype=np.float32)
    bounds = np.searchsorted(log.offsets, np.arange(0, len(log) + CHUNK_EVENTS, CHUNK_EVENTS))
    for first, last in pairwise(np.minimum(bounds, len(log.users))):
        if last > first:
            coo = _pairs(log.item, weight, log.offsets[first : last + 1], window, decay)
            total = (
                total
                + sparse.coo_matrix(
                    (coo[2], (coo[0], coo[1])), shape=(n, n), dtype=np.float32
                ).tocsr()
            )
    total.sort_indices()
    return total


@njit(cache=True)
def _pairs(
    item: np.ndarray, weight: np.ndarray, offsets: np.ndarray, window: int, decay: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List all pairs of the users between `offsets` as (from, to, weight)."""
    size = (offsets[-1] - offsets[0]) * window
    source, target = np.empty(size, np.int32), np.empty(size, np.int32)
    value = np.empty(size, np.float32)
    n = 0
    for u in range(len(offsets) - 1):
        for b in range(offsets[u], offsets[u + 1]):
            factor = 1.0
            for a in range(b - 1, max(offsets[u], b - window) - 1, -1):
                if item[a] != item[b]:
                    source[n], target[n], value[n] = item[a], item[b], weight[b] * factor
                    n += 1
                factor *= decay
    return source[:n], target[:n], value[:n]
