"""Normalised entropy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from wareloom.metrics import ClickMetric, Predicted, weighted_mean
from wareloom.metrics.clicks.curves import entropy
from wareloom.metrics.clicks.log_loss import LogLoss


@dataclass(kw_only=True, eq=False)
class NormalisedEntropy(ClickMetric):
    """Log loss over that of the best constant, the share of clicks; below 1 is better than knowing that share.

    Not defined where all or none were clicked. He et al. (2014).
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    laws: ClassVar[frozenset[str]] = frozenset({"refuses what is no click"})

    def measure(self, predicted: Predicted) -> float:
        best = entropy(weighted_mean(predicted.clicks().label, predicted.weight))
        return LogLoss().measure(predicted) / best if best > 0 else float("nan")
