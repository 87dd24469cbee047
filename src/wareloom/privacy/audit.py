"""Is the printed ε right? What draws on neighbouring shops show at least, and what one run shows with planted users.

A lower bound above the printed ε is a bug. One far below is no proof: draws can show less than there is, and `visible`
says how much. White box: Jagielski, Ullman & Oprea (2020), with Clopper-Pearson limits. One run: Steinke, Nasr &
Jagielski, “Privacy auditing with one (1) training run” (2023), theorem 5.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, binom, norm

from wareloom.errors import require

WHO = "Audit"
CONFIDENCE = 0.95
ALMOST = 0.5
"""Share of the best bound in pilot draws at which the threshold for normal noise is taken: the best is mostly luck"""
Draws = Callable[[int], np.ndarray]
"""So many independent draws of a statistic of what a mechanism returns, float64 [draws]; higher with the user"""


@dataclass(frozen=True)
class Audit:
    """What draws of a mechanism with and without one user show."""

    epsilon: float
    """Lower bound on ε at the δ asked for"""
    mu: float
    """Estimate of μ, as of normal noise: Φ⁻¹ of the share of true alarms less that of false ones"""
    threshold: float
    draws: int


def white_box(
    inside: Draws,
    outside: Draws,
    delta: float,
    *,
    draws: int = 200_000,
    confidence: float = CONFIDENCE,
) -> Audit:
    """Audit a mechanism by draws with the worst user in and out; as many more choose the threshold beforehand."""
    threshold, alarm = _threshold(inside(draws), outside(draws), delta, confidence)
    with_user, without = inside(draws), outside(draws)
    true, false = int(np.sum(with_user > threshold)), int(np.sum(without > threshold))
    more, fewer = (true, false) if alarm else (draws - false, draws - true)
    bound = epsilon_shown(more, fewer, draws, delta, confidence)
    return Audit(bound, mu_shown(with_user, without), threshold, draws)


def epsilon_shown(
    more: int, fewer: int, draws: int, delta: float, confidence: float = CONFIDENCE
) -> float:
    """Lower bound on ε where something happened `more` times of `draws` with one neighbour, `fewer` with the other."""
    return float(_bounds(np.array([more]), np.array([fewer]), draws, delta, confidence)[0])


def _bounds(
    more: np.ndarray, fewer: np.ndarray, draws: int, delta: float, confidence: float
) -> np.ndarray:
    """The same for many pairs of numbers: float64 [pairs]."""
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        low = np.where(more > 0, beta.ppf(tail, more, draws - more + 1), 0.0)
        high = np.where(fewer < draws, beta.ppf(1 - tail, fewer + 1, draws - fewer), 1.0)
        shown = np.where(low > delta, np.log(np.maximum(low - delta, 1e-300) / high), 0.0)
    return np.maximum(shown, 0.0)


def mu_shown(inside: np.ndarray, outside: np.ndarray) -> float:
    """μ of normal noise that told the two apart as well: the shift over the spread."""
    spread = math.sqrt((np.var(inside) + np.var(outside)) / 2)
    shift = float(np.mean(inside) - np.mean(outside))
    return shift / spread if spread > 0 else math.copysign(math.inf, shift) if shift else 0.0


def visible(mu: float, delta: float, draws: int = 200_000, confidence: float = CONFIDENCE) -> float:
    """The lower bound that draws of a Gaussian mechanism with `mu` are expected to show at the best threshold.

    It is far below ε: at δ = 1e-6 and 200,000 draws .24, .56, 1.86 and 4.60 where ε is .5, 1, 3 and 8.
    """
    return float(_expected(mu, delta, draws, confidence)[1].max())


def _expected(
    mu: float, delta: float, draws: int, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds in standard deviations, and the bound that is expected at each."""
    at = np.linspace(-4, mu + 6, 2001)
    true = np.rint(norm.sf(at - mu) * draws).astype(int)
    false = np.rint(norm.sf(at) * draws).astype(int)
    return at, _bounds(true, false, draws, delta, confidence)


