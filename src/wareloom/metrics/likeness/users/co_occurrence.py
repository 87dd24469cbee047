"""Which items come near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.core.settings import Size
from wareloom.metrics.likeness.measure import Counted, Counts, counted
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import total_variation


@dataclass(kw_only=True, eq=False)
class CoOccurrence(Counted):
    """Total variation between pairs of different items near each other in a user's history, whichever came first."""

    window: Size = 3
    """Places that the two may be apart at most."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        keys, groups = zip(*(self._pairs(sample) for sample in samples), strict=True)
        return {"": counted(keys, groups, samples[0].groups)}

    def _pairs(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """Keys of the pairs, and the group of each, in the order of groups."""
        item, number = sample.log.item.astype(np.int64), len(sample.log.items)
        keys, ends = [], []
        for apart in range(1, self.window + 1):
            rows = sample.inner(apart)
            rows = rows[item[rows] != item[rows - apart]]
            low, high = (
                np.minimum(item[rows], item[rows - apart]),
                np.maximum(item[rows], item[rows - apart]),
            )
            keys.append(low * number + high)
            ends.append(sample.group[rows])
        group = np.concatenate(ends)
        order = np.argsort(group, kind="stable")
        return np.concatenate(keys)[order], group[order]

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return total_variation(a, b)
