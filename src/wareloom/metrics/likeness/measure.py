"""The base of measures of a synthetic shop beside a real one, each with its floor and its intervals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy import stats

from wareloom.core.asked import Kind, a_run, of_class
from wareloom.core.family import METRICS, Algorithm, Family
from wareloom.core.run import Run
from wareloom.metrics.likeness.samples import Sample, Trio

DEALINGS = 40
"""How often real users are dealt into two samples for the floor."""
LEVEL = 0.95
WITHIN, CHANCE, BEYOND = "within", "chance", "beyond"
"""At most `Figure.tolerance` times the floor; more, but no further than two real samples may lie; further."""


@dataclass(frozen=True)
class Figure:
    """One figure: how far the synthetic users are from the real ones, beside how far other real users are."""

    name: str
    """The measure's, and where it has several figures which one, such as `item_transitions.order_1`"""
    value: float
    low: float
    high: float
    floor: float
    floor_low: float
    floor_high: float
    unit: str
    bounded: bool = False
    """Whether it is a share of 1, so that what is left to 1 must be near that of the floor, too"""
    real: float | None = None
    """What the figure compares, of the real users, where that is one number"""
    synthetic: float | None = None
    curve: dict[str, Any] | None = None
    """What a page draws: `x`, `real`, `synthetic`, and `kind`, how it is drawn"""
    about: dict[str, Any] = field(default_factory=dict)
    """What else there is to tell"""

    @property
    def ratio(self) -> float | None:
        """Value by floor; None where it is beyond all number: above a floor of 0, or 1 where the floor is not.

        Of a bounded figure above its floor it is the larger of that and of floor by value of what is left to 1: where
        two real samples have little in common, as with transitions of a long tail, what counts is how much less the
        synthetic one has.
        """
        plain = _by(self.value, self.floor)
        if not self.bounded or plain is None or self.value <= self.floor:
            return plain
        left = _by(1 - self.floor, 1 - self.value)
        return None if left is None else max(plain, left)

    def verdict(self, tolerance: float) -> str:
        """Say `WITHIN`, `CHANCE` or `BEYOND`."""
        if self.ratio is not None and self.ratio <= tolerance:
            return WITHIN
        return CHANCE if self.value <= self.floor_high else BEYOND


def _by(above: float, below: float) -> float | None:
    if below > 1e-12:
        return above / below
    return 1.0 if above <= 1e-12 else None


class Compares(ABC):
    """What the bases of measures share that hold samples beside one another: of users, queries, pictures, dialogues."""

    higher_is_better: ClassVar[bool] = False
    unit: ClassVar[str] = "share"
    """What its figures are in"""

    @abstractmethod
    def compare(self, trio: Any, run: Run | None = None) -> list[Figure] | str:
        """Return the figures of three samples, or why there are none."""

    def check_fitted(self) -> None:  # noqa: B027
        """A measure needs no fit."""


@dataclass(kw_only=True, eq=False)
class Measure(Compares, Algorithm, ABC):
    """Base of the measures that compare samples of users. Lower is better in all of them.

    Most are a distance between counts, and derive from `Counted`:

        @dataclass(kw_only=True, eq=False)
        class Kinds(Counted):
            '''Total variation between shares of kinds of event.'''

            def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
                kinds = [sample.log.event for sample in samples]
                return {"": fixed(kinds, [s.group for s in samples], samples[0].groups, len(EVENTS))}

            def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
                return float(abs(a / a.sum() - b / b.sum()).sum() / 2)
    """

    family: ClassVar[Family] = METRICS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "compare": {
            "trio": of_class("a Trio: wl.compare(real, synthetic) makes one of shops", Trio),
            "run": a_run,
        }
    }
    judges: ClassVar[str] = "users"
    needs: ClassVar[tuple[str, ...]] = ()
    """Which of times, sessions and categories it cannot do without"""

    def compare(self, trio: Trio, run: Run | None = None) -> list[Figure] | str:
        """Return the figures, or why there are none."""
        missing = [trio.lacks[need] for need in self.needs if need in trio.lacks]
        return missing[0] if missing else self._compare(trio, run or Run())

    @abstractmethod
    def _compare(self, trio: Trio, run: Run) -> list[Figure] | str: ...


