"""Hit rate@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class HitRate(RequestMetric):
    """Share of requests with at least one relevant item in the first k.

    Undefined for a request without relevant items.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        return share(ranked.hits(self.k) > 0, ranked.relevant > 0)
