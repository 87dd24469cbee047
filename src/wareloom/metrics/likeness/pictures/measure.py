"""The base of measures of synthetic pictures beside real ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.asked import Kind, a_run, of_class
from wareloom.core.family import METRICS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.metrics.likeness.measure import LEVEL, Compares, Figure, jackknifed
from wareloom.metrics.likeness.pictures.samples import PictureTrio

GROUPS = 10
"""Groups of pictures that are left out in turn for the interval of a value"""
DEALINGS = 20
"""How often real pictures are dealt into two samples for the floor"""


@dataclass(kw_only=True, eq=False)
class PictureMeasure(Compares, Algorithm, ABC):
    """Base of the measures that compare samples of pictures. Lower is better in all of them.

    Each figure tells, in `about`, "training photos" beside its floor: what the training photos would score if they were
    given for synthetic ones. Who scores better than other real photos do, and near that, copies.
    """

    family: ClassVar[Family] = METRICS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "compare": {
            "trio": of_class(
                "a PictureTrio: wl.compare(real, synthetic) makes one of shops", PictureTrio
            ),
            "run": a_run,
        }
    }
    judges: ClassVar[str] = "pictures"


@dataclass(kw_only=True, eq=False)
class Neighbourly(PictureMeasure, ABC):
    """Base of the measures that ask whether pictures lie within the reach of others: their k-th nearest neighbour.

    One implements `_within`, a share of which more is better; the figure is what is left to 1, at least 0. Intervals
    leave out a tenth of both samples in turn (delete-a-group jackknife); the floor is the mean over dealings of the
    real photos into two samples of that size.
    """

    k: Size = 5
    """Which nearest neighbour says how far a picture reaches."""

    @abstractmethod
    def _within(self, between: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
        """Return the share. `between`: squared distances [real, synthetic]; `real`, `fake`: squared reach of each."""

    def compare(self, trio: PictureTrio, run: Run | None = None) -> list[Figure] | str:
        run = run or Run()
        one, other, made = (trio.places(which) for which in range(3))
        value = self._between(trio.distances, one, made)
        rng = run.rng("compare", self.name)
        group = rng.permutation(trio.size) % GROUPS
        left = [
            self._between(trio.distances, one[group != g], made[group != g]) for g in range(GROUPS)
        ]
        floors = [self._between(trio.distances, one, other)]
        both = np.concatenate([one, other])
        for _ in range(DEALINGS - 1):
            dealt = rng.permutation(both)
            floors.append(self._between(trio.distances, dealt[: trio.size], dealt[trio.size :]))
        copied = self._between(trio.distances, one, one)
        low, high = jackknifed(1 - value, 1 - np.array(left))
        ends = np.quantile(1 - np.array(floors), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return [
            figure(
                self.name,
                (max(0.0, 1 - value), max(0.0, low), max(0.0, min(1.0, high))),
                (
                    max(0.0, 1 - float(np.mean(floors))),
                    max(0.0, float(ends[0])),
                    max(0.0, float(ends[1])),
                ),
                {
                    "synthetic photos": value,
                    "other real photos": float(np.mean(floors)),
                    "training photos": copied,
                    "pictures": trio.size,
                },
            )
        ]

    def _between(self, distances: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
        """The share for some rows of the distances."""
        reach = [reached(distances[np.ix_(rows, rows)], self.k) for rows in (real, fake)]
        return self._within(distances[np.ix_(real, fake)], *reach)


def reached(distances: np.ndarray, k: int) -> np.ndarray:
    """Each one's distance to its k-th nearest other, itself left out: float32 [pictures]."""
    own = distances.copy()
    np.fill_diagonal(own, np.inf)
    k = min(k, len(own) - 1)
    return np.asarray(np.partition(own, k - 1, axis=1)[:, k - 1])


def figure(
    name: str,
    value: tuple[float, float, float],
    floor: tuple[float, float, float],
    about: dict[str, Any],
    unit: str = "share",
) -> Figure:
    """Make a figure of a value and a floor, each with its interval."""
    return Figure(
        name=name,
        value=value[0],
        low=value[1],
        high=value[2],
        floor=floor[0],
        floor_low=floor[1],
        floor_high=floor[2],
        unit=unit,
        bounded=unit == "share",
        about=about,
    )
