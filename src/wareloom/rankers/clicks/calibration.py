"""From log-odds to probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from wareloom.errors import InputError

FEWEST = 10
"""Clicks, and rows without one, that a calibration is fitted on at least."""


def platt(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return slope and intercept of the logistic curve through held-back rows: float64 [2].

    Labels are drawn in a little, to (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2), so that rows that are told apart wholly give
    no infinite slope. Platt (1999).
    """
    clicks, others = float(weight @ label), float(weight @ (1 - label))
    target = np.where(label == 1, (clicks + 1) / (clicks + 2), 1 / (others + 2))
    score = score.astype(np.float64)

    def loss(ab: np.ndarray) -> tuple[float, np.ndarray]:
        z = ab[0] * score + ab[1]
        gap = weight * (expit(z) - target)
        return float(weight @ (np.logaddexp(0, z) - target * z)), np.array([gap @ score, gap.sum()])

    start = np.array([1.0, 0.0])
    return np.asarray(
        minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    )


def isotonic(score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the knots of the best rising curve through held-back rows: float64 [2, knots], log-odds and probability.

    Between knots it is straight, beyond them flat; no probability is nearer to 0 or 1 than one row of those held back
    could say. Zadrozny and Elkan (2002).
    """
    order = np.argsort(score, kind="stable")
    values, first = np.unique(score[order].astype(np.float64), return_index=True)
    mass = np.add.reduceat(weight[order], first)
    mean = np.add.reduceat((weight * label)[order], first) / np.maximum(mass, 1e-12)
    kept = mass > 0
    values, curve = values[kept], isotonic_regression(mean[kept], weights=mass[kept]).x
    least = 0.5 / max(mass.sum(), 1.0)
    bounds = np.flatnonzero(np.concatenate([[True], np.diff(curve) > 0]))
    last = np.append(bounds[1:], len(curve)) - 1
    knots = np.unique(np.concatenate([bounds, last]))
    return np.stack([values[knots], np.clip(curve[knots], least, 1 - least)])


def calibrated(kind: str, learned: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Apply what `platt` or `isotonic` learned: log-odds in, log-odds out, float64."""
    score = score.astype(np.float64)
    if kind == "platt":
        return learned[0] * score + learned[1]
    if kind == "isotonic":
        return logit(np.interp(score, learned[0], learned[1]))
    return score


def learn(kind: str, score: np.ndarray, label: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fit a calibration of this kind on held-back rows; raises `InputError` where these are too few."""
    clicks, others = int(label.sum()), int((1 - label).sum())
    if min(clicks, others) < FEWEST:
        raise InputError(
            f"calibration={kind!r} has {clicks} clicks and {others} rows without one held back, and needs {FEWEST} of "
            "each: raise the setting validation, bring more clicks, or set calibration to 'none'."
        )
    return platt(score, label, weight) if kind == "platt" else isotonic(score, label, weight)


def corrected(score: np.ndarray, rate: float) -> np.ndarray:
    """Log-odds among all rows from those among rows of which only a share `rate` of the unclicked was kept.

    p / (p + (1 − p) / rate), He et al. (2014): the log-odds gain ln rate.
    """
    return score + np.log(rate)
