"""Newcomers: items that nobody has had, in random order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, tail
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class Newcomers(Ranker):
    """Put the items without an event first, in one random order for everybody, then the popular ones.

    Where a log was filtered to items with some events over all time, an item without an event yet is a sure bestseller:
    what this reaches on cold answers is known without knowing anything of items or users.
    """

    keeps: ClassVar[Keeps] = "counts"

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        counts = popularity(log)
        first = np.flatnonzero(counts == 0)
        self.scores_ = tail(counts)
        order = run.rng("newcomers").permutation(len(first))
        self.scores_[first] = 1.0 + order.astype(np.float32) / max(1, len(first))

    def _score(self, requests: Requests) -> np.ndarray:
        return np.tile(self.scores_, (len(requests), 1))
