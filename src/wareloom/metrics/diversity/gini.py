"""Gini coefficient of exposure@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import ListMetric, Ranked, exposure


@dataclass(kw_only=True, eq=False)
class Gini(ListMetric):
    """How unequally the places of the lists fall on the catalogue: 0 all items alike, towards 1 one item in all places.

    NaN where all lists are empty.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    higher_is_better: ClassVar[bool] = False

    def measure(self, ranked: Ranked) -> float:
        shown = np.sort(exposure(ranked, self.k))
        n, total = len(shown), shown.sum()
        if total == 0:
            return float("nan")
        return float(((2.0 * np.arange(1, n + 1) - n - 1.0) * shown).sum() / (n * total))
