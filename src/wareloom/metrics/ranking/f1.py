"""F1@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class F1(RequestMetric):
    """Harmonic mean of precision@k and recall@k: 2 × hits / (k + relevant).

    Undefined for a request without relevant items.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        return share(
            2.0 * ranked.hits(self.k), np.where(ranked.relevant > 0, self.k + ranked.relevant, 0)
        )
