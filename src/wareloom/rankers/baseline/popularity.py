"""Popularity: the same list for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class Popularity(Ranker):
    """Order items by the weight of their events, recent ones more where asked.

    The score is the sum of the event weights, each halved for every `half_life` before the latest event.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "weighted users",
            "weighted events",
        }
    )
    random: ClassVar[bool] = False

    half_life: Positive | None = None
    """Days after which an event counts half; None counts all alike, as does a log without times."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log, self.half_life)

    def _score(self, requests: Requests) -> np.ndarray:
        return np.tile(self.popularity_.astype(np.float32), (len(requests), 1))
