"""Metrics: what a ranking, or a synthetic shop, is worth."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from wareloom.core.asked import Kind, of_class
from wareloom.core.family import METRICS, Algorithm, Family
from wareloom.core.settings import Size
from wareloom.errors import InputError


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
        placed: np.ndarray = (self.rank <= np.minimum(k, self.candidates)[self.request]) & (
            self.grade > 0
        )
        return placed

    def hits(self, k: int) -> np.ndarray:
        """Number of relevant items in the first k places of each request, float64 [requests]."""
        return self.per_request(self.hit(k))


@dataclass(kw_only=True, eq=False)
class Metric(Algorithm, ABC):
    """Base of the metrics of a ranking. A metric implements `measure`; those that are means derive from others below.

        @dataclass(kw_only=True, eq=False)
        class FirstIsRight(RequestMetric):
            '''Share of requests whose first item is relevant.'''

            def per_request(self, ranked: Ranked) -> np.ndarray:
                return share(ranked.hits(1), ranked.relevant > 0)

    It then judges rankings; the bases of what judges clicks, users and queries say so in `judges`.
    """

    family: ClassVar[Family] = METRICS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "measure": {
            "ranked": of_class("a Ranked: wl.evaluate makes one of a model's lists", Ranked)
        }
    }
    judges: ClassVar[str] = "rankings"
    """What it judges: "rankings", "clicks", "classes", "slots", or "users", "queries", "pictures" and "dialogues",
    synthetic beside real"""
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """What its mean cannot be below, or above; intervals end there"""

    def per_request(self, ranked: Ranked) -> np.ndarray | None:
        """Return the metric of each request, float64 [requests], NaN where undefined; None where there is none."""
        return None

    @abstractmethod
    def measure(self, ranked: Ranked) -> float:
        """Return the metric over all requests."""

    def check_fitted(self) -> None:
        """A metric needs no fit."""


@dataclass(kw_only=True, eq=False)
class ListMetric(Metric, ABC):
    """Base of the metrics of all lists together."""

    k: Size = 10
    """Length of the list that is judged."""


@dataclass(kw_only=True, eq=False)
class RequestMetric(Metric, ABC):
    """Base of the metrics that are a mean over requests."""

    k: Size = 10
    """Length of the list that is judged."""

    @abstractmethod
    def per_request(self, ranked: Ranked) -> np.ndarray:
        """Return the metric of each request, float64 [requests], NaN where undefined."""

    def measure(self, ranked: Ranked) -> float:
        """Return the mean over the requests where the metric is defined; NaN where it is nowhere."""
        return mean(self.per_request(ranked))


@dataclass(frozen=True)
class Predicted:
    """Predictions beside what happened: of clicks as probabilities, or of ratings as numbers."""

    label: np.ndarray
    """float64 [rows], 1 for a click and 0 for none; or the rating"""
    value: np.ndarray
    """float64 [rows], the probability, or the rating, that was predicted"""
    weight: np.ndarray
    """float64 [rows], how often each row counts"""

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def of(
        cls, label: np.ndarray, value: np.ndarray, weight: np.ndarray | None = None
    ) -> Predicted:
        """Take arrays of one length, checked; `weight`: 1 each where None. Raises `InputError`."""
        weight = np.ones(len(label)) if weight is None else weight
        arrays = [np.asarray(a, dtype=np.float64) for a in (label, value, weight)]
        if len({a.shape for a in arrays}) > 1 or arrays[0].ndim != 1:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise InputError(
                f"Labels, predictions and weights must be columns of one length; they are {shapes}."
            )
        for name, array in zip(("label", "prediction", "weight"), arrays, strict=True):
            if len(wrong := np.flatnonzero(~np.isfinite(array))):
                raise InputError(
                    f"The {name} of row {wrong[0]} is {array[wrong[0]]}; give finite numbers."
                )
        if (arrays[2] < 0).any():
            raise InputError(
                f"The weight of row {int(np.argmin(arrays[2]))} is {arrays[2].min():g}; none may be below 0."
            )
        return cls(*arrays)

    def clicks(self) -> Predicted:
        """Return this, where labels are 0 or 1 and predictions lie in [0, 1]; else raises `InputError`."""
        if len(wrong := np.flatnonzero((self.label != 0) & (self.label != 1))):
            raise InputError(
                f"The label of row {wrong[0]} is {self.label[wrong[0]]:g}; a click is 1, none is 0."
            )
        if len(wrong := np.flatnonzero((self.value < 0) | (self.value > 1))):
            raise InputError(
                f"The prediction of row {wrong[0]} is {self.value[wrong[0]]:g}; a probability is in [0, 1]."
            )
        return self


@dataclass(kw_only=True, eq=False)
class ClickMetric(Algorithm, ABC):
    """Base of the metrics of predictions, one an impression or rating."""

    family: ClassVar[Family] = METRICS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "measure": {"predicted": of_class("Predicted.of(labels, predictions)", Predicted)}
    }
    judges: ClassVar[str] = "clicks"
    higher_is_better: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """What its mean cannot be below, or above; intervals end there"""

    def per_row(self, predicted: Predicted) -> np.ndarray | None:
        """Return the values, float64 [rows], of which the metric is the weighted mean; None where it is no mean."""
        return None

    @abstractmethod
    def measure(self, predicted: Predicted) -> float:
        """Return the metric over all rows; NaN where it is not defined."""

    def check_fitted(self) -> None:
        """A metric needs no fit."""


@dataclass(frozen=True)
class Classified:
    """What was said of photos beside what they show."""

    truth: np.ndarray
    """int64 [photos], the class that each shows, from 0"""
    chance: np.ndarray
    """float32 [photos, classes], how likely each class was said to be; NaN for a photo that could not be read"""

    @cached_property
    def said(self) -> np.ndarray:
        """int64 [photos], the likeliest class, the first of equals; -1 where nothing was said."""
        nothing = np.isnan(self.chance).any(axis=1)
        return np.where(nothing, -1, np.nan_to_num(self.chance).argmax(axis=1))

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.chance.shape[1]


@dataclass(kw_only=True, eq=False)
class ClassMetric(Algorithm, ABC):
    """Base of the metrics of classes that are said of photos. A metric implements `per_photo`."""

    family: ClassVar[Family] = METRICS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "measure": {"classified": of_class("Classified(truth, chance)", Classified)}
    }
    judges: ClassVar[str] = "classes"
    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """What its mean cannot be below, or above; intervals end there"""

    @abstractmethod
    def per_photo(self, classified: Classified) -> dict[str, np.ndarray]:
        """Return values by slice, "all" and places of classes as text: float64 [photos], NaN where not defined.

        Their mean is the metric, and their spread that of the metric, so that a bootstrap over photos may draw them.
        """

    def measure(self, classified: Classified) -> float:
        """Return the metric over all photos; NaN where there are none."""
        return mean(self.per_photo(classified)["all"])

    def check_fitted(self) -> None:
        """A metric needs no fit."""


def metrics_of(what: str) -> list[str]:
    """Names of the metrics that judge `what`, see `Metric.judges`, sorted."""
    return [name for name in METRICS.names() if METRICS.load(name).judges == what]


def weighted_mean(values: np.ndarray, weight: np.ndarray) -> float:
    """Mean of `values` by `weight`; NaN where nothing weighs anything."""
    total = weight.sum()
    return float(values @ weight / total) if total > 0 else float("nan")


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
