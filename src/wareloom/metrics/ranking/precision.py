"""Precision@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class Precision(RequestMetric):
    """Share of the first k places that hold relevant items.

    Empty places count as wrong. Undefined for a request without relevant items.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        return share(ranked.hits(self.k), np.where(ranked.relevant > 0, self.k, 0))
