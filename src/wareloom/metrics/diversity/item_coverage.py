"""How much of the catalogue is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, by_item
from wareloom.metrics.likeness.samples import Sample, Trio


@dataclass(kw_only=True, eq=False)
class ItemCoverage(Counted):
    """Difference between shares of the catalogue that have an event at all."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        return {"": by_item(samples)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return float(abs((a > 0).mean() - (b > 0).mean()))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return float((a > 0).mean())
