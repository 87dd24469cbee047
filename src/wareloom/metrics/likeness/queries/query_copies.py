"""Are synthetic queries copies of real ones that the synthesizer may have seen?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.metrics.likeness.measure import Figure
from wareloom.metrics.likeness.queries.measure import QueryMeasure, share_figure
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio


@dataclass(kw_only=True, eq=False)
class QueryCopies(QueryMeasure):
    """Share of queries that are a query of REAL but for order, number and one letter; floor: that of other real ones.

    Words are stemmed and sorted; two queries are one but for a letter where they agree when a letter is left out of
    one or of both (Mor and Fraenkel 1982). A real query that is of REAL itself is held beside all others. Intervals are
    Wilson's.
    """

    shortest: Size = 3
    """Words below which a query is too common to be called a copy."""
    letters: Annotated[int, Ge(2)] = 8
    """Characters below which not even a letter may differ."""

    def compare(self, trio: QueryTrio, run: Run | None = None) -> list[Figure] | str:
        if trio.training is None:
            return "REAL has no queries that could have been copied"
        judged = [sample.lengths >= self.shortest for sample in (trio.real, trio.synthetic)]
        for side, there in zip(("REAL", "SYNTH"), judged, strict=True):
            if not there.any():
                return f"no query of {side} has {self.shortest} words"
        known = Counter(form for bag in trio.training.bags for form in self._forms(bag))
        floor = self._copied(trio.real, known, 0 if trio.own is None else 1)[judged[0]]
        return [share_figure(self.name, self._copied(trio.synthetic, known, 0)[judged[1]], floor)]

    def _copied(self, sample: QuerySample, known: Counter[str], own: int) -> np.ndarray:
        """Whether each query shares a form with more than `own` queries: bool [queries]."""
        return np.array(
            [any(known[form] > own for form in self._forms(bag)) for bag in sample.bags]
        )

    def _forms(self, bag: str) -> Iterable[str]:
        """The query, and all that is left of it without one letter, each once."""
        if len(bag) < self.letters:
            return (bag,)
        return {bag, *(bag[:i] + bag[i + 1 :] for i in range(len(bag)))}
