"""nDCG@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class NDCG(RequestMetric):
    """Discounted cumulative gain of the first k, divided by that of the best order.

    DCG = Σ gain / log₂(rank + 1). The best order is cut at k too. Undefined for a request without a grade above 0.
    Järvelin and Kekäläinen (2002); exponential gain: Burges et al. (2005).
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    exponential: bool = False
    """Gain 2^grade - 1 instead of the grade itself."""

    def per_request(self, ranked: Ranked) -> np.ndarray:
        gain = np.exp2(ranked.grade) - 1.0 if self.exponential else ranked.grade
        reached = ranked.per_request(
            np.where(ranked.hit(self.k), gain / np.log2(ranked.rank + 1.0), 0.0)
        )
        order = np.lexsort((-gain, ranked.request))
        place = np.arange(len(gain)) - ranked.offsets[ranked.request] + 1
        best = np.where(place <= self.k, gain[order] / np.log2(place + 1.0), 0.0)
        return share(reached, ranked.per_request(best))
