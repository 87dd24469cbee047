"""Brier score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import ClickMetric, Predicted, weighted_mean


@dataclass(kw_only=True, eq=False)
class Brier(ClickMetric):
    """Mean squared difference between the probability and what happened; lower is better. Brier (1950)."""

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    laws: ClassVar[frozenset[str]] = frozenset({"refuses what is no click"})

    def per_row(self, predicted: Predicted) -> np.ndarray:
        return (predicted.clicks().value - predicted.label) ** 2

    def measure(self, predicted: Predicted) -> float:
        return weighted_mean(self.per_row(predicted), predicted.weight)
