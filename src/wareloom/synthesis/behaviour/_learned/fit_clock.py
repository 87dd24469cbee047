"""Learning when shoppers come, and drawing it."""

from __future__ import annotations

import numpy as np

from wareloom.shop import Log
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._learned import clock as c
from wareloom.synthesis.behaviour._learned.clock import DAY, Clock, ClockSeen, Lengths, _walk_back
from wareloom.synthesis.behaviour._learned.tables import Seen, nothing_seen, table
from wareloom.synthesis.behaviour._rhythm import resolution
from wareloom.synthesis.behaviour._walk import Users, in_threads, new_state

NOTHING = np.ones((1, 1), np.float32)


def fit_clock(log: Log, lengths: Lengths, weight: np.ndarray, min_users: int) -> Clock:
    """Learn from users who all have events; `weight`: of each user."""
    known = log.time[log.time != NO_TIME]
    if not log.timed or len(known) == 0:
        return _clock(
            (np.zeros(2, np.int64), np.zeros(2, np.int64)), np.ones(2), np.ones(7), [0, 0, 1, 0]
        )
    least, days = resolution(known), known // DAY
    bounds = [int(days.min()), int(days.max()), least, 1]
    last = log.time[log.offsets[1:] - 1]
    ends = last[last != NO_TIME] // DAY
    edges = np.unique(np.quantile(ends, np.linspace(0, 1, c.ENDS + 1)).astype(np.int64))
    edges = (
        np.append(edges, edges[-1] + 1) if len(edges) < 2 else np.append(edges[:-1], edges[-1] + 1)
    )
    span, wide = bounds[1] - bounds[0] + 2, [*range(c.EXACT + 2)]
    while wide[-1] < span:
        wide.append(int(np.ceil(wide[-1] * c.WIDER)))
    low = float(min(least, c.HALF))
    brief = low * (c.HALF / low) ** (np.arange(c.SHORT + 1) / c.SHORT)
    weekday = np.bincount((ends + 3) % 7, minlength=7).astype(np.float64)
    empty = _clock((edges, np.array(wide)), brief, weekday / weekday.max(), bounds)
    seen = ClockSeen(*(nothing_seen(len(log)) for _ in ClockSeen._fields))
    times = log.time.copy()
    users = Users(np.uint64(0), 0, len(lengths.of))
    _walk_back(empty, seen, lengths, users, new_state(), np.zeros(c.MEMORY), times, True)
    user = log.user
    own = weight[user]

    def learned(of: Seen, sizes: tuple[int, ...], outcomes: int) -> np.ndarray:
        return table(of, user, own, sizes, outcomes, min_users)

    return empty._replace(
        end=learned(seen.end, c.END, len(edges) - 1),
        kind=learned(seen.kind, c.KIND, 3),
        between=learned(seen.between, c.BETWEEN, len(wide) - 1),
        within=learned(seen.within, c.WITHIN, c.SHORT),
        time=learned(seen.time, c.TIME, c.HALVES) if least < DAY else NOTHING,
    )


def _clock(
    days: tuple[np.ndarray, np.ndarray], brief: np.ndarray, weekday: np.ndarray, bounds: list[int]
) -> Clock:
    """A clock that has learned nothing yet."""
    return Clock(
        NOTHING,
        NOTHING,
        NOTHING,
        NOTHING,
        NOTHING,
        days[0],
        days[1],
        brief,
        weekday,
        np.array(bounds, dtype=np.int64),
    )


def draw_times(clock: Clock, lengths: Lengths, seed: np.uint64, cores: int) -> np.ndarray:
    """Time of each event: int64 [events], `NO_TIME` where there is none."""
    times = np.full(lengths.offsets[-1], NO_TIME, dtype=np.int64)
    if not clock.bounds[3]:
        return times
    seen = ClockSeen(*(nothing_seen(0) for _ in ClockSeen._fields))

    def part(first: int, last: int) -> None:
        users, memory = Users(seed, first, last), np.zeros(c.MEMORY)
        _walk_back(clock, seen, lengths, users, new_state(), memory, times, False)

    in_threads(part, len(lengths.of), cores)
    return times
