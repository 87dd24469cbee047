"""How often users come back to an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, fixed
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import shares


@dataclass(kw_only=True, eq=False)
class RepeatRate(Counted):
    """Difference between shares of events on an item that the user had chosen before."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        cells = [repeated(sample) for sample in samples]
        return {"": fixed(cells, [sample.group for sample in samples], samples[0].groups, 2)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return float(abs(shares(a)[1] - shares(b)[1]))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return float(shares(a)[1])


def repeated(sample: Sample) -> np.ndarray:
    """Whether the user of each event had its item before, bool [events]."""
    key = sample.user.astype(np.int64) * len(sample.log.items) + sample.log.item
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(key), dtype=bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    return again
