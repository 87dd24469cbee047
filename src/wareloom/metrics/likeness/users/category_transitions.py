"""Which category follows which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics.likeness._steps import orders
from wareloom.metrics.likeness.measure import Counted, Counts
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import total_variation


@dataclass(kw_only=True, eq=False)
class CategoryTransitions(Counted):
    """Total variation between pairs (`order_1`) and threes (`order_2`) of categories in a row."""

    needs: ClassVar[tuple[str, ...]] = ("categories",)

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        assert trio.category is not None
        codes = [trio.category[sample.log.item].astype(np.int64) + 1 for sample in samples]
        return orders(samples, codes, int(trio.category.max()) + 2)

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return total_variation(a, b)
