"""On which days of the week things happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, fixed
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.shop.log import NO_TIME
from wareloom.stats.distances import circular_wasserstein, drawn, shares

MINUTE = 60_000_000
CELLS, TURN = 7, 7.0


@dataclass(kw_only=True, eq=False)
class Weekdays(Counted):
    """Wasserstein distance round the week between days of events, in days."""

    needs: ClassVar[tuple[str, ...]] = ("times",)
    unit: ClassVar[str] = "days"
    bounded: ClassVar[bool] = False

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        known = [sample.log.time != NO_TIME for sample in samples]
        times = [sample.log.time[there] for sample, there in zip(samples, known, strict=True)]
        groups = [sample.group[there] for sample, there in zip(samples, known, strict=True)]
        return {
            "": fixed(
                [(time // (1440 * MINUTE) + 3) % CELLS for time in times],
                groups,
                samples[0].groups,
                CELLS,
            )
        }

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return circular_wasserstein(a, b, TURN)

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        x = counts.support * TURN / CELLS
        return drawn(
            x, shares(a), shares(b), "bars", "day of the week, 0 Monday, UTC", "share of events"
        )
