"""Two systems on the same queries."""

from __future__ import annotations

import numpy as np


def apart(mine: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """The mean difference of two systems by query, with a 95 % interval over queries."""
    found = mine - other
    half = 1.96 * found.std(ddof=1) / np.sqrt(len(found))
    return {
        "difference": float(found.mean()),
        "low": float(found.mean() - half),
        "high": float(found.mean() + half),
    }
