"""Batched decoding: many users are written at a time, an event a step, from what the encoder keeps of their past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import njit

from wareloom.neural import torch
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._walk import _next, _stream
from wareloom.synthesis.behaviour._writing.choose import (
    Choice,
    Lines,
    Rules,
    choose_action,
    choose_item,
    choose_pace,
    relive,
    remind,
)
from wareloom.synthesis.behaviour._writing.clusters import Guess
from wareloom.synthesis.behaviour._writing.event_net import EventNet
from wareloom.synthesis.behaviour._writing.grammar import KINDS
from wareloom.synthesis.behaviour._writing.pace import (
    DATED,
    Pace,
    calendar,
    classify,
    count_class,
    date,
)

BUSY = 0.75
"""Share of the rows that must still be written; below it the finished ones are taken out"""
ROOM = 32
"""Events a row has room for at first"""
FOREVER = 1 << 61
COUNT_CLASS = np.array([count_class(n) for n in range(1 << 13)])
"""Classes of counts; beyond the last they do not change"""


class Memory(Protocol):
    """What an encoder keeps of the tokens that it has read, a row a user."""

    def prime(self, rows: np.ndarray, x: Any, sizes: np.ndarray) -> Any:
        """Read tokens [rows, places, size] in the place of what was kept of `rows`; returns the last ones' states."""

    def step(self, x: Any, rows: np.ndarray | None) -> Any:
        """Read one token more of all rows (None) or of some: [rows, size] → states."""

    def full(self) -> np.ndarray:
        """Rows that have no room for a token more."""

    def keep(self, rows: np.ndarray) -> None:
        """Keep some rows alone, in that order."""


class Written(NamedTuple):
    """Events, user after user, each array [events]."""

    user: np.ndarray
    item: np.ndarray
    kind: np.ndarray
    time: np.ndarray
    gap: np.ndarray
    """Class of the gap before each"""


class Past(NamedTuple):
    """Events that users had, user after user."""

    offsets: np.ndarray
    item: np.ndarray
    kind: np.ndarray
    time: np.ndarray
    gap: np.ndarray


def at_hand(pace: Pace, item: np.ndarray, kind: np.ndarray, draws: int) -> Past:
    """A session as the past of `draws` users: at the end of the log, all at once."""
    m = len(item)
    time = np.full(m, pace.bounds[1] if pace.bounds[3] else NO_TIME)
    gap = classify(pace, np.zeros(m, dtype=np.int64), np.arange(m) == 0)
    gap[:1] = 0
    columns = (np.tile(column, draws) for column in (item, kind, time, gap))
    return Past(np.arange(draws + 1) * m, *columns)


class TokenVectors(NamedTuple):
    """What an event's vector is the sum of, beside its item's: each float32 [values, size]."""

    kinds: np.ndarray
    gaps: np.ndarray
    counts: np.ndarray
    dates: np.ndarray
    """Of the numbers by which a time is told"""


