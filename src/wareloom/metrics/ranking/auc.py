"""AUC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Metric, Ranked, mean, share


@dataclass(kw_only=True, eq=False)
class AUC(Metric):
    """Chance that a relevant item stands before another candidate, from the whole ranking.

    Equal scores count by the order in which they were ranked. A relevant item that is no candidate counts as behind
    all. Undefined for a request without relevant items, or without others. Fawcett (2006).
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        inside = (ranked.rank <= ranked.candidates[ranked.request]) & (ranked.grade > 0)
        others = ranked.candidates - ranked.per_request(inside)
        ahead = ranked.rank - ranked.place
        behind = np.where(inside, others[ranked.request] - ahead, 0.0)
        return share(ranked.per_request(behind), ranked.relevant * others)

    def measure(self, ranked: Ranked) -> float:
        return mean(self.per_request(ranked))