def _threshold(
    inside: np.ndarray, outside: np.ndarray, delta: float, confidence: float
) -> tuple[float, bool]:
    """The threshold to try, and whether it is passing it that tells, or not passing it.

    That of the largest bound in the pilot draws; where normal noise of the same shift has its best threshold, and it
    does nearly as well in the pilot, that one.
    """
    values = np.unique(np.concatenate([inside, outside]))
    if len(values) > 1000:
        values = np.unique(np.quantile(values, np.linspace(0, 1, 1000)))
    draws, mu = len(inside), mu_shown(inside, outside)
    usual = -1
    if 0 < mu < math.inf:
        at, expected = _expected(mu, delta, draws, confidence)
        spread = math.sqrt((np.var(inside) + np.var(outside)) / 2)
        best = float(np.mean(outside) + at[int(np.argmax(expected))] * spread)
        values, usual = np.append(values, best), len(values)
    inside, outside = np.sort(inside), np.sort(outside)
    true = draws - np.searchsorted(inside, values, side="right")
    false = draws - np.searchsorted(outside, values, side="right")
    passed = _bounds(true, false, draws, delta, confidence)
    stayed = _bounds(draws - false, draws - true, draws, delta, confidence)
    most = max(float(passed.max()), float(stayed.max()))
    if usual >= 0 and passed[usual] >= ALMOST * most:
        return float(values[usual]), True
    alarm = bool(passed.max() >= stayed.max())
    return float(values[int(np.argmax(passed if alarm else stayed))]), alarm


def one_run_p_value(planted: int, guessed: int, right: int, epsilon: float, delta: float) -> float:
    """Chance, at most, to guess `right` of `guessed` coins right under (ε, δ), of `planted` users each in by a coin.

    Each guess is right with e^ε / (1 + e^ε) at best; δ adds what `planted` users can each lose (theorem 5.2).
    """
    require(
        WHO, "right", right, 0 <= right <= guessed <= planted, "at most the guesses, of at most all"
    )
    chance = 1 / (1 + math.exp(-epsilon))
    tail = float(binom.sf(right - 1, guessed, chance))
    steps = np.arange(1, right + 1)
    between = np.cumsum(binom.pmf(right - steps, guessed, chance))
    worst = float(np.max(between / steps, initial=0.0))
    return min(1.0, tail + 2 * planted * delta * worst)


def one_run(
    scores: np.ndarray,
    coins: np.ndarray,
    delta: float,
    *,
    guesses: Sequence[int] = (20, 50, 100, 200, 500, 1000),
    confidence: float = CONFIDENCE,
) -> float:
    """Lower bound on ε from one run: `scores` [planted], higher for those believed in; `coins` bool [planted].

    Those farthest above the middle are guessed in, those farthest below out, the others not at all. How many that are
    is tried as `guesses` says, and the error is shared among the tries (Bonferroni).
    """
    scores, coins = np.asarray(scores, dtype=np.float64), np.asarray(coins, dtype=bool)
    planted = len(scores)
    require(WHO, "coins", len(coins), len(coins) == planted, f"as many as scores, {planted}")
    away = scores - _middle(scores)
    order = np.argsort(-np.abs(away), kind="stable")
    tries = sorted({min(count, planted) for count in guesses})
    best = 0.0
    for count in tries:
        chosen = order[:count]
        right = int(np.sum((away[chosen] > 0) == coins[chosen]))
        best = max(best, _largest(planted, count, right, delta, (1 - confidence) / len(tries)))
    return best


def _largest(planted: int, guessed: int, right: int, delta: float, error: float) -> float:
    """The largest ε that so many right guesses refute."""
    low, high = 0.0, 30.0
    if one_run_p_value(planted, guessed, right, low, delta) > error:
        return 0.0
    for _ in range(50):
        middle = (low + high) / 2
        if one_run_p_value(planted, guessed, right, middle, delta) > error:
            high = middle
        else:
            low = middle
    return low


def _middle(scores: np.ndarray) -> float:
    """The point between the means of what lies above and below it (two means, in one dimension); knows no coin."""
    middle = float(np.mean(scores))
    for _ in range(100):
        above, below = scores[scores > middle], scores[scores <= middle]
        if not len(above) or not len(below):
            break
        middle, before = float(above.mean() + below.mean()) / 2, middle
        if middle == before:
            break
    return middle
