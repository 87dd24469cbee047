"""Expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wareloom.core.settings import Size
from wareloom.metrics import ClickMetric, Predicted, weighted_mean
from wareloom.metrics.clicks.curves import reliability


@dataclass(kw_only=True, eq=False)
class CalibrationError(ClickMetric):
    """Mean distance between the probability and the share of clicks over bins of equal mass; lower is better.

    Rows are put in order of their probability and cut into bins of equal weight; equal probabilities stay in one bin.
    With few clicks chance alone makes it larger than 0. Naeini, Cooper and Hauskrecht (2015).
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    laws: ClassVar[frozenset[str]] = frozenset({"refuses what is no click"})

    bins: Size = 10
    """Bins at most; equal probabilities may leave fewer."""

    def measure(self, predicted: Predicted) -> float:
        curve = reliability(predicted, self.bins)
        gap = (curve["predicted"] - curve["observed"]).abs().to_numpy()
        return weighted_mean(gap, curve["weight"].to_numpy())
