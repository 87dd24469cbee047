"""How much a user does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, counted
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import cumulative, kolmogorov_smirnov


@dataclass(kw_only=True, eq=False)
class Activity(Counted):
    """Kolmogorov-Smirnov distance between numbers of events of a user."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        lengths = [sample.log.lengths() for sample in samples]
        return {"": counted(lengths, [s.user_group for s in samples], samples[0].groups)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return kolmogorov_smirnov(a, b)

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        return cumulative(a, b, counts.support, "log", "events of a user")
