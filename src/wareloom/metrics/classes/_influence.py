"""F1, which is no mean over what is judged, as a mean of what each moves it by."""

from __future__ import annotations

import numpy as np


def influence(of: np.ndarray, called: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return F1 plus what each moves it by, to first order: float64 [judged], NaN where there is nothing to judge.

    `of`, `called`, `right`: bool [judged], whether each is of a class, is said to be, and both are the same one. F1 is
    2 × right / (of + called). The mean of what is returned is F1 exactly, its bootstrap that of F1 (the influence
    function, Hampel 1974).
    """
    both = of.astype(np.float64) + called
    whole = both.sum()
    if not whole:
        return np.full(len(of), np.nan)
    f1 = 2.0 * right.sum() / whole
    found: np.ndarray = f1 + (2.0 * right - f1 * both) * (len(of) / whole)
    return found
