"""Root mean squared error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from wareloom.metrics import ClickMetric, Predicted, weighted_mean


@dataclass(kw_only=True, eq=False)
class RMSE(ClickMetric):
    """Root of the mean squared difference between prediction and rating; lower is better."""

    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def measure(self, predicted: Predicted) -> float:
        return weighted_mean((predicted.value - predicted.label) ** 2, predicted.weight) ** 0.5
