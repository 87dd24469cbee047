"""The base of rankers by which items are alike for what they are."""

from __future__ import annotations

from abc import abstractmethod
from copy import copy
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor
from wareloom.errors import InputError
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency, tail
from wareloom.rankers.neighbourhood import sum_neighbours
from wareloom.shop import Log, Requests, Shop


@dataclass(kw_only=True, eq=False)
class ContentKNN(Ranker):
    """Base of rankers that add up the neighbours of the history's items by a table of likeness, else by popularity."""

    random: ClassVar[bool] = False
    needs: ClassVar[str]
    """What a shop must have for it, as the error for a log alone says"""

    decay: Factor = 0.6
    """Factor for each step back in the history that is scored; 1 counts all events alike."""
    last: Count = 0
    """Events of the history that count, the latest ones; 0 takes all."""

    @abstractmethod
    def _alike(self, shop: Shop, log: Log, run: Run) -> sparse.csr_matrix:
        """How much each item is like each other: float32 CSR [items, items], itself never."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        if shop is None:
            raise InputError(f"The ranker {self.name!r} {self.needs}")
        self.popularity_ = popularity(log)
        self.table_ = self._alike(shop, log, run)

    def with_events(self, log: Log) -> Self:
        """Return the same with other events: of these only popularity is learned."""
        made = copy(self)
        made.popularity_ = popularity(log)
        return made

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        history = recency(requests.histories, self.decay, self.last)
        return sum_neighbours(history, self.table_, tail(self.popularity_))
