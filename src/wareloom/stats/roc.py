"""How well scores tell one group from another: area, true alarms at few false ones, intervals and p-values.

Greater scores say "member". What is called a member and what another is the caller's: two groups of float64 scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

LEVEL = 0.95
"""Of all intervals here"""


@dataclass(frozen=True)
class Area:
    """Area under the receiver operating characteristic; half of ties count."""

    value: float
    low: float
    high: float
    p: float
    """One-sided, of an area that is no greater than a half"""
    error: float = 0.0
    """Standard error, DeLong's"""


@dataclass(frozen=True)
class Alarms:
    """Share of members that are told where so small a share of others may be told, too."""

    value: float
    low: float
    high: float
    p: float
    """One-sided, of scores that do not tell the two groups apart; exact where none are tied, greater where some are"""


def area(members: np.ndarray, others: np.ndarray) -> Area:
    """Area with DeLong's variance (DeLong et al. 1988, by ranks: Sun and Xu 2014), p by the ranks' variance.

    The interval is symmetric about the logit, which keeps it in 0 to 1 and true near the ends. Where every member is
    above every other, or below, the variance is 0: the interval is `newcombe`'s then.
    """
    m, n = len(members), len(others)
    whole = stats.rankdata(np.concatenate([members, others]))
    above = (whole[:m] - stats.rankdata(members)) / n
    below = 1.0 - (whole[m:] - stats.rankdata(others)) / m
    value = float(above.mean())
    variance = sum(
        float(np.var(part, ddof=1)) / len(part) for part in (above, below) if len(part) > 1
    )
    error = float(np.sqrt(max(0.0, variance)))
    return Area(value, *_ends(value, error, m, n), _p_of_ranks(whole, value, m, n), error)


def _ends(value: float, error: float, m: int, n: int) -> tuple[float, float]:
    if value in (0.0, 1.0):
        return newcombe(value, m, n)
    half = float(stats.norm.ppf(0.5 + LEVEL / 2)) * error / (value * (1 - value))
    low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return float(low), float(high)


def mean_area(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Area:
    """The mean area of some parts, (members, others) each, that may hang on one another in any way.

    Where the score of one part is learned on another and the other way round, both err to one side: the sign of a score
    of noise is right in both parts or wrong in both. So the standard error is the mean of theirs, as it is at most, and
    p the least of theirs times how many they are.
    """
    found = [area(members, others) for members, others in parts]
    value, error = (float(np.mean([getattr(one, k) for one in found])) for k in ("value", "error"))
    m, n = (sum(len(part[side]) for part in parts) for side in (0, 1))
    p = min(1.0, len(found) * min(one.p for one in found))
    return Area(value, *_ends(value, error, m, n), p, error)


def _p_of_ranks(ranks: np.ndarray, value: float, m: int, n: int) -> float:
    """One-sided p of Mann and Whitney's test, by the normal distribution with ties corrected for."""
    counts = np.unique(ranks, return_counts=True)[1].astype(np.float64)
    total = m + n
    tied = float((counts**3 - counts).sum()) / (total * max(1, total - 1))
    variance = m * n / 12 * (total + 1 - tied)
    if variance <= 0:
        return 1.0
    return float(stats.norm.sf(((value - 0.5) * m * n - 0.5) / np.sqrt(variance)))


def newcombe(value: float, members: int, others: int) -> tuple[float, float]:
    """Interval of an area that holds for few users and at the ends, too (Newcombe 2006, method 5).

    Both ends solve |value − θ| = z √V(θ), with Hanley and McNeil's variance at θ, each group taken as of mean size.
    """
    z, mean = float(stats.norm.ppf(0.5 + LEVEL / 2)), (members + others) / 2

    def variance(theta: float) -> float:
        more = (1 - theta) / (2 - theta) + theta / (1 + theta)
        return theta * (1 - theta) * (1 + (mean - 1) * more) / (members * others)

    def apart(theta: float) -> float:
        return (value - theta) ** 2 - z * z * variance(theta)

    # At θ = value = 0 or 1 both sides are 0: the end that is sought is the other root.
    inner = min(max(value, 1e-9), 1 - 1e-9)
    low = float(optimize.brentq(apart, 0.0, inner)) if value > 0 else 0.0
    high = float(optimize.brentq(apart, inner, 1.0)) if value < 1 else 1.0
    return low, high


def told(members: np.ndarray, others: np.ndarray, false_alarms: float) -> int:
    """Members above all others but the share `false_alarms` of them, rounded down; tied ones are not told."""
    return _above(members, np.sort(others)[::-1], int(np.floor(false_alarms * len(others) + 1e-9)))


def _above(members: np.ndarray, falling: np.ndarray, allowed: int) -> int:
    """Members that are above every other but the first `allowed` of those in falling order."""
    if allowed >= len(falling):
        return len(members)
    return int((members > falling[allowed]).sum())


def alarms(members: np.ndarray, others: np.ndarray, false_alarms: float) -> Alarms:
    """Share of members told at so few false alarms, ties broken against the attacker, with its interval.

    Where the threshold stands is itself drawn with the others: the interval's ends take the counts of others above it
    that a binomial leaves possible, and Clopper and Pearson's ends for the members there, each at half of the error.
    p: of as many members before the first others that are too many, were all users dealt at random (negative
    hypergeometric).
    """
    m, n, tail = len(members), len(others), (1 - LEVEL) / 4
    falling = np.sort(others)[::-1]
    allowed = int(np.floor(false_alarms * n + 1e-9))
    hits = _above(members, falling, allowed)
    most = _above(members, falling, int(stats.binom.ppf(1 - tail, n, false_alarms)))
    fewest = int(stats.binom.ppf(tail, n, false_alarms)) - 1
    least = _above(members, falling, fewest) if fewest >= 0 else 0
    high = 1.0 if most == m else float(stats.beta.ppf(1 - tail, most + 1, m - most))
    low = 0.0 if least == 0 else float(stats.beta.ppf(tail, least, m - least + 1))
    p = (
        1.0
        if hits == 0
        else float(stats.hypergeom.cdf(allowed, m + n, n, min(hits + allowed, m + n)))
    )
    return Alarms(hits / m, low, high, p)


def threshold(members: np.ndarray, others: np.ndarray) -> float:
    """The score from which on "member" is right most often beyond what is wrong (Youden 1950), tied ones together."""
    scores = np.concatenate([members, others])
    order = np.argsort(-scores, kind="stable")
    gain = np.cumsum(np.where(order < len(members), 1 / len(members), -1 / len(others)))
    ends = np.append(np.diff(scores[order]) != 0, True)
    return float(scores[order][ends][np.argmax(gain[ends])])


def advantage(members: np.ndarray, others: np.ndarray, at: float) -> float:
    """Share of members from a score on, less that of others (Yeom et al. 2018)."""
    return float((members >= at).mean() - (others >= at).mean())
