"""Intra-list diversity@k."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Ranked, RequestMetric, share


@dataclass(kw_only=True, eq=False)
class IntraListDiversity(RequestMetric):
    """Share of the pairs of a list whose items are of different categories.

    Items without a category (-1) stay out. Undefined for a list with fewer than two such items, and everywhere where
    the shop has no categories. Ziegler et al. (2005), with distance 0 or 1.
    """

    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def per_request(self, ranked: Ranked) -> np.ndarray:
        if ranked.groups is None or len(ranked.groups) == 0:
            return np.full(len(ranked), np.nan)
        top = ranked.top[:, : self.k]
        group = np.sort(np.where(top >= 0, ranked.groups[np.maximum(top, 0)], -1), axis=1)
        held = (group >= 0).sum(axis=1)
        same = np.zeros(len(ranked))
        for apart in range(1, group.shape[1]):
            same += ((group[:, apart:] == group[:, :-apart]) & (group[:, apart:] >= 0)).sum(axis=1)
        pairs = held * (held - 1) / 2
        return share(pairs - same, pairs)
