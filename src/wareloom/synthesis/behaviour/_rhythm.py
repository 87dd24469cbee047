"""When shoppers come: how many sessions, how long, how far apart, starting when."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.core.kernel import kernel
from wareloom.shop import Log
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._walk import (
    BUCKETS,
    Users,
    _begin,
    _bucket,
    _next,
    in_threads,
    new_state,
)

QUANTILES = 257
RESOLUTIONS = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000, 1)
"""Clock steps that a log may have, in microseconds: a day, an hour, a minute, a second, a millisecond."""


class Rhythm(NamedTuple):
    """Activity and time: session lengths are drawn whole from the fitted users, times from quantiles."""

    shape_offsets: np.ndarray
    """int64 [users + 1], places in `shape`"""
    shape: np.ndarray
    """int32 [sessions], events in each session of each fitted user"""
    last: np.ndarray
    """float64 [BUCKETS, QUANTILES], time of the last event by number of sessions"""
    between: np.ndarray
    """float64 [BUCKETS, QUANTILES], gap between sessions by number of sessions"""
    within: np.ndarray
    """float64 [QUANTILES], gap between events of a session"""
    bounds: np.ndarray
    """int64 [3]: earliest time, resolution, whether there is time at all"""


def fit_rhythm(log: Log) -> Rhythm:
    """Measure activity, session lengths and gaps of a log."""
    users = np.flatnonzero(log.lengths() > 0)
    user = log.user
    first = session_starts(log)
    starts = np.flatnonzero(first)
    shape = np.diff(np.append(starts, len(log))).astype(np.int32)
    per_user = np.bincount(user[starts], minlength=len(log.users))
    offsets = np.concatenate([[0], np.cumsum(per_user[users])]).astype(np.int64)
    bucket = np.minimum(np.log2(np.maximum(per_user, 1)).astype(int), BUCKETS - 1)

    known = log.time > NO_TIME
    inner = np.zeros(len(log), dtype=bool)
    inner[1:] = (user[1:] == user[:-1]) & known[:-1]
    ends = log.offsets[users + 1] - 1
    gap = np.diff(log.time, prepend=log.time[:1])
    last = _by_bucket(log.time[ends][known[ends]], bucket[users][known[ends]])
    between = _by_bucket(gap[inner & first], bucket[user[inner & first]])
    within = _quantiles(gap[inner & ~first])
    timed = log.timed and bool(known.any())
    bounds = np.array(
        [log.time[known].min() if timed else 0, resolution(log.time[known]), int(timed)],
        dtype=np.int64,
    )
    return Rhythm(offsets, shape, last, between, within, bounds)


def session_starts(log: Log) -> np.ndarray:
    """Whether a session begins with each event, bool [events]."""
    first = np.diff(log.user, prepend=-1) != 0
    first[1:] |= log.session[1:] != log.session[:-1]
    return first


def resolution(time: np.ndarray) -> int:
    """The longest of `RESOLUTIONS` that divides all of some known times."""
    return next(r for r in RESOLUTIONS if not np.any(time % r))


def _quantiles(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, np.linspace(0, 1, QUANTILES)) if len(values) else np.zeros(QUANTILES)


def _by_bucket(values: np.ndarray, bucket: np.ndarray) -> np.ndarray:
    """Quantiles of each bucket; one with few values takes those of all."""
    whole = _quantiles(values)
    few = 20
    return np.stack(
        [
            _quantiles(values[bucket == b]) if np.sum(bucket == b) >= few else whole
            for b in range(BUCKETS)
        ]
    )


def draw_shapes(
    rhythm: Rhythm, n: int, length: int | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n users' sessions: (session offsets int64 [n + 1], events a session int32).

    With `length`, sessions are drawn one by one until a user has exactly that many events.
    """
    if length is None:
        users = rng.integers(len(rhythm.shape_offsets) - 1, size=n)
        starts, counts = rhythm.shape_offsets[users], np.diff(rhythm.shape_offsets)[users]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return offsets, rhythm.shape[
            np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])
        ]
    drawn = rhythm.shape[rng.integers(len(rhythm.shape), size=(n, length))]
    ends = np.minimum(np.cumsum(drawn, axis=1), length)
    sizes = np.diff(ends, axis=1, prepend=0)
    counts = (sizes > 0).sum(axis=1)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), sizes[sizes > 0].astype(
        np.int32
    )


@njit(inline="always")
def _quantile(table: np.ndarray, state: np.ndarray) -> float:
    u = _next(state) * (len(table) - 1)
    i = int(u)
    return table[i] + (u - i) * (table[i + 1] - table[i])


class Visits(NamedTuple):
    """The sessions to time."""

    sessions: np.ndarray
    """int64 [users + 1], places of each user's sessions in `sizes`"""
    sizes: np.ndarray
    """int32 [sessions], events in each"""
    offsets: np.ndarray
    """int64 [users + 1], places of each user's events"""
    after: np.ndarray
    """int64 [users], the time each was last seen, negative for a new one"""


def clock(rhythm: Rhythm, visits: Visits, seed: np.uint64, cores: int) -> np.ndarray:
    """Draw the time of every event: int64 [events], microseconds.

    A new user's last event is drawn first and the gaps lead back from it, drawn together where they would pass the
    earliest time that was fitted: a log that grows is cut off at its end, so its users' last events are the better
    anchor.
    """
    times = np.empty(visits.offsets[-1], dtype=np.int64)
    in_threads(
        lambda a, b: _clock(rhythm, visits, Users(seed, a, b), new_state(), times),
        len(visits.after),
        cores,
    )
    return times


@kernel
def _clock(rhythm, visits, users, state, times):  # type: ignore[no-untyped-def]
    """Time the events of some users: gaps are added up first, and then moved to where the user ends or goes on.

    How far apart sessions are is drawn by how many there are: who comes often comes soon again.
    """
    earliest, resolution = rhythm.bounds[0], rhythm.bounds[1]
    for u in range(users.first, users.last):
        _begin(state, users.seed, u)
        bucket = _bucket(visits.sessions[u + 1] - visits.sessions[u])
        fresh = visits.after[u] < 0
        end = _quantile(rhythm.last[bucket], state) if fresh else 0.0
        elapsed, place = 0.0, visits.offsets[u]
        for s in range(visits.sessions[u], visits.sessions[u + 1]):
            if s > visits.sessions[u] or not fresh:
                elapsed += _quantile(rhythm.between[bucket], state)
            for e in range(visits.sizes[s]):
                if e:
                    elapsed += _quantile(rhythm.within, state)
                times[place] = int(elapsed)
                place += 1
        begin = end - elapsed if fresh else float(visits.after[u])
        scale = 1.0
        if fresh and begin < earliest:
            begin, scale = float(earliest), (end - earliest) / elapsed
        for i in range(visits.offsets[u], visits.offsets[u + 1]):
            times[i] = int((begin + times[i] * scale) // resolution) * resolution