@dataclass(frozen=True)
class Counts:
    """What three samples have in each of some cells, group by group of their users."""

    cells: tuple[np.ndarray, ...]
    """A sample's entries: the cell of each, int64"""
    groups: tuple[np.ndarray, ...]
    """The group of each entry, int8, never falling"""
    size: int
    """Number of cells"""
    support: np.ndarray
    """float64 [cells], the value that each stands for, rising, where they are values"""
    number: int
    """Number of groups"""

    @cached_property
    def _added(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each sample the cells with entries, group after group, their numbers, and where each group begins.

        In rising order of cells within a group, so that sums over groups go through memory in one direction.
        """
        found = []
        for cells, groups in zip(self.cells, self.groups, strict=True):
            key = np.sort(groups.astype(np.int64) * self.size + cells)
            first = np.flatnonzero(np.diff(key, prepend=-1))
            starts = np.searchsorted(key[first], np.arange(self.number + 1) * self.size)
            found.append(
                (key[first] % self.size, np.diff(first, append=len(key)).astype(np.float64), starts)
            )
        return found

    def total(self, sample: int) -> np.ndarray:
        """Entries of each cell, float64 [cells]."""
        return self.dealt(sample, np.ones(self.number, dtype=bool))

    def of(self, sample: int, group: int) -> np.ndarray:
        """Entries of each cell of one group, float64 [cells]."""
        return self.dealt(sample, np.arange(self.number) == group)

    def dealt(self, sample: int, chosen: np.ndarray) -> np.ndarray:
        """Entries of each cell of the groups `chosen`, bool [groups]: float64 [cells]."""
        cells, times, starts = self._added[sample]
        found = np.zeros(self.size)
        for group in np.flatnonzero(chosen):
            part = slice(starts[group], starts[group + 1])
            found[cells[part]] += times[part]
        return found


def counted(
    keys: Sequence[np.ndarray], groups: Sequence[np.ndarray], number: int, step: float = 1.0
) -> Counts:
    """Give the distinct keys (integers) of three samples cells of their own; a key stands for key · `step`."""
    distinct, cell = np.unique(np.concatenate(keys), return_inverse=True)
    cells = tuple(np.split(cell, np.cumsum([len(key) for key in keys])[:-1]))
    return Counts(cells, tuple(groups), len(distinct), distinct * step, number)


def fixed(
    cells: Sequence[np.ndarray], groups: Sequence[np.ndarray], number: int, size: int
) -> Counts:
    """Take cells that are known beforehand: 0 to `size`."""
    support = np.arange(size, dtype=np.float64)
    return Counts(
        tuple(np.asarray(c, dtype=np.int64) for c in cells), tuple(groups), size, support, number
    )


def by_item(samples: Sequence[Sample]) -> Counts:
    """Count the events on each item of the catalogue."""
    logs = [sample.log for sample in samples]
    return fixed(
        [x.item for x in logs], [s.group for s in samples], samples[0].groups, len(logs[0].items)
    )


class Distances(ABC):
    """What measures share that are a distance between counts, of users or of queries.

    The floor is the mean over dealings of the groups of both real samples into two of that size, its interval what 95 %
    of these lie between. The interval of the value is Student's, by the spread of what is left when one group after
    the other is taken out of both sides (delete-a-group jackknife: Shao and Wu 1989): a bootstrap would add noise of
    its own, which a distance takes for distance.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    bounded: ClassVar[bool] = True
    """Whether its figures are shares of 1"""

    @abstractmethod
    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        """Return how far two samples' counts, float64 [cells], are from each other."""

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        """Return the number of one sample that is compared, where it is one number."""
        return None

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        """Return what a page draws of real and synthetic counts, where there is something to see."""
        return None

    def figures(self, found: dict[str, Counts] | str, empty: str, run: Run) -> list[Figure] | str:
        """Return the figures of what was counted; `empty`: what is said where a sample, {side}, has nothing."""
        if isinstance(found, str):
            return found
        for counts in found.values():
            for side, cells in zip(("REAL", "REAL", "SYNTH"), counts.cells, strict=True):
                if not len(cells):
                    return empty.format(side=side)
        return [
            self._figure(name, counts, run) for name, counts in found.items()
        ] or "REAL has nothing of it"

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


@dataclass(kw_only=True, eq=False)
class Counted(Distances, Measure, ABC):
    """Base of the measures that are a distance between counts of users."""

    laws: ClassVar[frozenset[str]] = frozenset({"the floor is of the real users alone"})

    @abstractmethod
    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        """Return what is counted, by figure ("" for the only one), or why nothing is."""

    def _compare(self, trio: Trio, run: Run) -> list[Figure] | str:
        empty = "{side} has nothing of it: no user has events enough"
        return self.figures(self.count(trio.samples, trio), empty, run)


class CountedTexts(Distances):
    """What the bases of measures share that are a distance between counts of queries or of dialogues."""

    empty: ClassVar[str]
    """What is said where a sample, {side}, has nothing of it"""

    @abstractmethod
    def count(self, samples: Any, trio: Any) -> dict[str, Counts] | str:
        """Return what is counted of the samples, by figure ("" for the only one), or why nothing is."""

    def compare(self, trio: Any, run: Run | None = None) -> list[Figure] | str:
        """Return the figures, or why there are none."""
        return self.figures(self.count(trio.samples, trio), self.empty, run or Run())


def beside_floor(
    counts: Counts, distance: Callable[[np.ndarray, np.ndarray], float], run: Run, most: float
) -> dict[str, Any]:
    """Return value and floor of a distance between counts with their intervals, as `Figure` calls them.

    `distance` takes the counts of two samples, float64 [cells]; no interval goes beyond 0 and `most`.
    """
    real, again, fake = (counts.total(sample) for sample in range(3))
    value, number = distance(real, fake), counts.number
    left = [distance(real - counts.of(0, g), fake - counts.of(2, g)) for g in range(number)]
    low, high = jackknifed(value, np.array(left))
    rng, floors = run.rng("compare", "floor"), [distance(real, again)]
    for _ in range(DEALINGS - 1):
        chosen = rng.permutation(2 * number) < number
        one = counts.dealt(0, chosen[:number]) + counts.dealt(1, chosen[number:])
        floors.append(distance(one, real + again - one))
    ends = np.quantile(floors, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {
        "value": value,
        "low": max(0.0, low),
        "high": min(most, high),
        "floor": float(np.mean(floors)),
        "floor_low": float(ends[0]),
        "floor_high": float(ends[1]),
    }


def jackknifed(value: float, left: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of `value` from what is `left` of it without each of the groups, float64 [groups]."""
    number = len(left)
    error = np.sqrt((number - 1) / number * ((left - left.mean()) ** 2).sum())
    half = float(stats.t.ppf((1 + LEVEL) / 2, number - 1) * error)
    return value - half, value + half


def wilson(hits: int, number: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    z = float(stats.norm.ppf((1 + LEVEL) / 2))
    share, extra = hits / number, z * z / number
    middle = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * float(np.sqrt(share * (1 - share) / number + extra / (4 * number)))
    return middle - half if hits > 0 else 0.0, middle + half if hits < number else 1.0
