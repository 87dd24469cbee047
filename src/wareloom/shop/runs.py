"""Codes of runs of items, by which copies of a user's history are found."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def _mix(code: np.uint64, item: int) -> np.uint64:
    """Fold one more item into the 64-bit code of a sequence."""
    z = (code + np.uint64(item + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return (z ^ (z >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)


@njit(cache=True)
def run_codes(item: np.ndarray, offsets: np.ndarray, run: int) -> np.ndarray:
    """Code of the run of items that begins at each event, 0 where the user has no such run left."""
    codes = np.zeros(len(item), dtype=np.uint64)
    for u in range(len(offsets) - 1):
        for a in range(offsets[u], offsets[u + 1] - run + 1):
            code = np.uint64(run)
            for i in range(a, a + run):
                code = _mix(code, item[i])
            codes[a] = code | np.uint64(1)
    return codes


@njit(cache=True)
def whole_codes(item: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Code of the whole sequence of each user."""
    codes = np.zeros(len(offsets) - 1, dtype=np.uint64)
    for u in range(len(offsets) - 1):
        code = np.uint64(offsets[u + 1] - offsets[u])
        for i in range(offsets[u], offsets[u + 1]):
            code = _mix(code, item[i])
        codes[u] = code | np.uint64(1)
    return codes
