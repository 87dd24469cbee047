"""Multinomial logistic regression with a penalty on the squared weights, exact for few rows of many columns."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

STEPS = 300
"""Iterations at most"""


def fit_multinomial(
    x: np.ndarray, target: np.ndarray, weight: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights, float64 [columns, classes], and intercepts, float64 [classes].

    Minimises the mean cross-entropy over rows by `weight` (float [rows]) plus `penalty` / 2 times the squared weights;
    intercepts are free. `target`: float [rows, classes], rows sum to 1. The best weights are a mix of rows of `x`
    (representer theorem), so that they are looked for in as many directions as there are rows, where these are fewer.
    """
    x = np.asarray(x, dtype=np.float64)
    share = np.asarray(weight, dtype=np.float64) / np.sum(weight)
    basis = None
    if len(x) < x.shape[1]:
        value, vectors = np.linalg.eigh(x @ x.T)
        kept = value > 1e-10 * max(value[-1], 1e-300)
        basis = x.T @ (vectors[:, kept] / np.sqrt(value[kept]))
        x = x @ basis
    columns, classes = x.shape[1], target.shape[1]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = flat.reshape(columns + 1, classes)
        score = x @ both[:-1] + both[-1]
        logs = score - logsumexp(score, axis=1, keepdims=True)
        slope = share[:, None] * (np.exp(logs) - target)
        value = -(share[:, None] * target * logs).sum() + penalty / 2 * (both[:-1] ** 2).sum()
        gradient = np.concatenate([x.T @ slope + penalty * both[:-1], slope.sum(axis=0)[None]])
        return float(value), gradient.ravel()

    start = np.zeros((columns + 1) * classes)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-10}
    ).x.reshape(columns + 1, classes)
    weights = found[:-1] if basis is None else basis @ found[:-1]
    return weights, found[-1] - found[-1].mean()
