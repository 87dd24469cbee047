"""The k best of each row, every column counting."""

from __future__ import annotations

import numpy as np

from wareloom.top import best_columns


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k highest scores of each row, best first, equal ones by column: int32 [rows, k].

    Scores of -inf come last, and those that are no number count as such.
    """
    columns = scores.shape[1]
    best = best_columns(scores, np.arange(columns, dtype=np.int32), min(k, columns))
    for row in np.flatnonzero(best[:, -1] < 0) if best.shape[1] else ():
        filled = int((best[row] >= 0).sum())
        best[row, filled:] = np.flatnonzero(~(scores[row] > -np.inf))[: best.shape[1] - filled]
    return best
