"""How much of the events is left to the tail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.core.settings import Fraction
from wareloom.metrics.likeness.measure import Counted, Counts, by_item
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import shares


@dataclass(kw_only=True, eq=False)
class TailShare(Counted):
    """Difference between shares of events on what is not among the most popular items, each sample by its own order."""

    head: Fraction = 0.2
    """Share of the catalogue that is the head."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        return {"": by_item(samples)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return abs(self._tail(a) - self._tail(b))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return self._tail(a)

    def _tail(self, counts: np.ndarray) -> float:
        tail = len(counts) - max(1, round(self.head * len(counts)))
        return float(np.sort(shares(counts))[:tail].sum())
