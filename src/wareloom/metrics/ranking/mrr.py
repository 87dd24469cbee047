"""Mean reciprocal rank@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class MRR(RequestMetric):
    """One over the rank of the first relevant item, 0 beyond k.

    Undefined for a request without relevant items.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        first = np.full(len(ranked), np.inf)
        np.minimum.at(first, ranked.request, np.where(ranked.hit(self.k), ranked.rank, np.inf))
        return share(1.0 / first, ranked.relevant > 0)
