"""The base of measures of synthetic queries beside real ones."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.asked import Kind, a_run, of_class
from wareloom.core.family import METRICS, Algorithm, Family
from wareloom.metrics.likeness.measure import Compares, CountedTexts, Figure, wilson
from wareloom.metrics.likeness.queries.samples import QueryTrio


@dataclass(kw_only=True, eq=False)
class QueryMeasure(Compares, Algorithm, ABC):
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


@dataclass(kw_only=True, eq=False)
class CountedQueries(CountedTexts, QueryMeasure, ABC):
    """Base of the measures that are a distance between counts of queries."""

    empty: ClassVar[str] = "no query of {side} has a word"


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
