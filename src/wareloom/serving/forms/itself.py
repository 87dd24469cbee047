"""The form of every ranker that has none of its own: it is asked itself, in codes."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.rankers import Ranker
from wareloom.serving.forms.base import VIEWED, Asked, Form, Room
from wareloom.shop import Log, Requests, Vocabulary
from wareloom.shop.log import NO_TIME


class Itself(Form):
    """A ranker that is asked itself, in codes."""

    kind = "itself"
    slow = True

    def __init__(self, room: Room, ranker: Ranker) -> None:
        super().__init__(room)
        self.ranker = ranker
        self._items = Vocabulary(ranker.items_)
        self._one = Vocabulary(["request"])
        self.reads = hasattr(ranker, "match_all")
        self.heeds = ranker.heeds()

    def waits(self, asked: Asked) -> bool:
        """Nobody knows how long a ranker takes."""
        return True

    def scores(self, asked: Asked) -> np.ndarray:
        """Score all items: new float32 [items]."""
        return mean_of(self.ranker._score(self.requests(asked)), asked)

    def requests(self, asked: Asked) -> Requests:
        """A request as rankers take it; where the session goes on, one more for each way it may."""
        histories = [asked.codes]
        if asked.onward is not None:
            histories += [np.concatenate([asked.codes, drawn]) for drawn in asked.onward.items]
        m, sizes = len(histories), [len(one) for one in histories]
        n = sum(sizes)
        log = Log(
            users=self._one if m == 1 else Vocabulary([f"request {i}" for i in range(m)]),
            items=self._items,
            offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            item=np.concatenate(histories) if m > 1 else histories[0],
            time=np.full(n, NO_TIME),
            event=np.full(n, VIEWED, dtype=np.int8),
            session=np.zeros(n, dtype=np.int32),
            weight=np.ones(n, dtype=np.float32),
            real=np.ones(n, dtype=bool),
            timed=False,
        )
        users = () if asked.user is None else (asked.user,) * m
        queries = (asked.query,) * m if asked.query else ()
        times = np.zeros(0, np.int64) if asked.time == NO_TIME else np.full(m, asked.time)
        return Requests(
            users=users, queries=queries, histories=log, times=times, context=_framed(asked, m)
        )


def mean_of(found: np.ndarray, asked: Asked) -> np.ndarray:
    """The mean of what is said of a request's histories, the plain one first: [numbers] of [histories, numbers]."""
    if asked.onward is None:
        plain: np.ndarray = found[0]
        return plain
    share = np.float32(asked.onward.share)
    mean: np.ndarray = (1 - share) * found[0] + share * found[1:].mean(axis=0)
    return mean


def _framed(asked: Asked, rows: int) -> pl.DataFrame | None:
    """The context as rankers take it."""
    if not asked.context:
        return None
    return pl.DataFrame({name: [value] * rows for name, value in asked.context.items()})
