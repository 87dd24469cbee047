"""Distances between two distributions that are given as counts over the same cells."""

from __future__ import annotations

from typing import Any

import numpy as np

POINTS = 60
"""Points of a curve at most."""


def shares(counts: np.ndarray) -> np.ndarray:
    """Divide counts by their sum: float64 [cells], all 0 where there is nothing."""
    total = counts.sum()
    return counts / total if total > 0 else counts


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    """Half the sum of the differences between shares: 0 alike, 1 nothing in common."""
    return float(0.5 * np.abs(shares(a) - shares(b)).sum())


def kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference between the shares up to a value; cells in the order of their values."""
    return float(np.abs(np.cumsum(shares(a) - shares(b))).max(initial=0.0))


def wasserstein(a: np.ndarray, b: np.ndarray, support: np.ndarray) -> float:
    """Mean way from one distribution to the other, in the unit of `support`, the rising values of the cells."""
    apart = np.cumsum(shares(a) - shares(b))[:-1]
    return float((np.abs(apart) * np.diff(support)).sum())


def circular_wasserstein(a: np.ndarray, b: np.ndarray, turn: float) -> float:
    """Mean way round a circle of length `turn`, whose cells are equally far apart.

    The way may start anywhere: the best start takes away the median difference (Rabin, Delon and Gousseau 2011).
    """
    apart = np.cumsum(shares(a) - shares(b))
    return float(np.abs(apart - np.median(apart)).mean() * turn)


def cumulative(
    a: np.ndarray, b: np.ndarray, support: np.ndarray, kind: str, x: str
) -> dict[str, Any]:
    """Shares with at least each value, at `POINTS` of the values, as a curve; `kind`: log or linear."""
    places = np.unique(np.linspace(0, len(support) - 1, POINTS).astype(int))
    if kind == "log":
        wanted = np.geomspace(max(support[0], 1), max(support[-1], 1), POINTS)
        places = np.unique(np.minimum(np.searchsorted(support, wanted), len(support) - 1))
    above = [1 - np.concatenate([[0.0], np.cumsum(shares(side))])[:-1][places] for side in (a, b)]
    return drawn(support[places], above[0], above[1], kind, x, "share with at least as much")


def drawn(
    x: np.ndarray, real: np.ndarray, synthetic: np.ndarray, kind: str, title: str, y: str
) -> dict[str, Any]:
    """Round a curve for JSON."""
    columns = {
        key: [float(f"{v:.5g}") for v in values]
        for key, values in (("x", x), ("real", real), ("synthetic", synthetic))
    }
    return columns | {"kind": kind, "x_title": title, "y_title": y}
