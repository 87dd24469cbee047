"""How much denser real data is than synthetic at a point, by a classifier that has not seen the point."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

FIT_ROWS = 200_000
"""Rows that a classifier is fitted on, at most; the others are only predicted."""


def density_ratio(
    real: np.ndarray, synthetic: np.ndarray, folds: int, regularization: float, rng: np.random.Generator
) -> np.ndarray:
    """Estimate p(real) / p(synthetic) at each synthetic row: float64 [synthetic rows], above 0.

    `real`, `synthetic`: features, float64 [rows, features]. The odds that a logistic regression gives a row for being
    real, divided by the odds before its features are known (Sugiyama, Suzuki and Kanamori 2012). The rows are dealt
    into `folds`; a row's odds come from a classifier fitted on the others.
    """
    x = np.concatenate([real, synthetic])
    label = np.concatenate([np.ones(len(real)), np.zeros(len(synthetic))])
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    fold = np.concatenate([rng.permutation(len(part)) % folds for part in (real, synthetic)])
    logits = np.zeros(len(synthetic))
    for k in range(folds):
        train = np.flatnonzero(fold != k)
        if len(train) > FIT_ROWS:
            train = np.sort(rng.permutation(train)[:FIT_ROWS])
        mine = np.flatnonzero((fold == k) & (label == 0))
        w = logistic(x[train], label[train], regularization)
        share = label[train].mean()
        logits[mine - len(real)] = x[mine] @ w[1:] + w[0] - np.log(share / (1 - share))
    ratio: np.ndarray = np.exp(np.clip(logits, -50, 50))
    return ratio


def logistic(x: np.ndarray, label: np.ndarray, regularization: float) -> np.ndarray:
    """Return intercept and weights that minimise log loss + `regularization` / 2 · |weights|²: float64 [1 + columns].

    By L-BFGS; the intercept is free.
    """

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w[1:] + w[0]
        gap = expit(z) - label
        value = (np.logaddexp(0, z) - label * z).sum() + 0.5 * regularization * (w[1:] @ w[1:])
        return float(value), np.concatenate([[gap.sum()], gap @ x + regularization * w[1:]])

    start = np.zeros(1 + x.shape[1])
    start[0] = np.log(label.mean() / (1 - label.mean()))
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x)
