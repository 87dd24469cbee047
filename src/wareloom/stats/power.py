"""Power: how large an effect a proof could have found, and how many users or seeds another would take.

A difference x of request r and seed s is read as effect + user_r + seed_s + both_rs. The mean over N requests and S
seeds then varies by user / N + seed / S + both / (N S). The interval of `bootstrap.combine` adds the variance over
requests, (user + both / S) / N, to that between seeds, (seed + both / N) / S: it counts `both` twice and is a little
too wide, which is reckoned with here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy import optimize, special

from wareloom.stats.bootstrap import half_width

POWER = 0.8
"""The usual chance with which an effect that is there is to be found"""
MOST = 10**9
"""More users or seeds than this are as good as none"""
WIDEST, NODES = 7.0, 256
"""How far from the middle a spread between seeds is reckoned with, and by how many points in between"""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Variances of one request's difference, and how many requests and seeds there are."""

    user: float
    """Between requests, the same in every seed"""
    seed: float
    """Between seeds, the same for every request"""
    both: float
    """What is left: a request's own luck with a seed"""
    requests: int
    seeds: int


def spread(differences: np.ndarray) -> Spread:
    """Take the variances of `differences` [requests, seeds] apart; requests with a NaN are left out.

    The method of moments of a two-way layout without repetition (Scheffé 1959, ch. 7); a negative variance becomes 0.
    With one seed `both` and `seed` are not seen: all is counted as between requests.
    """
    x = differences[~np.isnan(differences).any(axis=1)].astype(float)
    n, s = x.shape
    if n < 2:
        return Spread(user=0.0, seed=0.0, both=0.0, requests=n, seeds=s)
    rows = x.mean(axis=1)
    if s == 1:
        return Spread(user=float(rows.var(ddof=1)), seed=0.0, both=0.0, requests=n, seeds=1)
    columns = x.mean(axis=0)
    rest = x - rows[:, None] - columns[None, :] + x.mean()
    both = float((rest**2).sum() / ((n - 1) * (s - 1)))
    user = max(0.0, float(rows.var(ddof=1)) - both / s)
    seed = max(0.0, float(columns.var(ddof=1)) - both / n)
    return Spread(user=user, seed=seed, both=both, requests=n, seeds=s)


def power(effect: float, of: Spread, *, level: float = 0.95) -> float:
    """Chance that the interval of a true `effect` above zero lies above zero.

    The mean over all chances of the seeds' spread, whose square is χ² with seeds − 1 degrees of freedom, of the normal
    chance that the estimate lies more than `half_width` above zero.
    """
    n, s = of.requests, of.seeds
    who, which = (of.user + of.both / s) / n, (of.seed + of.both / n) / s if s > 1 else 0.0
    if who + which <= 1e-24:
        return float(effect > 0)
    true = of.user / n + of.seed / s + of.both / (n * s)
    ratio, weight = _estimates(s) if which > 0 else (np.ones(1), np.ones(1))
    half = half_width(0.5 - level / 2, who, which * ratio, s)
    return float(weight @ special.ndtr((effect - half) / true**0.5))


@cache
def _estimates(seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """What a variance of `seeds` normal values may be estimated at, over its true value, and the weight of each.

    Gauss–Legendre quadrature over χ with seeds − 1 degrees of freedom, whose standard deviation is at most .71.
    """
    freedom = seeds - 1
    low, high = max(0.0, freedom**0.5 - WIDEST), freedom**0.5 + WIDEST
    node, weight = _legendre()
    chi = low + (high - low) * (node + 1) / 2
    logs = (freedom - 1) * np.log(chi) - chi**2 / 2
    weight = weight * np.exp(logs - logs.max())
    return chi**2 / freedom, weight / weight.sum()


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


def detectable(of: Spread, wanted: float = POWER, *, level: float = 0.95) -> float:
    """Smallest true effect that is found with the power `wanted`."""
    high = 1e-12
    while power(high, of, level=level) < wanted:
        high *= 2.0
    if high == 1e-12:
        return 0.0
    root = optimize.brentq(
        lambda effect: power(effect, of, level=level) - wanted, high / 2, high, xtol=high * 1e-9
    )
    return float(root)


def requests_needed(effect: float, of: Spread, wanted: float = POWER) -> int | None:
    """Fewest requests, at these seeds, that find `effect` with the power `wanted`; None where no number does."""
    return (
        _fewest(lambda n: power(effect, replace(of, requests=n)), wanted, 2) if effect > 0 else None
    )


def seeds_needed(effect: float, of: Spread, wanted: float = POWER) -> int | None:
    """Fewest seeds, at these requests, that find `effect` with the power `wanted`; None where no number does.

    One seed is never enough: its chance is not seen, so its interval says too much.
    """
    return (
        _fewest(lambda s: power(effect, replace(of, seeds=s)), wanted, 2)
        if effect > 0 and of.seeds > 1
        else None
    )


def _fewest(reached: Callable[[int], float], wanted: float, low: int) -> int | None:
    """Smallest whole number from `low` at which a rising function reaches `wanted`."""
    high = low
    while reached(high) < wanted:
        high *= 2
        if high > MOST:
            return None
    below = max(low - 1, high // 2)
    while high - below > 1:
        middle = (high + below) // 2
        below, high = (below, middle) if reached(middle) >= wanted else (middle, high)
    return high
