"""Logistic regression of clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from wareloom.core.run import Run
from wareloom.core.settings import Positive, Size
from wareloom.rankers.clicks.base import ClickRanker, one_hot
from wareloom.rankers.clicks.rows import Encoded, Examples
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class Logistic(ClickRanker):
    """Add up a weight for each value of each field and for each number; penalise squared weights.

    Minimises Σ log loss + regularization / 2 · |weights|² by L-BFGS over sparse rows; the intercept is free. Convex: no
    seed changes it where nothing is drawn. Richardson, Dominowska and Ragno (2007).
    """

    laws: ClassVar[frozenset[str]] = ClickRanker.laws | {"moved by history"}

    regularization: Positive = 10.0
    """Penalty on squared weights; the larger, the nearer to the constant share of clicks."""
    max_steps: Size = 500
    """Steps of L-BFGS at most."""

    def _learn(
        self, train: Examples, held: Examples | None, sizes: np.ndarray, shop: Shop | None, run: Run
    ) -> None:
        matrix = one_hot(train.rows, sizes)
        self.weights_ = fit_logistic(
            matrix, train.label, train.weight, self.regularization, self.max_steps
        )

    def _logits(self, rows: Encoded) -> np.ndarray:
        return one_hot(rows, self.sizes_) @ self.weights_[1:] + self.weights_[0]


def fit_logistic(
    matrix: Any, label: np.ndarray, weight: np.ndarray, regularization: float, max_steps: int
) -> np.ndarray:
    """Return intercept and weights of the penalised logistic regression: float64 [1 + columns]."""
    turned = matrix.T.tocsr()

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = matrix @ w[1:] + w[0]
        gap = weight * (expit(z) - label)
        value = weight @ (np.logaddexp(0, z) - label * z) + 0.5 * regularization * (w[1:] @ w[1:])
        return float(value), np.concatenate([[gap.sum()], turned @ gap + regularization * w[1:]])

    start = np.zeros(1 + matrix.shape[1])
    share = weight @ label / weight.sum()
    start[0] = np.log(share / (1 - share))
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_steps, "ftol": 1e-12, "gtol": 1e-6},
    )
    return np.asarray(found.x)
