"""Intervals: paired bootstrap over requests, joined with the spread between seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import optimize, special
from threadpoolctl import threadpool_limits

REPLICATES = 2_000
_CHUNK = 100
FAR = 25.0
"""Standard deviations beyond which a p-value, below 1e-137, counts as 0"""


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


def half_width(tail: float, who: float, which: Any, seeds: int) -> Any:
    """Half of the interval that leaves at most `tail` on either side: √(z² who + t² which).

    `who`: variance of the mean by the requests, taken as known; `which`: that by the seeds, as `seeds` of them have it,
    a number or an array of them. z is the quantile of the normal distribution, t that of Student's with seeds − 1
    degrees of freedom. With one seed `which` is not seen.

    It is never too narrow, whatever the shares of the two (Banerjee 1960): a normal mean strays by √x standard
    deviations with the chance Φ(−√x), which is convex in x, and x is linear in the share. So the chance lies nowhere
    above the line between a share of none and one of all, and at both ends it is `tail`.
    """
    z, t = -special.ndtri(tail), -special.stdtrit(seeds - 1, tail) if seeds > 1 else 0.0
    return np.hypot(z * who**0.5, t * np.sqrt(which))


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
    The interval is mean ± `half_width` of var(replicates) and var(per_seed) / seeds; p is 1 less the level at which it
    ends at 0. With one seed its chance is not seen: the interval is that of the requests alone, and says nothing of
    what another seed would have given. Of fewer than two `requests` nothing is known of chance, and there is no
    interval.
    """
    if requests < 2:
        return Interval(mean, None, None, 1.0)
    seeds = len(per_seed)
    who = float(np.var(replicates, ddof=1))
    which = float(np.var(per_seed, ddof=1)) / seeds if seeds > 1 else 0.0
    if who + which <= 1e-24:
        return Interval(mean, mean, mean, 1.0 if abs(mean) < 1e-12 else 0.0)
    half = float(half_width(0.5 - level / 2, who, which, seeds))
    return Interval(mean, mean - half, mean + half, _p(abs(mean), who, which, seeds))


def _p(distance: float, who: float, which: float, seeds: int) -> float:
    """Twice the tail that the interval leaves when its half width is `distance`."""
    if half_width(_tail(FAR), who, which, seeds) <= distance:
        return 0.0
    z = optimize.brentq(
        lambda z: float(half_width(_tail(z), who, which, seeds)) - distance, 0.0, FAR, xtol=1e-13
    )
    return 2 * _tail(z)


def _tail(z: float) -> float:
    return float(special.ndtr(-z))


def verdict(interval: Interval) -> str:
    """Say "helps", "hurts" or "no evidence" of an interval of a difference where more is better."""
    if interval.low is None or interval.high is None:
        return "no evidence"
    if interval.low > 0:
        return "helps"
    return "hurts" if interval.high < 0 else "no evidence"
