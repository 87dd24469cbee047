"""Do synthetic queries use the words that people use?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.measure import Counts
from wareloom.metrics.likeness.queries._words import by_word
from wareloom.metrics.likeness.queries.measure import CountedQueries
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio
from wareloom.stats.distances import shares


@dataclass(kw_only=True, eq=False)
class VocabularyOverlap(CountedQueries):
    """Share of the words of synthetic queries that no real one holds (`strange`), and the other way (`missing`).

    Each word counts as often as it stands there, so that what most words do weighs most. What is left to 1 is the
    overlap.
    """

    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        found = by_word(samples)
        return {"strange": found, "missing": found}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        of, among = (b, a) if figure == "strange" else (a, b)
        return float(shares(of)[among <= 0].sum())
