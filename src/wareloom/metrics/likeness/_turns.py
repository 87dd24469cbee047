"""When in a day or a week things happen: what comes round again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from wareloom.metrics.likeness.measure import Counts, fixed
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.shop.log import NO_TIME
from wareloom.stats.distances import circular_wasserstein, drawn, shares

DAY = 86_400_000_000
"""Microseconds of a day"""
MONDAY = 4 * DAY
"""1970 began on a Thursday: microseconds until its first Monday"""


class Turns:
    """What measures share that compare times round a clock: the Wasserstein distance the shorter way round."""

    needs: ClassVar[tuple[str, ...]] = ("times",)
    bounded: ClassVar[bool] = False
    turn: ClassVar[int]
    """Microseconds of one turn, which begin on a Monday at midnight, UTC"""
    cells: ClassVar[int]
    """Equal parts of a turn in which events are counted"""
    length: ClassVar[float]
    """A turn in the measure's unit"""
    axis: ClassVar[str]
    """What the page says below the curve"""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        known = [sample.log.time != NO_TIME for sample in samples]
        times = [sample.log.time[there] for sample, there in zip(samples, known, strict=True)]
        groups = [sample.group[there] for sample, there in zip(samples, known, strict=True)]
        cells = [(time - MONDAY) % self.turn // (self.turn // self.cells) for time in times]
        return {"": fixed(cells, groups, samples[0].groups, self.cells)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return circular_wasserstein(a, b, self.length)

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        x = counts.support * self.length / self.cells
        return drawn(x, shares(a), shares(b), "bars", self.axis, "share of events")
