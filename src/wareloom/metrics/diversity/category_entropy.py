"""How widely users range over categories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, counted
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import cumulative, shares, wasserstein

STEP = 1e-4
"""Bits to which entropies are rounded."""


@dataclass(kw_only=True, eq=False)
class CategoryEntropy(Counted):
    """Wasserstein distance between entropies, in bits, of the categories of a user; users of two events or more."""

    needs: ClassVar[tuple[str, ...]] = ("categories",)
    unit: ClassVar[str] = "bits"
    bounded: ClassVar[bool] = False

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        assert trio.category is not None
        keys, groups = [], []
        for sample in samples:
            long = sample.log.lengths() >= 2
            bits = entropies(sample, trio.category)[long]
            keys.append(np.round(bits / STEP).astype(np.int64))
            groups.append(sample.user_group[long])
        return {"": counted(keys, groups, samples[0].groups, STEP)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return wasserstein(a, b, counts.support)

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return float(shares(a) @ counts.support)

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        return cumulative(a, b, counts.support, "linear", "bits of a user's categories")


def entropies(sample: Sample, category: np.ndarray) -> np.ndarray:
    """Entropy in bits of the categories of each user's events: float64 [users]; unknown is a category of its own."""
    number = int(category.max(initial=0)) + 2
    key, times = np.unique(
        sample.user.astype(np.int64) * number + category[sample.log.item] + 1, return_counts=True
    )
    user, size = key // number, sample.log.lengths()
    share = times / size[user]
    return np.abs(np.bincount(user, weights=-share * np.log2(share), minlength=len(size)))
