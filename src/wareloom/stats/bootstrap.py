"""Intervals: paired bootstrap over requests, joined with the spread between seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from threadpoolctl import threadpool_limits

REPLICATES = 2_000
_CHUNK = 100


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval and the two-sided p-value of no difference from zero."""

    mean: float
    low: float | None
    high: float | None
    p: float

    def within(self, low: float, high: float) -> Interval:
        """Return it without what lies outside [low, high], which the estimate's truth cannot be.

        Who leaves out what cannot be true loses no coverage, and where 0 can be true no verdict changes.
        """
        if self.low is None or self.high is None:
            return self
        ends = min(max(self.low, low), self.mean), max(min(self.high, high), self.mean)
        return replace(self, low=ends[0], high=ends[1])


def resample(
    values: np.ndarray, rng: np.random.Generator, replicates: int = REPLICATES
) -> np.ndarray:
    """Bootstrap the means of all columns at once: float64 [replicates, columns].

    `values`: float [requests, columns], NaN where a request says nothing. Requests are drawn with Poisson(1) counts,
    the same for all columns, so that columns stay paired (Hanley and MacGibbon 2006; Chamandy et al. 2012). On one
    thread, since the last bits of a product hang on how many share it.
    """
    defined = ~np.isnan(values)
    both = np.concatenate([np.where(defined, values, 0.0), defined], axis=1).astype(np.float32)
    m, out = values.shape[1], np.empty((replicates, values.shape[1]))
    with threadpool_limits(1, user_api="blas"):
        for start in range(0, replicates, _CHUNK):
            stop = min(start + _CHUNK, replicates)
            counts = rng.poisson(1.0, size=(stop - start, len(values))).astype(np.float32)
            sums = (counts @ both).astype(np.float64)
            out[start:stop] = sums[:, :m] / np.maximum(sums[:, m:], 1.0)
    return out


def combine(
    mean: float,
    replicates: np.ndarray,
    per_seed: np.ndarray,
    level: float = 0.95,
    *,
    requests: int = 2,
) -> Interval:
    """Join the two sources of chance into one interval: who was asked, and which seed was drawn.

    `replicates` [B]: bootstrap means over requests of the seeds' mean; `per_seed` [seeds]: the estimate of each seed.
    The variances add up, sd² = var(replicates) + var(per_seed) / seeds, and the interval is Student's with the degrees
    of freedom of Welch (1947) and Satterthwaite (1946). With one seed its chance is not seen. Of fewer than two
    `requests` nothing is known of chance, and there is no interval.
    """
    if requests < 2:
        return Interval(mean, None, None, 1.0)
    seeds = len(per_seed)
    who = float(np.var(replicates, ddof=1))
    which = float(np.var(per_seed, ddof=1)) / seeds if seeds > 1 else 0.0
    variance = who + which
    if variance <= 1e-24:
        return Interval(mean, mean, mean, 1.0 if abs(mean) < 1e-12 else 0.0)
    freedom = variance**2 / max(which**2 / max(seeds - 1, 1) + who**2 / 1e6, 1e-300)
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) * variance**0.5
    p = float(2 * stats.t.sf(abs(mean) / variance**0.5, freedom))
    return Interval(mean, mean - half, mean + half, p)


def verdict(interval: Interval) -> str:
    """Say "helps", "hurts" or "no evidence" of an interval of a difference where more is better."""
    if interval.low is None or interval.high is None:
        return "no evidence"
    if interval.low > 0:
        return "helps"
    return "hurts" if interval.high < 0 else "no evidence"
