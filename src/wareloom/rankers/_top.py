"""The k best of each row, by a compiled kernel."""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(cache=True, parallel=True)
def _top(scores, k):  # type: ignore[no-untyped-def]
    rows, columns = scores.shape
    best = np.empty((rows, k), dtype=np.int32)
    for r in prange(rows):
        value = np.full(k, -np.inf, dtype=np.float32)
        index = np.full(k, -1, dtype=np.int32)
        filled = 0
        for c in range(columns):
            s = scores[r, c]
            if filled == k and not s > value[k - 1]:
                continue
            place = filled if filled < k else k - 1
            while place > 0 and value[place - 1] < s:
                value[place] = value[place - 1]
                index[place] = index[place - 1]
                place -= 1
            value[place] = s
            index[place] = c
            if filled < k:
                filled += 1
        best[r] = index
    return best


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k highest scores of each row, best first, equal ones by column: int32 [rows, k]."""
    best: np.ndarray = _top(np.ascontiguousarray(scores, dtype=np.float32), min(k, scores.shape[1]))
    return best
