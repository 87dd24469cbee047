"""What a ranker is asked, as columns: who, with which history, looking for what, when and where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from wareloom.core import notebook
from wareloom.core.asked import described, require_kind, texts
from wareloom.errors import InputError, shown
from wareloom.shop.log import NO_TIME, Log, a_log
from wareloom.shop.shop import Shop
from wareloom.shop.vocabulary import Vocabulary


@dataclass(frozen=True)
class Requests:
    """A batch of requests. Recommendation is search with an empty query.

    `histories` holds what each request's user did before, one log "user" a request, oldest first. Where it is None, a
    ranker falls back on the histories it was fitted on, found by user id.
    """

    users: Sequence[str | None] = ()
    queries: Sequence[str] = ()
    histories: Log | None = None
    times: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """int64 [requests], microseconds since 1970 at which each is asked; empty where unknown"""
    context: pl.DataFrame | None = None
    """One row a request: device, place, …"""

    def __post_init__(self) -> None:
        require_kind("Requests", "users", self.users, texts)
        require_kind("Requests", "queries", self.queries, texts)
        sizes = {len(self.users), len(self.queries), len(self.times)} - {0}
        if self.histories is not None:
            sizes |= {len(self.histories.users)}
        if self.context is not None:
            sizes |= {len(self.context)}
        if len(sizes) > 1:
            raise InputError(
                f"Requests has columns of different lengths: {sorted(sizes)}. Give one value a request in each."
            )

    def __len__(self) -> int:
        if self.histories is not None:
            return len(self.histories.users)
        return max(
            len(self.users),
            len(self.queries),
            len(self.times),
            0 if self.context is None else len(self.context),
        )

    def __repr__(self) -> str:
        has = {
            "users": self.users,
            "queries": self.queries,
            "histories": self.histories,
            "times": self.times,
            "context": self.context,
        }
        given = [name for name, held in has.items() if held is not None and len(held)]
        return notebook.line(
            "Requests", f"{len(self):,}", f"with {' and '.join(given)}" if given else ""
        )

    def part(self, start: int, stop: int) -> Requests:
        """Return the requests start:stop."""
        histories = self.histories
        if histories is not None:
            histories = histories.select(np.arange(start, min(stop, len(self))))
        return Requests(
            users=self.users[start:stop],
            queries=self.queries[start:stop],
            histories=histories,
            times=self.times[start:stop],
            context=None if self.context is None else self.context[start:stop],
        )

    @classmethod
    def of(cls, log: Log, *, times: np.ndarray | None = None) -> Requests:
        """One request for each user of `log`, whose events are the history."""
        require_kind("Requests.of", "log", log, _a_log)
        return cls(
            users=log.users.ids.to_list(),
            histories=log,
            times=np.zeros(0, np.int64) if times is None else times,
        )

    @classmethod
    def sessions(
        cls, histories: Sequence[Sequence[str]], items: Vocabulary | None = None
    ) -> Requests:
        """One request for each list of item ids, oldest first: a live session of somebody unknown.

        Raises `InputError` for one text or one list of texts, which would be read letter by letter, and for ids that
        are no texts.
        """
        require_kind("Requests.sessions", "histories", histories, _sessions)
        for place, history in enumerate(histories):
            require_kind("Requests.sessions", f"history {place}", history, _session)
        every = [item for history in histories for item in history]
        if stray := next((item for item in every if not isinstance(item, str | None)), None):
            raise InputError(
                f"Requests.sessions: an item id is {described(stray)}; give ids as texts: {str(stray)!r}."
            )
        flat = pl.Series(every, dtype=pl.String)
        items = items or Vocabulary(flat.unique(maintain_order=True))
        offsets = np.concatenate([[0], np.cumsum([len(h) for h in histories])]).astype(np.int64)
        n = len(flat)
        log = Log(
            users=Vocabulary([f"session-{i}" for i in range(len(histories))]),
            items=items,
            offsets=offsets,
            item=items.encode(flat),
            time=np.full(n, NO_TIME),
            event=np.full(n, 2, dtype=np.int8),
            session=np.zeros(n, dtype=np.int32),
            weight=np.ones(n, dtype=np.float32),
            real=np.ones(n, dtype=bool),
            timed=False,
        )
        return cls(histories=log)


def requests_asked(value: object) -> str:
    """The kind of an argument that is requests."""
    if isinstance(value, Requests):
        return ""
    if isinstance(value, str):
        return f"Requests: wl.Requests.sessions([[{shown(value)}]]) is a session of one item"
    if isinstance(value, Log):
        return "Requests: wl.Requests.of(log) asks for each of its users"
    if isinstance(value, Shop):
        return "Requests: wl.Requests.of(wl.Log.of(shop)) asks for each of its users"
    return "Requests, such as wl.Requests.sessions([['sku-1', 'sku-7']])"


def _a_log(value: object) -> str:
    return "a Log: wl.Log.of(shop)" if isinstance(value, Shop | None) else a_log(value)


def _sessions(value: object) -> str:
    wanted = "a list of sessions, each a list of item ids"
    if isinstance(value, str):
        return f"{wanted}: [[{shown(value)}]]"
    return "" if isinstance(value, Iterable) else f"{wanted}, such as [['sku-1', 'sku-7']]"


def _session(value: object) -> str:
    wanted = "a list of item ids for each session"
    if isinstance(value, str):
        return f"{wanted}: [[{shown(value)}]] is one session of one item"
    return "" if isinstance(value, Iterable) else f"{wanted}, such as ['sku-1', 'sku-7']"
