"""Which item follows which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness._steps import orders
from wareloom.metrics.likeness.measure import Counted, Counts
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import total_variation


@dataclass(kw_only=True, eq=False)
class ItemTransitions(Counted):
    """Total variation between pairs (`order_1`) and threes (`order_2`) of items in a row."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        codes = [sample.log.item.astype(np.int64) for sample in samples]
        return orders(samples, codes, len(samples[0].log.items))

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return total_variation(a, b)
