"""How long a session is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, counted
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import cumulative, kolmogorov_smirnov


@dataclass(kw_only=True, eq=False)
class SessionLength(Counted):
    """Kolmogorov-Smirnov distance between numbers of events of a session."""

    needs: ClassVar[tuple[str, ...]] = ("sessions",)

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        starts = [
            np.flatnonzero((s.place == 0) | (np.diff(s.log.session, prepend=-1) != 0))
            for s in samples
        ]
        lengths = [
            np.diff(start, append=len(s.log)) for start, s in zip(starts, samples, strict=True)
        ]
        groups = [s.group[start] for start, s in zip(starts, samples, strict=True)]
        return {"": counted(lengths, groups, samples[0].groups)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return kolmogorov_smirnov(a, b)

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        return cumulative(a, b, counts.support, "log", "events of a session")
