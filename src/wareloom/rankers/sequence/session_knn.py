"""Session-kNN: recent sessions that share the latest items say what comes next."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from numba import get_num_threads, njit, prange

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, Positive, Size
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, rarity, recency, tail
from wareloom.rankers.neighbourhood import keep_best
from wareloom.shop import Log, Requests, Shop, Vocabulary
from wareloom.shop.keeps import Keeps
from wareloom.shop.log import NO_TIME
from wareloom.shop.pairs import DAY

NEGLIGIBLE = 1e-4
"""Votes of places so far off that their factor is below this are left out."""


@dataclass(kw_only=True, eq=False)
class SessionKNN(Ranker):
    """Let the sessions of the log that share items with a request's latest events vote for what stands near these.

    Of the sessions that share an item the `sample` latest are compared. The similarity of session s is the sum over
    the shared items of weight × decay^age × log(1 + W / weight of the item)^idf, W the weight of all events, divided by
    √(distinct items of s). The `neighbours` most similar ones vote: with p the place in s of the latest item shared,
    an event of s at place p + d adds similarity × its weight × distance_decay^(|d| - 1) × 2^(-age of s / half_life),
    `reverse` times that where d < 0, and `again` times similarity × weight × the age's factor where d = 0. Where
    nothing is added, items follow by popularity, below all others. A session whose events weigh 2 counts as two such
    sessions.

    Time of a request: items of its history × sample. Memory: 28 bytes an event. V-SKNN of Ludewig and Jannach (2018),
    with the weights of STAN (Garg et al. 2019).
    """

    keeps: ClassVar[Keeps] = "people"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "moved by history",
            "weighted users",
        }
    )
    random: ClassVar[bool] = False

    unit: Literal["user", "session"] = "user"
    """What is compared: all events of a user in a row, or each session alone. A log without users has sessions only."""
    sample: Size = 5000
    """Latest sessions sharing an item that are compared."""
    neighbours: Size = 200
    """Most similar sessions that vote."""
    decay: Factor = 0.5
    """Factor for each step back in the history that is scored; 1 counts all events alike."""
    last: Count = 20
    """Events of the history that count, the latest ones; 0 takes all."""
    distance_decay: Factor = 0.8
    """Factor for each further place between the shared item and the one voted for; 1 counts all places alike."""
    reverse: NonNegative = 0.3
    """Share of a vote for an item before the shared one; 0 keeps the order, 1 forgets it."""
    again: NonNegative = 1.0
    """Share of a vote for the shared item itself; of weight only where items of the history may be ranked again."""
    idf: NonNegative = 2.0
    """Power of the rarity of shared items; 0 counts all alike."""
    half_life: Positive | None = None
    """Days after which a session's votes count half, seen from the log's last event; None counts all alike."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        log = log.keep(log.weight > 0)
        self.popularity_ = popularity(log)
        log = by_session(log) if self.unit == "session" else log
        some = np.flatnonzero(log.lengths() > 0)
        time = log.time[log.offsets[some + 1] - 1]
        newest = np.argsort(-time, kind="stable")
        log = log.select(some[newest])
        self.offsets_, self.item_, self.weight_ = log.offsets, log.item, log.weight
        self.factor_ = faded(time[newest], self.half_life)

    @cached_property
    def _index(self) -> tuple[Any, ...]:
        """The sessions of each item, newest first, its last place in each, and √ of the sessions' distinct items."""
        session = np.repeat(np.arange(len(self.factor_), dtype=np.int32), np.diff(self.offsets_))
        place = np.argsort(self.item_, kind="stable")
        item, owner = self.item_[place], session[place]
        final = np.ones(len(place), dtype=bool)
        final[:-1] = (item[1:] != item[:-1]) | (owner[1:] != owner[:-1])
        starts = np.searchsorted(item[final], np.arange(len(self.popularity_) + 1))
        size = np.sqrt(np.bincount(owner[final], minlength=len(self.factor_)))
        return (starts, owner[final], place[final], size)

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        offsets, items, values = recency(requests.histories, self.decay, self.last)
        values = values * rarity(self.popularity_, self.idf)[items]
        reach = int(np.diff(self.offsets_).max(initial=1))
        if self.distance_decay < 1:
            reach = min(reach, math.ceil(math.log(NEGLIGIBLE) / math.log(self.distance_decay)))
        scores: np.ndarray = _vote(
            (offsets, items, values),
            self._index,
            (self.offsets_, self.item_, self.weight_, self.factor_),
            (self.distance_decay ** np.arange(reach, dtype=np.float64), self.reverse, self.again),
            (self.sample, min(self.neighbours, max(1, len(self.factor_)))),
            tail(self.popularity_),
            min(len(requests), 4 * get_num_threads()),
        )
        return scores


