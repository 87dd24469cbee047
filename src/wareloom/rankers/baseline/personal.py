"""Personal popularity: what the user had most, then what everybody has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency, tail
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class Personal(Ranker):
    """Rank each user's own items by how often and how lately they were had, then the rest by popularity.

    A request's score of j is the sum over its events on j of decay^age × weight. The baseline to beat where purchases
    repeat, as in groceries (Hu et al. 2020; Li et al. 2023); where seen items are masked it is popularity.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing"}
    )
    random: ClassVar[bool] = False

    decay: Factor = 0.999
    """Factor for each step back in the history; 1 counts all events alike."""
    last: Count = 0
    """Events of the history that count, the latest ones; 0 takes all."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        offsets, items, values = recency(requests.histories, self.decay, self.last)
        scores = np.tile(tail(self.popularity_), (len(requests), 1))
        row = np.repeat(np.arange(len(requests)), np.diff(offsets))
        own = np.zeros_like(scores)
        np.add.at(own, (row, items), values)
        return np.where(own > 0, own, scores)