@dataclass(frozen=True)
class Writer:
    """Writes users with a fitted network."""

    net: EventNet
    guess: Guess
    choice: Choice
    memory: Callable[[int], Memory]
    """Makes the memory of so many rows"""
    length: int
    """Tokens an encoder reads at most"""

    @cached_property
    def tables(self) -> TokenVectors:
        """The vectors that the network learned."""
        net = self.net
        parts = (net.kind.weight, net.gap.weight, net.count.weight, net.calendar.weight.T)
        return TokenVectors(*(np.ascontiguousarray(part.detach().numpy()) for part in parts))

    def write(self, rules: Rules, past: Past, users: np.ndarray, seed: np.uint64) -> Written:
        """Write the users with these numbers, which decide their random streams; `past` has one of each."""
        lines = lines_of(rules.pace, past, users, seed, max(rules.window, self.length))
        alive, found = users, list[Written]()
        with torch.no_grad():
            memory = self.memory(len(users))
            rows = np.arange(len(users))
            state = memory.prime(rows, *self._window(lines, rules.pace, rows))
            while True:
                done = lines.done
                if done.any() and np.count_nonzero(~done) <= BUSY * len(done):
                    found.append(_taken(lines, alive, done))
                    left = np.flatnonzero(~done)
                    if not len(left):
                        break
                    lines, alive, state = (
                        _kept(lines, left),
                        alive[left],
                        state[torch.from_numpy(left)],
                    )
                    memory.keep(left)
                if int(lines.have.max()) >= lines.item.shape[1]:
                    lines = _wider(lines)
                self._event(lines, rules, state)
                if not lines.done.all():
                    state = self._read(lines, rules.pace, memory)
        return _together(found)

    def _event(self, lines: Lines, rules: Rules, state: Any) -> None:
        """Choose the next event of every row that is not done."""
        net, told = self.net, torch.from_numpy
        choose_pace(
            lines, rules, net.stops(state, told(lines.number)).numpy(), net.paces(state).numpy()
        )
        gap, reminded = told(lines.ahead), np.zeros(len(lines.done), dtype=np.float32)
        if net.repeats:
            remind(lines, rules, self.choice, net.remind(state).numpy(), reminded)
        choose_action(
            lines, rules, net.actions(state, gap, told(lines.last), told(reminded)).numpy()
        )
        query = net.queries(state, gap, told(lines.action % KINDS))
        again = net.again(query) if net.repeats else query
        choose_item(
            lines, rules, self.choice, self.guess(query).numpy(), query.numpy(), again.numpy()
        )

    def _read(self, lines: Lines, pace: Pace, memory: Memory) -> Any:
        """Let the encoder read the events that were just chosen; returns the states behind them."""
        full, n = memory.full(), len(lines.done)
        if not len(full):
            return memory.step(self._last(lines, pace, np.arange(n)), None)
        others = np.setdiff1d(np.arange(n), full)
        state = torch.empty((n, self.choice.vectors.shape[1]))
        if len(others):
            state[torch.from_numpy(others)] = memory.step(self._last(lines, pace, others), others)
        state[torch.from_numpy(full)] = memory.prime(full, *self._window(lines, pace, full))
        return state

    def _last(self, lines: Lines, pace: Pace, rows: np.ndarray) -> Any:
        """Vectors of the last token of some rows: [rows, size]."""
        x = np.empty((len(rows), self.choice.vectors.shape[1]), dtype=np.float32)
        _sum_last(lines, pace, self.choice.vectors, self.tables, rows, x)
        return torch.from_numpy(x)

    def _window(self, lines: Lines, pace: Pace, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        """Vectors of the last tokens of some rows [rows, places, size], and how many each has, cut as training cuts."""
        last, keep = (lines.before + lines.have)[rows], self.length // 2
        step = self.length - keep
        start = np.where(last < self.length, 0, (last - keep) // step * step)
        sizes = last - start + 1
        # The beginning of a user is token 0.
        token = start[:, None] + np.arange(int(sizes.max()))
        place = token - 1 - lines.before[rows, None]
        there = (place >= 0) & (place < lines.have[rows, None])
        place = np.clip(place, 0, lines.item.shape[1] - 1)
        at = rows[:, None], place
        began = np.where(lines.have[rows] > 0, lines.time[rows, 0], lines.now[rows])[:, None]
        time = np.where(token == 0, began, np.where(there, lines.time[at], 0))
        read = [
            np.where(there, lines.item[at].astype(np.int64) + 1, 0),
            np.where(there, lines.kind[at] + 1, 0),
            np.where(there, lines.gap[at], 0),
            COUNT_CLASS[np.minimum(token, len(COUNT_CLASS) - 1)],
            calendar(pace, time.ravel()).reshape(*time.shape, -1),
        ]
        return self.net.read(*(torch.from_numpy(each) for each in read)), sizes


def lines_of(pace: Pace, past: Past, users: np.ndarray, seed: np.uint64, held: int) -> Lines:
    """Begin a row for each user, with at most `held` events of its past."""
    n, sizes = len(users), np.diff(past.offsets)
    given = np.minimum(sizes, held)
    room = int(given.max(initial=0)) + ROOM
    lines = Lines(
        stream=_streams(seed, users),
        past=given,
        before=sizes - given,
        have=given.copy(),
        latest=np.where(sizes > 0, FOREVER, pace.bounds[1]),
        done=np.zeros(n, dtype=bool),
        now=np.full(n, pace.bounds[1]),
        item=np.zeros((n, room), dtype=np.int32),
        kind=np.zeros((n, room), dtype=np.int64),
        live=np.full((n, room), -1, dtype=np.int64),
        gap=np.zeros((n, room), dtype=np.int64),
        time=np.zeros((n, room), dtype=np.int64),
        number=np.zeros(n, dtype=np.int64),
        last=np.zeros(n, dtype=np.int64),
        ahead=np.zeros(n, dtype=np.int64),
        action=np.zeros(n, dtype=np.int64),
    )
    place = np.arange(room)
    there = place < given[:, None]
    rows = (past.offsets[1:] - given)[:, None] + place
    for name in ("item", "kind", "time", "gap"):
        getattr(lines, name)[there] = getattr(past, name)[rows[there]]
    relive(lines)
    _begin(lines.stream, lines.have, pace, lines.now)
    return lines


def _streams(seed: np.uint64, users: np.ndarray) -> np.ndarray:
    out = np.empty((len(users), 1), dtype=np.uint64)
    _seed(seed, users, out)
    return out


@njit(cache=True)
def _seed(seed, users, out):  # type: ignore[no-untyped-def]
    for i in range(len(users)):
        out[i] = _stream(seed, users[i])


@njit(cache=True, nogil=True)
def _sum_last(lines, pace, vectors, tables, rows, out):  # type: ignore[no-untyped-def]
    """Write the vector of each row's last token, as `EventNet.read` adds it up."""
    kinds, gaps, counts, dates = tables.kinds, tables.gaps, tables.counts, tables.dates
    told = np.empty(DATED, dtype=np.float32)
    for i in range(len(rows)):
        r = rows[i]
        p = lines.have[r] - 1
        item, kind, gap, count = (
            vectors[lines.item[r, p]],
            kinds[lines.last[r]],
            gaps[lines.gap[r, p]],
            counts[lines.number[r]],
        )
        for j in range(out.shape[1]):
            out[i, j] = item[j] + kind[j] + gap[j] + count[j]
        told[:] = 0.0
        date(pace, lines.time[r, p], told)
        for k in range(DATED):
            if told[k] != 0.0:
                for j in range(out.shape[1]):
                    out[i, j] += told[k] * dates[k, j]


@njit(cache=True)
def _begin(stream, have, pace, now):  # type: ignore[no-untyped-def]
    """Draw when users without a past begin."""
    for r in range(len(have)):
        if have[r] == 0 and len(pace.starts):
            now[r] = pace.starts[int(_next(stream[r]) * len(pace.starts))]


def _taken(lines: Lines, users: np.ndarray, rows: np.ndarray) -> Written:
    """The new events of some rows."""
    place = np.arange(lines.item.shape[1])
    new = (place >= lines.past[:, None]) & (place < lines.have[:, None]) & rows[:, None]
    user = np.repeat(users, new.sum(axis=1))
    return Written(user, lines.item[new], lines.kind[new], lines.time[new], lines.gap[new])


def _kept(lines: Lines, rows: np.ndarray) -> Lines:
    return Lines(*(each[rows] for each in lines))


def _wider(lines: Lines) -> Lines:
    """The same rows with room for twice as many events."""
    n, room = lines.item.shape

    def wide(values: np.ndarray, fill: int) -> np.ndarray:
        return np.concatenate([values, np.full((n, room), fill, dtype=values.dtype)], axis=1)

    return lines._replace(
        item=wide(lines.item, 0),
        kind=wide(lines.kind, 0),
        live=wide(lines.live, -1),
        gap=wide(lines.gap, 0),
        time=wide(lines.time, 0),
    )


def _together(parts: list[Written]) -> Written:
    """All events in the order of the users; each user lies whole in one part."""
    whole = Written(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    order = np.argsort(whole.user, kind="stable")
    return Written(*(column[order] for column in whole))
