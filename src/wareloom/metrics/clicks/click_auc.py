"""AUC of clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import ClickMetric, Predicted


@dataclass(kw_only=True, eq=False)
class ClickAUC(ClickMetric):
    """Chance that an impression with a click has a higher probability than one without; ties count half.

    Over all impressions together, not within requests; not defined where all or none were clicked. Fawcett (2006).
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    laws: ClassVar[frozenset[str]] = frozenset({"refuses what is no click"})
    higher_is_better: ClassVar[bool] = True

    def measure(self, predicted: Predicted) -> float:
        values, place = np.unique(predicted.clicks().value, return_inverse=True)
        clicked = np.bincount(
            place, weights=predicted.weight * predicted.label, minlength=len(values)
        )
        others = np.bincount(
            place, weights=predicted.weight * (1 - predicted.label), minlength=len(values)
        )
        pairs = clicked.sum() * others.sum()
        below = np.cumsum(others) - others
        return (
            float((clicked * (below + 0.5 * others)).sum() / pairs) if pairs > 0 else float("nan")
        )
