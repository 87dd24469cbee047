"""How long queries are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.metrics.likeness.measure import Counts, counted
from wareloom.metrics.likeness.queries.measure import CountedQueries
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio
from wareloom.stats.distances import cumulative, kolmogorov_smirnov


@dataclass(kw_only=True, eq=False)
class QueryLength(CountedQueries):
    """Kolmogorov-Smirnov distance between the lengths of queries, in words and in characters; and both means."""

    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        groups, number = [sample.group for sample in samples], samples[0].groups
        signs = [
            np.array([len(text) for text in sample.text], dtype=np.int64) for sample in samples
        ]
        return {
            "words": counted([sample.lengths for sample in samples], groups, number),
            "characters": counted(signs, groups, number),
        }

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return kolmogorov_smirnov(a, b)

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return float(a @ counts.support / a.sum())

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        return cumulative(a, b, counts.support, "linear", f"{figure} of a query")
