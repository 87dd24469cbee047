"""How unevenly events fall on the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, by_item
from wareloom.metrics.likeness.samples import Sample, Trio


@dataclass(kw_only=True, eq=False)
class ItemGini(Counted):
    """Difference between the Gini coefficients of events an item of the catalogue."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        return {"": by_item(samples)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return abs(_gini(a) - _gini(b))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return _gini(a)


def _gini(counts: np.ndarray) -> float:
    """0 where all items have as many events, towards 1 where one has all."""
    n, total = len(counts), counts.sum()
    return float(
        ((2.0 * np.arange(1, n + 1) - n - 1.0) * np.sort(counts)).sum() / (n * max(total, 1.0))
    )
