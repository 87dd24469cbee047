"""Proportional odds: how likely each grade is, given numbers that speak for it."""

from __future__ import annotations

import numpy as np
from scipy import optimize
from scipy.special import expit

TINY = 1e-9


def fit_ordinal(
    x: np.ndarray, y: np.ndarray, levels: int, ridge: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit P(y > k | x) = σ(w·x - θ_k) for k = 0 … levels - 2 by penalised likelihood.

    x float64 [rows, features], in like units; y int64 [rows], 0 … levels - 1; `ridge` × |w|² / 2 is added to the mean
    negative log-likelihood. Returns w [features] and θ [levels - 1], ascending. McCullagh (1980).
    """
    features = x.shape[1]
    shares = np.clip(np.cumsum(np.bincount(y, minlength=levels))[:-1] / len(y), 0.01, 0.99)
    cuts = np.maximum.accumulate(np.log(shares / (1 - shares)) + 1e-3 * np.arange(levels - 1))
    start = np.concatenate([np.zeros(features), cuts[:1], np.log(np.maximum(np.diff(cuts), 1e-3))])

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        w, steps = p[:features], np.exp(p[features + 1 :])
        theta = np.concatenate([p[features : features + 1], p[features] + np.cumsum(steps)])
        ends = np.concatenate([[-np.inf], theta, [np.inf]])
        score = x @ w
        upper, lower = expit(ends[y + 1] - score), expit(ends[y] - score)
        chance = np.maximum(upper - lower, TINY)
        up, down = upper * (1 - upper) / chance, lower * (1 - lower) / chance
        by_score = (up - down) / len(y)
        by_end = np.zeros(levels + 1)
        np.add.at(by_end, y + 1, -up / len(y))
        np.add.at(by_end, y, down / len(y))
        by_theta = by_end[1:-1]
        behind = np.cumsum(by_theta[::-1])[::-1]
        gradient = np.concatenate([x.T @ by_score + ridge * w, behind[:1], behind[1:] * steps])
        return float(-np.log(chance).mean() + ridge * (w @ w) / 2), gradient

    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500}).x
    steps = np.exp(found[features + 1 :])
    theta = np.concatenate([found[features : features + 1], found[features] + np.cumsum(steps)])
    return found[:features], theta


def chances(x: np.ndarray, w: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """How likely each grade is: float64 [rows, levels], rows add up to 1."""
    above = expit((x @ w)[:, None] - theta[None, :])
    whole = np.concatenate([np.ones((len(x), 1)), above, np.zeros((len(x), 1))], axis=1)
    found: np.ndarray = whole[:, :-1] - whole[:, 1:]
    return found
