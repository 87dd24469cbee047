"""What features of many generators say of targets: likelihoods calibrated a target, or one regression for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import special, stats

from wareloom.attacks.combining import logistic
from wareloom.stats.roc import area

SHRINK = 0.1
"""Least share of the diagonal in a covariance"""
TRIED = 8
"""Generators that ways of telling are tried on, at most"""

Way = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(features of SYNTH, features of generators, who was in which) → float64 [targets]"""


def best_told(
    real: Mapping[str, np.ndarray], shadows: Mapping[str, np.ndarray], coins: np.ndarray
) -> np.ndarray:
    """Scores of the targets by the way that told most of generators that it had not seen: float64 [targets].

    `real`, `shadows`: features by attack, as in `likelihood_ratio`. A way is a likelihood ratio or a regression, on the
    features of all attacks or of one. Each is tried on some generators in the place of SYNTH, by what the others say.
    """
    groups = [tuple(real), *((name,) for name in real)]
    ways: list[tuple[Way, tuple[str, ...]]] = [
        (way, group) for group in dict.fromkeys(groups) for way in (likelihood_ratio, regressed)
    ]
    tried = range(min(TRIED, len(coins))) if len(coins) > 2 else range(0)

    def told(way: Way, group: tuple[str, ...], left_out: int) -> float:
        rest = np.arange(len(coins)) != left_out
        many = np.concatenate([shadows[name] for name in group], axis=2)
        score = way(many[left_out], many[rest], coins[rest])
        return area(score[coins[left_out]], score[~coins[left_out]]).value

    worth = [sum(told(*one, left_out=g) for g in tried) for one in ways]
    way, group = ways[int(np.argmax(worth))]
    return way(
        np.concatenate([real[name] for name in group], axis=1),
        np.concatenate([shadows[name] for name in group], axis=2),
        coins,
    )


def regressed(real: np.ndarray, shadows: np.ndarray, coins: np.ndarray) -> np.ndarray:
    """Scores by one logistic regression for all targets, learned on all generators: as `likelihood_ratio`."""
    weights = logistic(shadows.reshape(-1, shadows.shape[2]), coins.ravel())
    found: np.ndarray = real @ weights
    return found


def normal(scores: np.ndarray) -> np.ndarray:
    """Normal scores of each column's ranks among the targets: float64 [targets, features]."""
    found: np.ndarray = special.ndtri(stats.rankdata(scores, axis=0) / (len(scores) + 1))
    return found


def likelihood_ratio(real: np.ndarray, shadows: np.ndarray, coins: np.ndarray) -> np.ndarray:
    """Logarithm of the likelihood that each target was in over that it was not: float64 [targets].

    `real`: features of SYNTH, float64 [targets, features]; `shadows`: of each generator, [generators, targets,
    features]; `coins`: who was in which, bool [generators, targets]. Normal with one covariance within targets; middle
    and distance of a target's means are drawn towards those of all targets.
    """
    inside = coins[:, :, None]
    number = [np.maximum(side.sum(axis=0), 1) for side in (inside, ~inside)]
    means = [
        np.where(side, shadows, 0.0).sum(axis=0) / n
        for side, n in zip((inside, ~inside), number, strict=True)
    ]
    left = shadows - np.where(inside, means[0], means[1])
    free = max(1, coins.size - 2 * coins.shape[1])
    noise = (left**2).sum(axis=(0, 1)) / free
    share = 1 / number[0] + 1 / number[1]
    middle = _drawn((means[0] + means[1]) / 2, noise * share / 4)
    apart = _drawn(means[0] - means[1], noise * share)
    flat = (shadows - middle - np.where(inside, 0.5, -0.5) * apart).reshape(-1, shadows.shape[2])
    spread = flat.T @ flat / len(flat)
    shrink = min(1.0, SHRINK + spread.shape[0] / len(flat))
    diagonal = np.diag(np.diag(spread) + 1e-6)
    inverse = np.linalg.inv((1 - shrink) * spread + shrink * diagonal)
    found: np.ndarray = (((real - middle) @ inverse) * apart).sum(axis=1)
    return found


def _drawn(values: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Means of targets drawn towards that of all, as far as their noise says: float64 [targets, features]."""
    whole = values.mean(axis=0)
    there = np.maximum(values.var(axis=0) - noise.mean(axis=0), 0.0)
    found: np.ndarray = whole + there / np.maximum(there + noise, 1e-12) * (values - whole)
    return found
