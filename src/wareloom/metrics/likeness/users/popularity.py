"""How often each item is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.metrics.likeness.measure import Counted, Counts, by_item
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.stats.distances import POINTS, drawn, shares, total_variation


@dataclass(kw_only=True, eq=False)
class Popularity(Counted):
    """Total variation between shares of events on each item (`items`), and on each popularity rank (`curve`)."""

    def count(self, samples: Sequence[Sample], trio: Trio) -> dict[str, Counts] | str:
        counts = by_item(samples)
        return {"items": counts, "curve": counts}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return (
            total_variation(a, b) if figure == "items" else total_variation(np.sort(a), np.sort(b))
        )

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        if figure == "items":
            return None
        places = np.unique(np.geomspace(1, len(a), POINTS).astype(int)) - 1
        real, fake = (np.sort(shares(side))[::-1][places] for side in (a, b))
        return drawn(
            places + 1, real, fake, "loglog", "item, by popularity rank", "share of events"
        )
