"""Learning structure from real outlines, and drawing outlines that are nobody's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit

from wareloom.shop import Log
from wareloom.synthesis.behaviour._dates import UNKNOWN
from wareloom.synthesis.behaviour._learned import clock as c
from wareloom.synthesis.behaviour._learned import habits as h
from wareloom.synthesis.behaviour._learned.clock import Clock, Lengths, log_class
from wareloom.synthesis.behaviour._learned.decisions import _walk_on
from wareloom.synthesis.behaviour._learned.fit_clock import NOTHING, draw_times, fit_clock
from wareloom.synthesis.behaviour._learned.habits import (
    Habits,
    HabitsSeen,
    Room,
    first_in,
    first_of_category,
)
from wareloom.synthesis.behaviour._learned.tables import Seen, nothing_seen, table
from wareloom.synthesis.behaviour._outline import ANY, NEW, POPULARITY_BUCKETS, UNPRICED, Outline
from wareloom.synthesis.behaviour._walk import LOOK_BACK, Users, in_threads, new_state

MOST_PARENTS = 200
"""Parent categories up to which a new one is drawn by the one before"""
LEAST = 10
"""Users of a class of lengths, at least"""


class Structure(NamedTuple):
    """All that outlines are drawn from."""

    low: np.ndarray
    """int64 [classes], least number of events of each class of users"""
    high: np.ndarray
    """int64 [classes], the most"""
    share: np.ndarray
    """float64 [classes], cumulative"""
    edges: np.ndarray
    """int64, numbers of events at which the wider classes begin"""
    clock: Clock
    habits: Habits


def fit_structure(outline: Outline, log: Log, parents: int, min_users: int) -> Structure:
    """Learn from the outlines of the users of a log who all have events; `parents`: how many there are."""
    size = log.lengths()
    low, high, share = _sizes(size, outline.weight, max(1, min_users))
    edges = np.unique(np.quantile(size, np.arange(c.LENGTHS) / c.LENGTHS).astype(np.int64))
    lengths = _lengths(size, edges)
    clock = fit_clock(log, lengths, outline.weight, min_users)
    branded, lasts = bool((outline.same_brand != ANY).any()), 1
    if parents <= MOST_PARENTS:
        lasts = parents + 1
    bounds = np.array([*outline.bounds[:3], branded, lasts], dtype=np.int64)
    empty = _nothing_learned(_ranks(outline.parent, parents), clock.brief, bounds)
    seen = HabitsSeen(*(nothing_seen(len(log)) for _ in HabitsSeen._fields))
    users = Users(np.uint64(0), 0, len(size))
    _walk_on(empty, outline, seen, lengths, users, _room(parents), True)
    user = log.user
    own = outline.weight[user]

    def learned(of: Seen, sizes: tuple[int, ...], outcomes: int) -> np.ndarray:
        return table(of, user, own, sizes, outcomes, min_users)

    again, back = np.zeros((2, 2, h.LAGS)), np.zeros((2, 2, h.LAGS))
    _lags(outline, lengths, again, back)
    habits = Habits(
        learned(seen.begin, h.BEGIN, 2),
        learned(seen.action, h.ACTION, 3 * h.KINDS),
        learned(seen.category, h.CATEGORY, 3),
        learned(seen.parent, h.PARENT, 3),
        learned(seen.fresh, (h.FRESH, lasts), parents),
        learned(seen.brand, h.BRAND, 4),
        learned(seen.bucket, h.BUCKET, POPULARITY_BUCKETS),
        learned(seen.price, h.PRICE, h.PRICES),
        learned(seen.known, h.KNOWN, 16),
        learned(seen.place, h.PLACE, 3 * h.FARS + 1),
        learned(seen.middle, h.MIDDLE, h.SIDES),
        _weights(again),
        _weights(back),
        empty.rank,
        clock.brief,
        bounds,
    )
    return Structure(low, high, share, edges, clock, habits)


def _nothing_learned(rank: np.ndarray, brief: np.ndarray, bounds: np.ndarray) -> Habits:
    """Habits before anything is counted."""
    even, none = np.ones((2, h.LAGS)), NOTHING
    chances = none, none, none, none, none, none, none, none, none, none, none
    return Habits(*chances, even, even, rank, brief, bounds)


def _ranks(parent: np.ndarray, parents: int) -> np.ndarray:
    """Class of each parent by how common it is, and of none: int64 [parents + 1]."""
    rank = np.full(parents + 1, h.RANKS - 1, dtype=np.int64)
    order = np.argsort(-np.bincount(parent, minlength=parents), kind="stable")
    rank[order] = np.minimum(np.arange(parents), h.RANKS - 2)
    return rank


def _room(parents: int) -> Room:
    return Room(new_state(), np.zeros(h.MEMORY), np.zeros(parents + 2, np.int32))


def _lengths(size: np.ndarray, edges: np.ndarray) -> Lengths:
    of = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, c.LENGTHS - 1)
    return Lengths(np.concatenate([[0], np.cumsum(size)]).astype(np.int64), of.astype(np.int64))


def _sizes(
    size: np.ndarray, weight: np.ndarray, min_users: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes of numbers of events that some users share: one number, or all from one to another."""
    order = np.argsort(size, kind="stable")
    size, weight = size[order], weight[order]
    values, first, users = np.unique(size, return_index=True, return_counts=True)
    weighs = np.add.reduceat(weight, first)
    low, high, share, at = [], [], [], 0
    while at < len(values):
        end, many = at, 0
        while end < len(values) and many < max(LEAST, min_users):
            many += int(users[end])
            end += 1
        if int(users[end:].sum()) < max(LEAST, min_users):
            end = len(values)
        low.append(values[at])
        high.append(values[end - 1])
        share.append(weighs[at:end].sum())
        at = end
    if len(low) > 1:
        # The longest of all would be one user's number.
        high[-1] = max(low[-1], int(size[-min(len(size), max(LEAST, min_users))]))
    return np.array(low), np.array(high), np.cumsum(share) / np.sum(share)


