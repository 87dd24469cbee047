"""Rankers: given who asks, after which history, for what, score every item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.asked import Kind, a_count, a_run, texts
from wareloom.core.family import RANKERS, Family
from wareloom.core.run import Run
from wareloom.core.top import top_k
from wareloom.errors import InputError
from wareloom.rankers.held import Held
from wareloom.rankers.history import into
from wareloom.rankers.neighbourhood import Neighbourhood
from wareloom.rankers.space import Places, Space
from wareloom.shop import Log, Requests, Shop, Vocabulary
from wareloom.shop.asked import a_shop, a_shop_or_none
from wareloom.shop.keeping import Keeping
from wareloom.shop.keeps import Keeps
from wareloom.shop.log import a_log, a_shop_or_log
from wareloom.shop.requests import requests_asked

BLOCK_BYTES = 24 << 20
"""Scores are computed in blocks of requests of about this size, so that memory does not grow with their number. A block
is to stay in the processor's cache until its best are found, and to be large enough for products of matrices."""


@dataclass(kw_only=True, eq=False)
class Ranker(Keeping, ABC):
    """Base of all rankers. A ranker implements `_fit` and `_score`; top-k, blocks, masks and checks are here.

        @dataclass(kw_only=True, eq=False)
        class Reach(Ranker):
            '''Order items by how many users had them.'''

            random: ClassVar[bool] = False

            def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
                pairs = np.unique(np.stack([log.user, log.item]), axis=1)
                self.users_ = np.bincount(pairs[1], minlength=len(log.items)).astype(np.float32)

            def _score(self, requests: Requests) -> np.ndarray:
                return np.tile(self.users_, (len(requests), 1))

    Commands and recipes then call it `my_module:Reach`; `wareloom.testing.check(Reach)` holds it to the contract.
    What is made of what was learned, and not saved, stands in attributes that begin with an underscore: a new fit
    drops them.
    """

    family: ClassVar[Family] = RANKERS
    random: ClassVar[bool] = True
    """Whether the seed changes what is learned; false for closed forms and counts."""
    gradient: ClassVar[bool] = False
    """Whether it is taught by gradient updates: then it keeps in `updates_` how many were planned, `Run.updates` sets
    it, and rows may come and go while it is taught (`Log.span`)."""
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "fit": {"shop": a_shop_or_log, "run": a_run, "log": a_log},
        "score": {"requests": requests_asked, "items": texts},
        "blocks": {"requests": requests_asked},
        "rank": {"requests": requests_asked, "k": a_count},
        "predict": {"shop": a_shop, "earlier": a_shop_or_none},
    }
    soft: ClassVar[bool] = False
    """Whether it can be taught soft labels (`Log.label_item`)."""

    def fit(
        self,
        shop: Shop | Log,
        run: Run | None = None,
        *,
        log: Log | None = None,
        held: Held | None = None,
    ) -> Self:
        """Learn from a shop, or from its log alone where only behaviour is needed.

        `log`: events, on the shop's items, that are learned from instead of the shop's own. `held`: answers that are in
        nothing that is learned from, nor in what made it; who stops early, or learns weights, does it by these, and
        takes nothing out of the log. Without it each takes a part of the real rows out, whose copies stay.

        Raises `InputError` where there is not one event on an item.
        """
        run = run or Run()
        other = log is not None or held is not None
        log = shop if isinstance(shop, Log) else log or Log.of(shop)
        if len(log) == 0:
            raise InputError(
                f"The ranker {self.name!r} has nothing to learn from: the shop has no events on known items."
            )
        if log.span is not None and not self.gradient:
            raise InputError(
                f"The ranker {self.name!r} learns from all rows at once, but the shop has rows for parts of a training "
                "only (columns since and until): use a ranker that takes gradient updates, or the mixer ratio."
            )
        if log.label_item is not None and not self.takes_labels():
            raise InputError(
                f"The ranker {self.name!r} cannot be taught soft labels, but the shop has a table soft_labels: use a "
                "sequence network such as sasrec, or another mixer than labels."
            )
        self._fit_within(log, None if isinstance(shop, Log) else shop, run, held)
        self._fitted_on(shop if isinstance(shop, Shop) and not other else None, *self._begun)
        return self

    def _fit_within(self, log: Log, shop: Shop | None, run: Run, held: Held | None) -> None:
        """Forget what was learned before, and learn within the run's threads."""
        self._forget()
        self.items_ = log.items.ids
        self._begun: tuple[Keeps, ...] = ()
        """What the models keep whose weights the training begins with"""
        self._held = None if held is None else held.into(log.items)
        """What is held out of all that is learned from, while it is learned"""
        try:
            with run.limits():
                self._fit(log, shop, run)
        finally:
            del self._held

    def heeds(self) -> frozenset[str]:
        """Names of the context of a request that it looks at, and "time" where it looks at when it is asked."""
        parts = (part for held in self.parts().values() for part in held.values())
        return frozenset[str]().union(*(p.heeds() for p in parts if isinstance(p, Ranker)))

    def takes_labels(self) -> bool:
        """Whether it, or what it is made of, can be taught soft labels under its settings."""
        return self.soft

    @property
    def updates(self) -> int | None:
        """Gradient updates the last fit took; None where it takes none, or was not fitted."""
        found = self.state().get("updates_")
        return None if found is None else int(found)

    @property
    def steps(self) -> int | None:
        """Gradient updates after which the last fit stopped, which may be earlier than planned; None as above."""
        found = self.state().get("steps_")
        return self.updates if found is None else int(found)

    def _forget(self) -> None:
        """Drop what was made of an earlier fit and is not saved: attributes that begin with an underscore."""
        for name in [name for name in vars(self) if name.startswith("_")]:
            delattr(self, name)

    def with_events(self, log: Log) -> Self | None:
        """Return this fitted ranker with other events of the same shop, where all else it learned is of the items.

        None where it has to be fitted anew.
        """
        return None

    def score(self, requests: Requests, items: list[str] | None = None) -> np.ndarray:
        """Score items for each request, the higher the better: float32 [requests, items].

        `items`: ids of the candidates, all fitted items where None. An unknown item scores -inf. All requests are
        scored at once; `blocks` is for many.
        """
        self.check_fitted()
        scores = self._score(self._ready(requests))
        if items is None:
            return scores
        codes = Vocabulary(self.items_).encode(items)
        return np.where(codes >= 0, scores[:, codes], np.float32(-np.inf))

    def blocks(self, requests: Requests) -> Iterator[tuple[int, Requests, np.ndarray]]:
        """Yield (start, the block's requests, their scores); the histories are in codes of the fitted items."""
        self.check_fitted()
        rows = max(1, BLOCK_BYTES // (4 * max(1, len(self.items_))))
        ready = self._ready(requests)
        for start in range(0, len(requests), rows):
            block = ready.part(start, start + rows)
            yield start, block, self._score(block)

    def rank(self, requests: Requests, k: int = 10, *, exclude_seen: bool = True) -> pl.DataFrame:
        """Return the k best items of each request: columns request, user_id, rank (from 1), item_id, score.

        `exclude_seen` leaves out what is in the request's own history. Equal scores go by the order of the catalogue.
        """
        if k < 1:
            raise InputError(f"k is {k}; ask for at least 1 item.")
        self.check_fitted()
        width = min(k, len(self.items_))
        best = np.empty((len(requests), width), dtype=np.int32)
        value = np.empty(best.shape, dtype=np.float32)
        for start, block, scores in self.blocks(requests):
            if exclude_seen:
                mask_seen(scores, block)
            rows = slice(start, start + len(scores))
            best[rows] = top_k(scores, width)
            value[rows] = np.take_along_axis(scores, best[rows], axis=1)
            del scores
        users = pl.Series([*requests.users] or [None] * len(requests), dtype=pl.String)
        request, place = np.nonzero(value > -np.inf)
        return pl.DataFrame(
            {
                "request": request,
                "user_id": users.gather(request),
                "rank": place + 1,
                "item_id": self.items_.gather(best[request, place]),
                "score": value[request, place],
            }
        )

    def _ready(self, requests: Requests) -> Requests:
        """Give every request a history in codes of the fitted items."""
        histories = requests.histories
        if histories is None:
            histories = self._remembered(requests)
        return replace(requests, histories=into(histories, Vocabulary(self.items_)))

    def neighbourhood(self) -> Neighbourhood | None:
        """Return the table whose rows it adds up over the history; None for one that works otherwise."""
        return None

    def space(self) -> Space | None:
        """Return the vectors of the items whose inner products with a request's are its scores; None for other ways.

        `_places` says then where requests stand.
        """
        return None

    def _places(self, requests: Requests) -> Places:
        """Where requests stand in `space`; `requests.histories` is never None here."""
        raise NotImplementedError

    def _remembered(self, requests: Requests) -> Log:
        """Histories by user id where none are given: here empty, as a ranker keeps no histories of its own."""
        return empty_histories(len(requests), Vocabulary(self.items_))

    @abstractmethod
    def _fit(self, log: Log, shop: Shop | None, run: Run) -> Any:
        """Learn; what is learned goes to attributes ending in an underscore."""

    @abstractmethod
    def _score(self, requests: Requests) -> np.ndarray:
        """Return new float32 scores [requests, fitted items]; `requests.histories` is never None here."""


def empty_histories(n: int, items: Vocabulary) -> Log:
    """Return a log of `n` users without events."""
    histories = Requests.sessions([[] for _ in range(n)], items).histories
    assert histories is not None
    return histories


def mask_seen(scores: np.ndarray, requests: Requests) -> None:
    """Set the scores of what each request's user has had to -inf, in place."""
    if requests.histories is not None:
        scores[requests.histories.user, requests.histories.item] = -np.inf
