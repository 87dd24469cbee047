"""How fine the times of a log are, and bounds that outliers cannot move: arithmetic on histograms."""

from __future__ import annotations

import numpy as np

DAY = 86_400
MOST = 0.99
"""Share of the times that must lie on a coarser unit for the log to count as that coarse."""
SCALE_FLOOR = 0.5
"""Least robust spread on the natural log scale, so that a narrow bulk does not make outliers of its neighbours."""
ACTIVITY_FLOOR = 1.0
"""The same for how active users are."""
MAD_TO_SIGMA = 1.4826
LOG_BINS = 500
"""Bins a unit of natural log: thresholds are good to 0.2 %."""


def resolution_of(seconds: np.ndarray) -> str:
    """Return "day", "hour", "minute", "second" or "none" for a histogram of times by second of the day, int64 [86400].

    A constant offset (midnight in another time zone) is still "day".
    """
    total = int(seconds.sum())
    if total == 0:
        return "none"
    if seconds.max() >= MOST * total:
        return "day"
    if seconds.reshape(24, 3600).sum(axis=0).max() >= MOST * total:
        return "hour"
    return "minute" if seconds.reshape(1440, 60).sum(axis=0).max() >= MOST * total else "second"


def weighted_median(values: np.ndarray, counts: np.ndarray) -> float:
    """Return the lower median of ascending `values`, each there `counts` times."""
    running = np.cumsum(counts)
    return float(values[np.searchsorted(running, (running[-1] + 1) // 2)])


def robust_bounds(values: np.ndarray, counts: np.ndarray, z: float) -> tuple[float, float]:
    """Return (low, high): values outside have a robust z-score beyond `z` (median and MAD; Iglewicz and Hoaglin 1993).

    `values` are logarithms in units of 1 / `LOG_BINS`, each there `counts` times. Trimming is repeated until no value
    is outside, so that what is left would not be trimmed again. A bulk without spread (MAD 0) has no outliers: the
    bounds are infinite.
    """
    low, high = -np.inf, np.inf
    while len(values):
        middle, spread = _middle_and_spread(values, counts)
        if spread == 0:
            break
        reach = z * max(spread, SCALE_FLOOR * LOG_BINS)
        inside = np.abs(values - middle) <= reach
        low, high = middle - reach, middle + reach
        if inside.all():
            break
        values, counts = values[inside], counts[inside]
    return low, high


def robust_high(values: np.ndarray, counts: np.ndarray, z: float) -> float:
    """Return the value above which the robust z-score is beyond `z`, as `robust_bounds` does, for users' activity.

    Most users of many shops do the same little, so that the MAD is 0: the spread is taken as at least `ACTIVITY_FLOOR`.
    """
    high = np.inf
    while len(values):
        middle, spread = _middle_and_spread(values, counts)
        high = middle + z * max(spread, ACTIVITY_FLOOR * LOG_BINS)
        inside = values <= high
        if inside.all():
            break
        values, counts = values[inside], counts[inside]
    return high


def _middle_and_spread(values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Median and MAD of ascending values, the MAD scaled to a normal's standard deviation."""
    middle = weighted_median(values, counts)
    away = np.abs(values - middle)
    nearest = np.argsort(away, kind="stable")
    return middle, MAD_TO_SIGMA * weighted_median(away[nearest], counts[nearest])


def future_bound(days: np.ndarray, counts: np.ndarray) -> float:
    """Return the day after which times lie far in the future of the bulk (`days` ascending, their events).

    That is later than the 99th percentile by more than the span between the 1st and the 99th percentile and by more
    than a year; repeated until nothing lies beyond. It does not look at the clock.
    """
    bound = np.inf
    while len(days):
        running = np.cumsum(counts)
        early, late = (
            float(days[np.searchsorted(running, share * running[-1])]) for share in (0.01, 0.99)
        )
        bound = late + max(366.0, late - early)
        inside = days <= bound
        if inside.all():
            break
        days, counts = days[inside], counts[inside]
    return bound


def log_bins(values: np.ndarray) -> np.ndarray:
    """Return positive `values` on the log scale in bins, int64; others get the least integer."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.round(np.log(values) * LOG_BINS)
    return np.where((values > 0) & np.isfinite(scaled), scaled, np.iinfo(np.int64).min).astype(
        np.int64
    )


def add_histogram(to: dict[int, int], values: np.ndarray) -> None:
    """Add integer `values` to the histogram `to`."""
    unique, counts = np.unique(values, return_counts=True)
    for value, number in zip(unique.tolist(), counts.tolist(), strict=True):
        to[value] = to.get(value, 0) + number


def arrays_of(histogram: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the ascending values of a histogram and their counts."""
    values = np.array(sorted(histogram), dtype=np.int64)
    return values, np.array([histogram[value] for value in values.tolist()], dtype=np.int64)
