"""The base of measures of synthetic queries beside real ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.asked import Kind, a_run, of_class
from wareloom.core.family import METRICS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.metrics.likeness.measure import Counts, Distances, Figure, wilson
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio


@dataclass(kw_only=True, eq=False)
class QueryMeasure(Algorithm, ABC):
    """Base of the measures that compare samples of queries. Lower is better in all of them."""

    family: ClassVar[Family] = METRICS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "compare": {
            "trio": of_class(
                "a QueryTrio: wl.compare(real, synthetic) makes one of shops", QueryTrio
            ),
            "run": a_run,
        }
    }
    judges: ClassVar[str] = "queries"
    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str] = "share"
    """What its figures are in"""

    @abstractmethod
    def compare(self, trio: QueryTrio, run: Run | None = None) -> list[Figure] | str:
        """Return the figures, or why there are none."""

    def check_fitted(self) -> None:
        """A measure needs no fit."""


@dataclass(kw_only=True, eq=False)
class CountedQueries(Distances, QueryMeasure, ABC):
    """Base of the measures that are a distance between counts of queries."""

    @abstractmethod
    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        """Return what is counted, by figure ("" for the only one), or why nothing is."""

    def compare(self, trio: QueryTrio, run: Run | None = None) -> list[Figure] | str:
        """Return the figures, or why there are none."""
        return self.figures(
            self.count(trio.samples, trio), "no query of {side} has a word", run or Run()
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
