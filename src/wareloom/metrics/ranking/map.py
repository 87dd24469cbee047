"""Mean average precision@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class MAP(RequestMetric):
    """Mean of the precision at the rank of each relevant item, 0 for those beyond k.

    The sum is divided by the relevant items, at most k, so that a perfect list has 1. Undefined for a request without
    relevant items.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        precision = np.where(ranked.hit(self.k), ranked.place / ranked.rank, 0.0)
        return share(ranked.per_request(precision), np.minimum(ranked.relevant, self.k))
