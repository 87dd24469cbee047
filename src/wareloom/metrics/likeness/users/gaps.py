"""How long it takes from one event to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, counted
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import cumulative, wasserstein

SECOND = 1_000_000


@dataclass(kw_only=True, eq=False)
class Gaps(Counted):
    """Wasserstein distance between gaps from a user's event to the next, in powers of ten of 1 + seconds.

    Gaps are rounded down to whole seconds.
    """

    needs: ClassVar[tuple[str, ...]] = ("times",)
    unit: ClassVar[str] = "powers of ten"
    bounded: ClassVar[bool] = False

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        rows, gaps = zip(*(sample.gaps for sample in samples), strict=True)
        groups = [sample.group[row] for sample, row in zip(samples, rows, strict=True)]
        return {"": counted([gap // SECOND for gap in gaps], groups, samples[0].groups)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return wasserstein(a, b, np.log10(1 + counts.support))

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        return cumulative(a, b, counts.support, "log", "seconds between a user's events")
