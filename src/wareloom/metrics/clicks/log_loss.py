"""Logarithmic loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import ClickMetric, Predicted, weighted_mean

SMALLEST = 1e-15
"""Probabilities are held this far from 0 and 1, so that one sure mistake does not cost infinitely much."""


@dataclass(kw_only=True, eq=False)
class LogLoss(ClickMetric):
    """Mean of −ln of the probability that was given to what happened, in nats; lower is better."""

    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    laws: ClassVar[frozenset[str]] = frozenset({"refuses what is no click"})

    def per_row(self, predicted: Predicted) -> np.ndarray:
        chance = np.clip(predicted.clicks().value, SMALLEST, 1 - SMALLEST)
        return -np.where(predicted.label == 1, np.log(chance), np.log1p(-chance))

    def measure(self, predicted: Predicted) -> float:
        return weighted_mean(self.per_row(predicted), predicted.weight)
