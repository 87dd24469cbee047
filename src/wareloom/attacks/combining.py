"""One score of several, by what is never judged on the users that it was learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special, stats

from wareloom.stats.roc import area, told

STEPS = 25
"""Newton's steps at most"""
RIDGE = 1e-2
"""Weight of the squared coefficients, beside a mean over users"""


class Combined(NamedTuple):
    """A score a target, part by part: float64 [targets] each."""

    even: list[np.ndarray]
    """For the area: what tells most users from most others"""
    sharp: list[np.ndarray]
    """For few false alarms: what is surest of some members, which may say nothing of the rest"""
    learned: bool
    """Whether each part's score was learned on the others, so that the parts hang on one another"""


def combined(scores: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> Combined:
    """Combine scores, float64 [targets, scores] part by part; greater is a member.

    A single score stays as it is. Several become normal scores of their ranks within their part, which takes no
    knowledge of who is a member; beside them stands their sum with the weights of a logistic regression on the other
    parts. Of all these the one is taken that did best on the other parts: by its area, and by the members it told at
    few false alarms. A few copied users are surely told by one score and lost in a sum that is fitted to all.
    """
    if scores[0].shape[1] == 1:
        single = [part[:, 0] for part in scores]
        return Combined(single, single, learned=False)
    normal = [_normal(part) for part in scores]
    found = Combined([], [], learned=True)
    for place, part in enumerate(normal):
        rest = [i for i in range(len(normal)) if i != place]
        known, whose = (np.concatenate([s[i] for i in rest]) for s in (normal, truth))
        weights = logistic(known, whose)
        known, part = (np.column_stack([side, side @ weights]) for side in (known, part))
        chosen: list[np.ndarray]
        for chosen, worth in zip(found[:2], (_even, _sharp), strict=True):
            chosen.append(_normal(part[:, [_best(known, whose, worth)]])[:, 0])
    return found


def _best(known: np.ndarray, whose: np.ndarray, worth: Callable[..., float]) -> int:
    """The column that is worth most, the last one first."""
    values = [worth(column[whose], column[~whose]) for column in known.T[::-1]]
    return known.shape[1] - 1 - int(np.argmax(values))


def _even(members: np.ndarray, others: np.ndarray) -> float:
    return area(members, others).value


def _sharp(members: np.ndarray, others: np.ndarray) -> float:
    return float(sum(told(members, others, share) for share in (0.001, 0.01)))


def _normal(scores: np.ndarray) -> np.ndarray:
    """Normal scores of each column's ranks: float64 [targets, scores]; tied ones stay tied."""
    ranks = stats.rankdata(scores, axis=0)
    normal: np.ndarray = special.ndtri(ranks / (len(scores) + 1))
    return normal


def logistic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of a logistic regression, without its intercept, by Newton's steps: float64 [columns]."""
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = 1e-9
    weights = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = special.expit(design @ weights)
        slope = design.T @ (y - p) / len(y) - penalty * weights
        curve = (design * (p * (1 - p))[:, None]).T @ design / len(y) + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return weights[1:]
