"""The base of rankers by which items are alike for what they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
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
from wareloom.rankers.neighbourhood import Neighbourhood, sum_neighbours
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class ContentKNN(Ranker, ABC):
    """Base of rankers that add up the neighbours of the history's items by a table of likeness, else by popularity.

    @dataclass(kw_only=True, eq=False)
    class SameBrand(ContentKNN):
        '''Items of one brand are alike.'''

        needs: ClassVar[str] = "learns from brands: fit it on a shop whose items have one."

        def _alike(self, shop, log, run):
            brand = shop.table("items")["brand"].rank("dense").fill_null(0).to_numpy()
            alike = (brand[:, None] == brand) & (brand > 0)[:, None]
            np.fill_diagonal(alike, False)
            return sparse.csr_matrix(alike.astype(np.float32))
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )
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
        # Nobody knows whose events these are.
        made._fitted_on(None)
        made.popularity_ = popularity(log)
        return made

    def neighbourhood(self) -> Neighbourhood:
        """Return the table whose rows it adds up over the history."""
        return Neighbourhood(self.table_, self.decay, self.last)

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        history = recency(requests.histories, self.decay, self.last)
        return sum_neighbours(history, self.table_, tail(self.popularity_))


def of_content(ranker: type) -> bool:
    """Whether a ranker goes by what items are, not by behaviour alone: it is one of this room."""
    return ranker.__module__.startswith(__name__.rpartition(".")[0])