def by_session(log: Log) -> Log:
    """Return the log with each session of each user as a user of its own."""
    first = np.ones(len(log), dtype=bool)
    first[1:] = (np.diff(log.session) != 0) | (np.diff(log.user) != 0)
    offsets = np.append(np.flatnonzero(first), len(log)).astype(np.int64)
    names = pl.int_range(len(offsets) - 1, eager=True).cast(pl.String)
    return replace(log, users=Vocabulary(names), offsets=offsets)


def faded(time: np.ndarray, half_life: float | None) -> np.ndarray:
    """Factor of each session by the time of its last event, seen from the latest: float32; unknown times as oldest."""
    known = time != NO_TIME
    if half_life is None or not known.any():
        return np.ones(len(time), dtype=np.float32)
    age = (time.max() - np.where(known, time, time[known].min())) / DAY
    factor: np.ndarray = np.exp2(-age / half_life).astype(np.float32)
    return factor


@njit(cache=True)
def _alike(history, index, limit, memory, like, anchor, touched):  # type: ignore[no-untyped-def]
    """Add up the similarity of all sessions to one history (items, values), latest first; returns how many there are.

    `anchor` takes the place of the latest shared item. Only the first `limit` sessions of an item are read: a session
    beyond them cannot be among the `limit` latest.
    """
    items, values = history
    starts, owner, place, _ = index
    mark, r = memory
    n = 0
    # From the latest event backwards, so that the first place noted of a session is that of the latest shared item.
    # `mark` keeps the request that met an item last: nothing is swept between requests.
    for h in range(len(items) - 1, -1, -1):
        item = items[h]
        if mark[item] == r:
            continue
        mark[item] = r
        for e in range(starts[item], min(starts[item + 1], starts[item] + limit)):
            s = owner[e]
            if like[s] == 0.0:
                anchor[s] = place[e]
                touched[n] = s
                n += 1
            like[s] += values[h]
    if n > limit:
        touched[:n] = np.sort(touched[:n])
        like[touched[limit:n]] = 0.0
        n = limit
    return n


@njit(cache=True, parallel=True)
def _vote(history, index, sessions, gains, limits, tail, chunks):  # type: ignore[no-untyped-def]
    """Find each request's neighbours in a buffer of its thread and add up their votes."""
    offsets, items, values = history
    start, item, weight, factor = sessions
    gain, reverse, again = gains
    limit, k = limits
    size = index[3]
    requests, width, reach = len(offsets) - 1, len(tail), len(gain)
    out = np.empty((requests, width), dtype=np.float32)
    for c in prange(chunks):
        like = np.zeros(len(factor))
        anchor = np.empty(len(factor), dtype=np.int64)
        touched = np.empty(len(factor), dtype=np.int32)
        near, how_near = np.empty(k, dtype=np.int32), np.empty(k, dtype=np.float32)
        mark = np.full(width, -1, dtype=np.int64)
        sums = np.zeros(width, dtype=np.float32)
        for r in range(requests * c // chunks, requests * (c + 1) // chunks):
            own = items[offsets[r] : offsets[r + 1]], values[offsets[r] : offsets[r + 1]]
            n = _alike(own, index, limit, (mark, r), like, anchor, touched)
            for s in touched[:n]:
                like[s] /= size[s]
            for u in range(keep_best(like, touched[:n], k, near, how_near)):
                s = near[u]
                # Events of a session lie in a row: a distance in places is one in the array, cut to the session.
                p, vote = anchor[s], how_near[u] * factor[s]
                for e in range(max(start[s], p - reach), min(start[s + 1], p + reach + 1)):
                    if e > p:
                        sums[item[e]] += vote * weight[e] * gain[e - p - 1]
                    elif e < p:
                        sums[item[e]] += vote * weight[e] * gain[p - e - 1] * reverse
                    else:
                        sums[item[e]] += vote * weight[e] * again
            for i in range(width):
                out[r, i] = sums[i] if sums[i] > 0.0 else tail[i]
                sums[i] = 0.0
    return out
