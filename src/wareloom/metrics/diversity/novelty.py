"""Novelty@k."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class Novelty(RequestMetric):
    """Mean self-information of the items in a list, in bits: -log₂ of an item's share of the training events.

    An item without events counts as one event. Undefined for an empty list. Zhou et al. (2010).
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        popularity = np.maximum(ranked.popularity, 1.0)
        bits = -np.log2(popularity / popularity.sum())
        top = ranked.top[:, : self.k]
        held = top >= 0
        return share(np.where(held, bits[np.maximum(top, 0)], 0.0).sum(axis=1), held.sum(axis=1))
