"""Metrics: what a ranking, or a synthetic shop, is worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.errors import SettingError
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
        """Number of relevant items (of a grade above 0) of each request, int64 [requests]."""
        return np.bincount(self.request[self.grade > 0], minlength=len(self))

    def per_request(self, values: np.ndarray) -> np.ndarray:
        """Sum `values` (one a relevant item) within each request, float64 [requests]."""
        return np.bincount(self.request, weights=values, minlength=len(self)).astype(np.float64)

    @property
    def place(self) -> np.ndarray:
        """Number of relevant items (grade above 0) up to and with each one in its request, int64 [relevant]."""
        counted = np.concatenate([[0], np.cumsum(self.grade > 0)])
        place: np.ndarray = counted[1:] - counted[self.offsets[self.request]]
        return place

    def hit(self, k: int) -> np.ndarray:
        """Whether each relevant item (of a grade above 0) stands in the first k places, bool [relevant]."""
        placed: np.ndarray = (self.rank <= np.minimum(k, self.candidates)[self.request]) & (self.grade > 0)
        return placed

    def hits(self, k: int) -> np.ndarray:
        """Number of relevant items in the first k places of each request, float64 [requests]."""
        return self.per_request(self.hit(k))


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
class ListMetric(Metric):
    """Base of the metrics of all lists together."""

    k: int = 10
    """Length of the list that is judged."""

    def __post_init__(self) -> None:
        check_length(self.name, self.k)


@dataclass(kw_only=True, eq=False)
class RequestMetric(Metric):
    """Base of the metrics that are a mean over requests."""

    k: int = 10
    """Length of the list that is judged."""

    def __post_init__(self) -> None:
        check_length(self.name, self.k)

    @abstractmethod
    def per_request(self, ranked: Ranked) -> np.ndarray:
        """Return the metric of each request, float64 [requests], NaN where undefined."""

    def measure(self, ranked: Ranked) -> float:
        """Return the mean over the requests where the metric is defined; NaN where it is nowhere."""
        return mean(self.per_request(ranked))


def check_length(name: str, k: int) -> None:
    """Raise `SettingError` for a list of no length."""
    if k < 1:
        raise SettingError(f"{name}: k is {k}; give the length of the list, 1 or more.")


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, NaN where `whole` is 0: float64."""
    whole = np.asarray(whole, dtype=np.float64)
    result = np.full(len(whole), np.nan)
    np.divide(part, whole, out=result, where=whole != 0)
    return result


def mean(values: np.ndarray) -> float:
    """Mean of what is not NaN; NaN where nothing is left."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def exposure(ranked: Ranked, k: int) -> np.ndarray:
    """How often each item of the catalogue stands in the first k places of a list, int64 [items]."""
    top = ranked.top[:, :k]
    return np.bincount(top[top >= 0], minlength=len(ranked.popularity))
