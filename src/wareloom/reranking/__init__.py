"""Rerankers: put the best candidates of each list into another order, for what scores alone do not see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.asked import Kind, a_count, of_class
from wareloom.core.family import RERANKERS, Algorithm, Family
from wareloom.errors import InputError
from wareloom.rankers.history import into
from wareloom.reranking.catalogue import Catalogue, Similarity, parse_likeness
from wareloom.shop import Log, Requests
from wareloom.shop.requests import requests_asked

__all__ = ["Catalogue", "Lists", "Reranker", "Similarity", "greedy", "parse_likeness"]

BLOCK = 1024
"""Lists that are put in order at a time."""


@dataclass(frozen=True)
class Lists:
    """The candidates of many requests, best first."""

    item: np.ndarray
    """int32 [requests, candidates], codes of the catalogue; -1 where a list is shorter"""
    score: np.ndarray
    """float64 [requests, candidates], -inf where a list is shorter"""
    histories: Log | None = None
    """What each request's user did before, in codes of the catalogue, one log "user" a request"""

    def __post_init__(self) -> None:
        if self.item.shape != self.score.shape or self.item.ndim != 2:
            raise InputError(
                f"Lists: items {self.item.shape} and scores {self.score.shape} must be two like tables."
            )
        here = self.item >= 0
        if not np.isfinite(self.score[here]).all():
            row = int(np.flatnonzero((here & ~np.isfinite(self.score)).any(axis=1))[0])
            raise InputError(
                f"Lists: request {row} has a candidate whose score is no finite number."
            )
        value = np.where(here, self.score, -np.inf)
        if (value[:, 1:] > value[:, :-1]).any():
            row = int(np.flatnonzero((value[:, 1:] > value[:, :-1]).any(axis=1))[0])
            raise InputError(
                f"Lists: the candidates of request {row} are not in the order of their scores, best first."
            )
        if self.histories is not None and len(self.histories.users) != len(self.item):
            raise InputError(
                f"Lists: {len(self.histories.users)} histories for {len(self.item)} requests."
            )

    def __len__(self) -> int:
        return len(self.item)

    def part(self, start: int, stop: int) -> Lists:
        """Return the requests start:stop."""
        rows = np.arange(start, min(stop, len(self)))
        histories = None if self.histories is None else self.histories.select(rows)
        return Lists(self.item[rows], self.score[rows], histories)

    def relevance(self) -> np.ndarray:
        """Scores brought to [0, 1] within each list, 1 where all are equal: float64 [requests, candidates]."""
        here = self.item >= 0
        score = np.where(here, self.score, np.nan)
        low = np.where(here, self.score, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        high = np.where(here, self.score, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
        span = np.where(high > low, high - low, 1.0)
        return np.where(here, np.where(high > low, (score - low) / span, 1.0), 0.0)

    @classmethod
    def of(
        cls, ranking: pl.DataFrame, catalogue: Catalogue, requests: Requests | None = None
    ) -> Lists:
        """Take what `Ranker.rank` returned, and the requests that it answered where histories matter.

        Raises `InputError` for an item that the catalogue does not know.
        """
        item = catalogue.items.encode(ranking["item_id"])
        if (item < 0).any():
            name = ranking["item_id"][int(np.flatnonzero(item < 0)[0])]
            raise InputError(
                f"The ranking names the item {name!r}, which the shop does not have: give the shop's own."
            )
        request, rank = ranking["request"].to_numpy(), ranking["rank"].to_numpy() - 1
        rows = len(requests) if requests is not None else int(request.max(initial=-1)) + 1
        width = int(rank.max(initial=-1)) + 1
        items, scores = np.full((rows, width), -1, dtype=np.int32), np.full((rows, width), -np.inf)
        items[request, rank], scores[request, rank] = item, ranking["score"].to_numpy()
        histories = None if requests is None or requests.histories is None else requests.histories
        return cls(items, scores, None if histories is None else into(histories, catalogue.items))


@dataclass(kw_only=True, eq=False)
class Reranker(Algorithm, ABC):
    """Base of all rerankers. One implements `_rerank`; checks and blocks are here.

        @dataclass(kw_only=True, eq=False)
        class CheapFirst(Reranker):
            '''Take next the item with the highest score less `weight` × its price.'''

            faithful: ClassVar[Mapping[str, Any]] = {"weight": 0.0}

            weight: NonNegative = 0.01
            '''What a unit of money costs of the scores, which lie in [0, 1].'''

            def _rerank(self, lists: Lists, catalogue: Catalogue, k: int) -> np.ndarray:
                price = np.nan_to_num(catalogue.number("price"))[np.maximum(lists.item, 0)]
                worth = lists.relevance() - self.weight * price
                return greedy(lists, k, lambda place: worth, lambda place, chosen: None)

    Candidates are codes of the `Catalogue`, which knows their categories, brands, prices, texts and numbers.
    """

    family: ClassVar[Family] = RERANKERS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "rerank": {
            "lists": of_class("Lists, such as Lists.of(ranking, catalogue)", Lists),
            "catalogue": of_class("a Catalogue, such as Catalogue(shop)", Catalogue),
            "k": a_count,
        },
        "apply": {
            "ranking": of_class("the frame that Ranker.rank returned", pl.DataFrame),
            "catalogue": of_class("a Catalogue, such as Catalogue(shop)", Catalogue),
            "k": a_count,
            "requests": requests_asked,
        },
    }
    faithful: ClassVar[Mapping[str, Any]] = {}
    """Settings under which scores alone count, so that the order stays"""
    moving: ClassVar[Mapping[str, Any]] = {}
    """Settings under which the lists of the contract kit are put into another order"""
    whole: ClassVar[bool] = False
    """Whether it looks at all lists together."""

    def rerank(self, lists: Lists, catalogue: Catalogue, k: int = 10) -> np.ndarray:
        """Return the places, in each list, of the k items that come first: int64 [requests, k], -1 past the end.

        The same for the same lists; of equal items the one that the list had first comes first.
        """
        if k < 1:
            raise InputError(f"k is {k}; ask for at least 1 item.")
        if lists.item.size and lists.item.max() >= len(catalogue.items):
            raise InputError(
                f"The lists name item {lists.item.max()}, but the catalogue has {len(catalogue.items)} items: "
                "the codes must be the catalogue's."
            )
        k = min(k, lists.item.shape[1])
        if k == 0 or len(lists) == 0:
            return np.full((len(lists), k), -1, dtype=np.int64)
        step = len(lists) if self.whole else BLOCK
        parts = [
            self._rerank(lists.part(i, i + step), catalogue, k) for i in range(0, len(lists), step)
        ]
        return np.concatenate(parts)

    def apply(
        self,
        ranking: pl.DataFrame,
        catalogue: Catalogue,
        k: int = 10,
        requests: Requests | None = None,
    ) -> pl.DataFrame:
        """Rerank what `Ranker.rank` returned to the k best; the same columns, with the scores they had."""
        lists = Lists.of(ranking, catalogue, requests)
        order = self.rerank(lists, catalogue, k)
        request, place = np.nonzero(order >= 0)
        moved = pl.DataFrame(
            {"request": request, "old": order[request, place] + 1, "new": place + 1},
            schema_overrides={"request": pl.Int64, "old": pl.Int64, "new": pl.Int64},
        )
        found = moved.join(
            ranking,
            left_on=["request", "old"],
            right_on=["request", "rank"],
            how="left",
            maintain_order="left",
        )
        return found.rename({"new": "rank"}).select(ranking.columns)

    def check_fitted(self) -> None:
        """A reranker needs no fit."""

    @abstractmethod
    def _rerank(self, lists: Lists, catalogue: Catalogue, k: int) -> np.ndarray:
        """Return the places int64 [requests, k]; k is at least 1, at most the width of the lists."""


def greedy(
    lists: Lists, k: int, gain: Callable[[int], np.ndarray], take: Callable[[int, np.ndarray], None]
) -> np.ndarray:
    """Fill place after place with the candidate of the highest gain: int64 [requests, k], -1 past the end.

    `gain(place)` returns float64 [requests, candidates]; `take(place, chosen)` is told which, int64 [requests], place 0
    for a list that is at its end.
    """
    open_, rows = lists.item >= 0, np.arange(len(lists))
    order = np.full((len(lists), k), -1, dtype=np.int64)
    for place in range(k):
        chosen = np.where(open_, gain(place), -np.inf).argmax(axis=1)
        order[:, place] = np.where(open_[rows, chosen], chosen, -1)
        open_[rows, chosen] = False
        take(place, chosen)
    return order
