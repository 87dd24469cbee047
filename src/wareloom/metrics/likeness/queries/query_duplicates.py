"""Do queries repeat each other?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.metrics.likeness.measure import Figure
from wareloom.metrics.likeness.queries.measure import QueryMeasure, share_figure
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio


@dataclass(kw_only=True, eq=False)
class QueryDuplicates(QueryMeasure):
    """Share of the queries that have the words of an earlier one, in whatever order and number; floor: real ones.

    Intervals are Wilson's. Where a side has judgments and no log of searches, queries of the very same text count once
    before, on both sides.
    """

    def compare(self, trio: QueryTrio, run: Run | None = None) -> list[Figure] | str:
        return [share_figure(self.name, _repeated(trio.synthetic), _repeated(trio.real))]


def _repeated(sample: QuerySample) -> np.ndarray:
    """Whether each query was there before: bool [queries]."""
    seen, found = Counter[str](), np.zeros(len(sample), dtype=bool)
    for place, (bag, text) in enumerate(zip(sample.bags, sample.text, strict=True)):
        key = bag or text
        found[place] = seen[key] > 0
        seen[key] += 1
    return found