@njit(cache=True, nogil=True)
def _lags(outline, lengths, again, back):  # type: ignore[no-untyped-def]
    """How often what was had comes again by how long ago it was, and how often it might have: [2, sessions, LAGS]."""
    for u in range(len(lengths.of)):
        first, session = lengths.offsets[u], lengths.offsets[u]
        for e in range(first, lengths.offsets[u + 1]):
            if outline.starts[e]:
                session = e
            if e == first:
                continue
            old = outline.same_item[e] >= 0
            if old and first + outline.same_item[e] != first_in(outline, first, e - 1):
                _lag(outline, first, e, session, False, again)
            known = outline.same_category[e]
            if not old and known >= 0 and first + known != first_of_category(outline, first, e - 1):
                _lag(outline, first, e, session, True, back)


@njit(cache=True, nogil=True)
def _lag(outline, first, e, session, category, counts):  # type: ignore[no-untyped-def]
    begin = max(first, e - LOOK_BACK)
    if category:
        mine, last = first + outline.same_category[e], first_of_category(outline, first, e - 1)
    else:
        mine, last = first + outline.same_item[e], first_in(outline, first, e - 1)
    there, hits = 0, 0
    for at in range(begin, e):
        root = first_of_category(outline, first, at) if category else first_in(outline, first, at)
        there += 1 if root != last else 0
        hits += 1 if root == mine else 0
    if hits == 0:
        return
    for at in range(begin, e):
        root = first_of_category(outline, first, at) if category else first_in(outline, first, at)
        here, lag = 1 if at >= session else 0, log_class(e - at, h.LAGS)
        if root != last:
            counts[1, here, lag] += 1.0 / there
        if root == mine:
            counts[0, here, lag] += 1.0 / hits


def _weights(counts: np.ndarray) -> np.ndarray:
    """How often beside how often it might have been, at most 1: float64 [sessions, LAGS]."""
    ratio = (counts[0] + 0.5) / (counts[1] + 0.5)
    seen = ratio[counts[1] > 1.0]
    top = seen.max() if len(seen) else 1.0
    return np.clip(ratio / max(top, 1e-9), 0.0, 1.0)


def draw_structure(
    structure: Structure, n: int, rng: np.random.Generator, seed: np.uint64, cores: int
) -> Outline:
    """Outlines of `n` users that are nobody's, the same whatever the number of cores."""
    of = np.searchsorted(structure.share, rng.random(n) * structure.share[-1], side="right")
    of = np.minimum(of, len(structure.low) - 1)
    size = structure.low[of] + (
        rng.random(n) * (structure.high[of] - structure.low[of] + 1)
    ).astype(np.int64)
    lengths = _lengths(size, structure.edges)
    outline = _blank(lengths.offsets, draw_times(structure.clock, lengths, seed, cores), structure)
    parents, habits = structure.habits.fresh.shape[1], structure.habits
    seen = HabitsSeen(*(nothing_seen(0) for _ in HabitsSeen._fields))

    def part(first: int, last: int) -> None:
        users = Users(seed ^ np.uint64(0x5DEECE66D), first, last)
        _walk_on(habits, outline, seen, lengths, users, _room(parents), False)

    in_threads(part, n, cores)
    return _completed(outline, lengths)


def _blank(offsets: np.ndarray, time: np.ndarray, structure: Structure) -> Outline:
    """Outlines of which nothing but times is decided."""
    events, bounds = int(offsets[-1]), structure.habits.bounds
    return Outline(
        offsets,
        time,
        np.zeros(events, bool),
        np.zeros(events, np.int8),
        np.full(events, -1, np.int32),
        np.full(events, -1, np.int32),
        np.full(events, NEW, np.int32),
        np.ones(events, np.int16),
        np.ones(events, np.int16),
        np.zeros(events, np.int32),
        np.zeros(events, np.int8),
        np.zeros(events, np.int8),
        np.zeros(events, np.uint8),
        np.full(events, UNPRICED, np.int8),
        np.full(events, UNKNOWN, np.int8),
        np.zeros(events, np.int64),
        np.zeros(events, np.int64),
        np.ones(len(offsets) - 1),
        np.array([*bounds[:3], 0], dtype=np.int64),
    )


def _completed(outline: Outline, lengths: Lengths) -> Outline:
    """The outlines with what follows from the rest: highest buckets of categories, items of a brand."""
    offsets, events = lengths.offsets, len(outline.time)
    first = np.repeat(offsets[:-1], np.diff(offsets))
    row = np.arange(events)

    def root(same: np.ndarray) -> np.ndarray:
        return np.where(same >= 0, first + same, row)

    category, brand = root(outline.same_category), root(outline.same_brand)
    peak = np.zeros(events, np.int8)
    np.maximum.at(peak, category, outline.bucket)
    rows = pl.DataFrame(
        {"b": brand, "p": outline.parent, "c": category, "new": outline.same_item < 0}
    )
    many = rows.select(
        below=pl.col("new").sum().over("b", "p").clip(1, 2**15 - 1),
        within=pl.col("new").sum().over("b", "c").clip(1, 2**15 - 1),
    )
    return outline._replace(
        peak=peak[category],
        brand_below=many["below"].to_numpy().astype(np.int16),
        brand_within=many["within"].to_numpy().astype(np.int16),
    )
