"""Metrics: what a ranking, or a synthetic shop, is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.family import METRICS, Algorithm, Family


@dataclass(frozen=True)
class Ranked:
    """The outcome of ranking all candidates for many requests: ranks of the relevant items, and the top of each list.

    Relevant items of request r are the rows offsets[r]:offsets[r+1] of `rank`, `grade` and `item`, best rank first.
    """

    offsets: np.ndarray
    """int64 [requests + 1]"""
    rank: np.ndarray
    """int64 [relevant], place in the full ranking, from 1; an item that cannot be ranked has the last place"""
    grade: np.ndarray
    """float64 [relevant], 1 for plain relevance"""
    item: np.ndarray
    """int32 [relevant], item codes"""
    candidates: np.ndarray
    """int64 [requests], number of items that were ranked"""
    top: np.ndarray
    """int32 [requests, depth], item codes of the first places, -1 where a list is shorter"""
    popularity: np.ndarray
    """float64 [items], events in the training part"""
    groups: np.ndarray | None = None
    """int32 [items], code of each item's category for diversity; None where unknown"""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def request(self) -> np.ndarray:
        """Request of each relevant item, int64 [relevant]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    @property
    def relevant(self) -> np.ndarray:
        """Number of relevant items of each request, int64 [requests]."""
        return np.diff(self.offsets)

    def per_request(self, values: np.ndarray) -> np.ndarray:
        """Sum `values` (one a relevant item) within each request, float64 [requests]."""
        return np.bincount(self.request, weights=values, minlength=len(self))


@dataclass(kw_only=True, eq=False)
class Metric(Algorithm, ABC):
    """Base of the metrics of a ranking."""

    family: ClassVar[Family] = METRICS
    higher_is_better: ClassVar[bool] = True

    def per_request(self, ranked: Ranked) -> np.ndarray | None:
        """Return the metric of each request, float64 [requests], NaN where undefined; None where there is none."""
        return None

    @abstractmethod
    def measure(self, ranked: Ranked) -> float:
        """Return the metric over all requests."""

    def check_fitted(self) -> None:
        """A metric needs no fit."""


@dataclass(kw_only=True, eq=False)
class RequestMetric(Metric):
    """Base of the metrics that are a mean over requests."""

    k: int = 10
    """Length of the list that is judged."""

    @abstractmethod
    def per_request(self, ranked: Ranked) -> np.ndarray:
        """Return the metric of each request, float64 [requests], NaN where undefined."""

    def measure(self, ranked: Ranked) -> float:
        """Return the mean over the requests where the metric is defined; NaN where it is nowhere."""
        values = self.per_request(ranked)
        defined = values[~np.isnan(values)]
        return float(defined.mean()) if len(defined) else float("nan")
