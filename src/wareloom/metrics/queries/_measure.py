"""The base of measures of synthetic queries beside real ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.family import METRICS, Algorithm, Family
from wareloom.metrics._measure import Counts, Figure, beside_floor, wilson
from wareloom.metrics.queries._samples import QuerySample, QueryTrio
from wareloom.run import Run


@dataclass(kw_only=True, eq=False)
class QueryMeasure(Algorithm, ABC):
    """Base of the measures that compare samples of queries. Lower is better in all of them."""

    family: ClassVar[Family] = METRICS
    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str] = "share"
    """What its figures are in"""

    @abstractmethod
    def compare(self, trio: QueryTrio, run: Run | None = None) -> list[Figure] | str:
        """Return the figures, or why there are none."""

    def check_fitted(self) -> None:
        """A measure needs no fit."""


@dataclass(kw_only=True, eq=False)
class CountedQueries(QueryMeasure):
    """Base of the measures that are a distance between counts; intervals and floors as `wareloom.metrics.Counted`."""

    bounded: ClassVar[bool] = True
    """Whether its figures are shares of 1"""

    @abstractmethod
    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        """Return what is counted, by figure ("" for the only one), or why nothing is."""

    @abstractmethod
    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        """Return how far two samples' counts, float64 [cells], are from each other."""

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        """Return the number of one sample that is compared, where it is one number."""
        return None

    def curve(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> dict[str, Any] | None:
        """Return what a page draws of real and synthetic counts, where there is something to see."""
        return None

    def compare(self, trio: QueryTrio, run: Run | None = None) -> list[Figure] | str:
        """Return the figures, or why there are none."""
        found = self.count(trio.samples, trio)
        if isinstance(found, str):
            return found
        for counts in found.values():
            for side, cells in zip(("REAL", "REAL", "SYNTH"), counts.cells, strict=True):
                if not len(cells):
                    return f"no query of {side} has a word"
        return [self._figure(name, counts, run or Run()) for name, counts in found.items()]

    def _figure(self, name: str, counts: Counts, run: Run) -> Figure:
        def distance(a: np.ndarray, b: np.ndarray) -> float:
            return float(self.distance(name, a, b, counts))

        real, fake = counts.total(0), counts.total(2)
        return Figure(
            name=f"{self.name}.{name}" if name else self.name,
            **beside_floor(counts, distance, run, 1.0 if self.bounded else float("inf")),
            unit=self.unit,
            bounded=self.bounded,
            real=self.single(name, real, counts),
            synthetic=self.single(name, fake, counts),
            curve=self.curve(name, real, fake, counts),
        )


def share_figure(name: str, found: np.ndarray, floor: np.ndarray) -> Figure:
    """Make the figure of a share, with Wilson's intervals: whether it is so of each synthetic and real query, bool."""
    ends = [wilson(int(each.sum()), len(each)) for each in (found, floor)]
    return Figure(
        name=name,
        value=float(found.mean()),
        low=ends[0][0],
        high=ends[0][1],
        floor=float(floor.mean()),
        floor_low=ends[1][0],
        floor_high=ends[1][1],
        unit="share",
        about={"queries": len(found), "found": int(found.sum())},
    )
