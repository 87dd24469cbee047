"""How many get from one stage of the shop to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, fixed
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.shop.schema import EVENTS


@dataclass(kw_only=True, eq=False)
class Funnel(Counted):
    """Difference between rates from each kind of event to the next one down the funnel, by numbers of events.

    The kinds are those of the real users. Where a sample has none of the kind above, its rate is the number of the kind
    below.
    """

    unit: ClassVar[str] = "events an event"
    bounded: ClassVar[bool] = False

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        there = np.flatnonzero(samples[0].kinds.sum(axis=0) * samples[1].kinds.sum(axis=0))
        if len(there) < 2:
            return (
                f"REAL has one kind of event, {EVENTS[int(there[0])]}"
                if len(there)
                else "REAL has no kind in all"
            )
        cells, groups = zip(*(_entries(sample) for sample in samples), strict=True)
        counts = fixed(cells, groups, samples[0].groups, len(EVENTS))
        return {f"{EVENTS[above]}>{EVENTS[below]}": counts for above, below in pairwise(there)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return abs(_rate(figure, a) - _rate(figure, b))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return _rate(figure, a)


def _entries(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Kind and group of each event, in the order of groups."""
    number = sample.kinds.ravel()
    kind = np.repeat(np.tile(np.arange(len(EVENTS)), len(sample)), number)
    return kind, np.repeat(np.repeat(sample.user_group, len(EVENTS)), number)


def _rate(figure: str, counts: np.ndarray) -> float:
    above, below = (counts[EVENTS.index(kind)] for kind in figure.split(">"))
    return float(below / max(above, 1.0))
