"""Which words queries hold, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.measure import Counts
from wareloom.metrics.likeness.queries._words import by_word
from wareloom.metrics.likeness.queries.measure import CountedQueries
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio
from wareloom.stats.distances import total_variation


@dataclass(kw_only=True, eq=False)
class WordFrequency(CountedQueries):
    """Total variation between the shares that words have of all words of the queries."""

    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        return {"": by_word(samples)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return total_variation(a, b)
