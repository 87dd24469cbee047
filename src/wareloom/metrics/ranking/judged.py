"""Judged@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class Judged(RequestMetric):
    """Share of the first k places that hold an item with a grade, be it 0; of all places where a list is shorter.

    It says how far a figure of the whole catalogue rests on what people looked at: what nobody judged counts as wrong
    there. Undefined for a request without candidates.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        places = np.minimum(self.k, ranked.candidates)
        return share(ranked.per_request(ranked.rank <= places[ranked.request]), places)
