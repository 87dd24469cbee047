"""One score of several, by a regression that is never judged on the users it was learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special, stats

STEPS = 25
"""Newton's steps at most"""
RIDGE = 1e-2
"""Weight of the squared coefficients, beside a mean over users"""


def combined(scores: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One score a target, part by part: float64 [targets], of float64 [targets, scores].

    A single score stays as it is. Several are turned into normal scores within their part, which takes no knowledge of
    who is a member, and added up with the weights of a logistic regression on the other parts.
    """
    if scores[0].shape[1] == 1:
        return [part[:, 0] for part in scores]
    normal = [_normal(part) for part in scores]
    found = []
    for place, part in enumerate(normal):
        rest = [i for i in range(len(normal)) if i != place]
        weights = logistic(
            np.concatenate([normal[i] for i in rest]), np.concatenate([truth[i] for i in rest])
        )
        found.append(part @ weights)
    return found


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
