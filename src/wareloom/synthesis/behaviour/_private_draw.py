"""Draws shoppers from private tables: lengths, sessions, times, kinds and items, all users side by side."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._private_items import Catalogue
from wareloom.synthesis.behaviour._private_questions import (
    DAY,
    EARLIER,
    GAPS,
    HOUR,
    HOURS,
    LONGEST,
    NEW,
    SLICES,
    THURSDAY,
    WEEK,
    WITHIN,
)

TRIES = 8
"""Draws of an item at most until it is one that the user did not have"""
GOLDEN = 0.6180339887498949
"""Step of the sequence that fills an interval most evenly"""
SPARE = 1e-3
"""Share of its popularity that an item is drawn by beyond what was allotted to it"""


class Clock(NamedTuple):
    """When shoppers come, as shares."""

    hours: np.ndarray
    """float64 [HOURS + 1]; the last is the share of unknown times"""
    begins: np.ndarray
    """float64 [SLICES]"""
    gaps: np.ndarray
    """float64 [classes + 1, classes], given the class before"""
    bounds: np.ndarray
    """int64 [3]: first and last time, microseconds, and the resolution"""


class Walk(NamedTuple):
    """What leads from item to item."""

    popularity: np.ndarray
    """float64 [items]"""
    category_table: np.ndarray
    """float64 [categories, categories], chances of the next given the present one"""
    leaf_share: np.ndarray
    """float64 [1], share of the leaf category among steps that stay in a category"""
    text_share: np.ndarray
    """float64 [1], share of steps that go to a neighbour"""
    neighbour_ends: np.ndarray
    """float32 [items, neighbours], running sums of chances"""
    pair_start: np.ndarray
    """int64 [items + 1], places of each item's known followers"""
    pair_item: np.ndarray
    """int32 [pairs]"""
    pair_ends: np.ndarray
    """float64 [pairs], running sums of chances from their item; what is missing to 1 goes otherwise"""
    allotted: np.ndarray
    """bool [1], whether items are drawn as often as their popularity says, as nearly as steps let them"""


def drawn(shares: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` cells by their shares: int64 [n]."""
    ends = np.cumsum(shares)
    return np.minimum(
        np.searchsorted(ends, rng.random(n) * ends[-1], side="right"), len(shares) - 1
    )


def drawn_rows(ends: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one column of each row of running sums, float [rows, columns]: int64 [rows]."""
    at = rng.random(len(ends)) * ends[:, -1]
    return np.minimum((ends <= at[:, None]).sum(axis=1), ends.shape[1] - 1)


def sessions_of(shares: np.ndarray, length: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whether a session begins with each place of each user: bool [users, longest]."""
    n, longest = len(length), int(length.max())
    begins = np.zeros((n, longest), dtype=bool)
    left = np.zeros(n, dtype=np.int64)
    for place in range(longest):
        begins[:, place] = left == 0
        left = np.where(left == 0, 1 + drawn(shares, n, rng), left) - 1
    return begins


def kinds_of(table: np.ndarray, n: int, longest: int, rng: np.random.Generator) -> np.ndarray:
    """Kinds of event by a chain, int8 [users, longest]; row 0 of `table` is for the first."""
    ends, before = np.cumsum(table, axis=1), np.full(n, -1)
    found = np.zeros((n, longest), dtype=np.int8)
    for place in range(longest):
        before = drawn_rows(ends[before + 1], rng)
        found[:, place] = before
    return found


def times_of(clock: Clock, begins: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Times of the places of each user, int64 [users, longest]: gap after gap, moved to the hours of the week."""
    n, longest = begins.shape
    since, until, resolution = (int(each) for each in clock.bounds)
    span = max(until - since, 1)
    inside, beyond = clock.gaps.copy(), clock.gaps.copy()
    inside[:, WITHIN:] = 0
    beyond[:, :WITHIN] = 0
    inside[inside.sum(axis=1) <= 0, 0] = 1.0
    beyond[beyond.sum(axis=1) <= 0, WITHIN:] = 1.0
    ends = np.cumsum(inside, axis=1), np.cumsum(beyond, axis=1)
    upper = np.append(GAPS[1:], LONGEST).astype(np.float64)
    lower = np.maximum(GAPS, 1).astype(np.float64)
    found = np.empty((n, longest), dtype=np.int64)
    start = (drawn(clock.begins, n, rng) + rng.random(n)) / SLICES
    now = since + (start * span).astype(np.int64)
    before = np.full(n, -1)
    for place in range(longest):
        new = begins[:, place]
        if place:
            rows = np.where(new[:, None], ends[1][before + 1], ends[0][before + 1])
            before = drawn_rows(rows, rng)
            gap = lower[before] * (upper[before] / lower[before]) ** rng.random(n)
            now = now + np.where(before == 0, 0, gap).astype(np.int64)
        moved = _to_hours(clock.hours, now, np.where(place == 0, WEEK, GAPS[before]), rng)
        if place == 0:
            moved = np.where(moved < since, moved + WEEK, moved)
        earliest = found[:, place - 1] if place else np.full(n, since)
        now = np.where(new, np.maximum(moved, earliest), now)
        found[:, place] = now
    # Who would go on beyond the end began weeks earlier, or goes faster.
    late = -(-np.maximum(found[:, -1] - until, 0) // WEEK)
    found -= (np.minimum(late, (found[:, 0] - since) // WEEK) * WEEK)[:, None]
    begin = found[:, :1]
    length = np.maximum(found[:, -1:] - begin, 1)
    pressed = begin + ((found - begin) * ((until - begin) / length)).astype(np.int64)
    found = np.where(found[:, -1:] > until, pressed, found)
    return np.maximum(found // resolution * resolution, -(-since // resolution) * resolution)


def _to_hours(
    shares: np.ndarray, now: np.ndarray, gap: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Move times to hours of the week that are drawn, by half a week at most; after less than a week, of the day."""
    if shares[:HOURS].sum() <= 0:
        return now
    wanted = drawn(shares[:HOURS], len(now), rng)
    hour = (now + THURSDAY) % WEEK // HOUR
    week = (wanted - hour + HOURS // 2) % HOURS - HOURS // 2
    day = (wanted - hour + 12) % 24 - 12
    return np.asarray(now + np.where(gap >= WEEK, week, np.where(gap >= DAY, day, 0)) * HOUR)


def without_times(time: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Times of which a share is unknown."""
    return np.where(rng.random(time.shape) < share, NO_TIME, time)


class _Shelves(NamedTuple):
    """Items in the order of category and leaf, and where each of both begins and ends."""

    order: np.ndarray
    category: np.ndarray
    leaf: np.ndarray


def _shelves(items: Catalogue) -> _Shelves:
    order = np.lexsort((items.leaf, items.category))
    category, leaf = items.category[order], items.leaf[order]
    bounds = np.searchsorted(category, np.arange(items.categories[0] + 1))
    new = np.append(True, (np.diff(category) != 0) | (np.diff(leaf) != 0))
    starts = np.append(np.flatnonzero(new), len(order))
    run = np.cumsum(new) - 1
    own = np.empty((len(order), 2), dtype=np.int64)
    own[order, 0], own[order, 1] = starts[run], starts[run + 1]
    return _Shelves(order, np.stack([bounds[:-1], bounds[1:]], axis=1), own)


def items_of(
    items: Catalogue,
    walk: Walk,
    length: np.ndarray,
    turns: np.ndarray,
    first: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Items of the places of each user, int32 [users, longest]; places beyond a length are -1.

    `turns`, int8 [users, longest]: NEW, LAST or EARLIER. `first`, int32 [users]: the item that each begins with, -1 to
    draw it.
    """
    n, longest = turns.shape
    found = np.full((n, longest), -1, dtype=np.int32)
    drawer = _Drawer(items, walk, int(length.sum()), rng)
    for place in range(longest):
        users = np.flatnonzero(length > place)
        if place == 0:
            chosen = np.where(first >= 0, first, drawer.anything(n, rng))
        else:
            chosen = found[users, place - 1].copy()
            again = turns[users, place] == EARLIER
            chosen[again] = found[users[again], (rng.random(again.sum()) * place).astype(int)]
            new = turns[users, place] == NEW
            chosen[new] = drawer.others(found[users[new], :place], rng)
        found[users, place] = chosen
        drawer.count(chosen)
    return found


class _Drawer:
    """Draws items, by what is left of what was allotted to each."""

    def __init__(self, items: Catalogue, walk: Walk, events: int, rng: np.random.Generator) -> None:
        self.items, self.walk, self.shelves = items, walk, _shelves(items)
        popularity = walk.popularity + SPARE * walk.popularity.mean() + 1e-12
        self.share = popularity / popularity.sum()
        self.left = self.share * events
        self.phase, self.visits = rng.random(len(self.share)), np.zeros(len(self.share), np.int64)
        self.chain = np.cumsum(walk.category_table, axis=1)
        self.chance = np.zeros(len(self.share))
        full = np.diff(walk.pair_start) > 0
        self.chance[full] = walk.pair_ends[walk.pair_start[1:][full] - 1]
        row = np.repeat(np.arange(len(self.share)), np.diff(walk.pair_start))
        self.pair_keys = row + walk.pair_ends * 0.999999
        self._weigh()

    def count(self, chosen: np.ndarray) -> None:
        """Take what was drawn off what is left."""
        self.left -= np.bincount(chosen, minlength=len(self.left))
        if self.walk.allotted[0]:
            self._weigh()

    def _weigh(self) -> None:
        weight = self.share
        if self.walk.allotted[0]:
            weight = np.maximum(self.left, 0.0) + SPARE * self.share * max(self.left.sum(), 1.0)
        self.ends = np.concatenate([[0.0], np.cumsum(weight[self.shelves.order])])

    def anything(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Items of the whole catalogue."""
        return self._within(np.zeros(n, dtype=np.int64), np.full(n, len(self.share)), rng)

    def others(self, before: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """An item after those before, int32 [users, places], that is none of them where that can be had."""
        found = np.zeros(len(before), dtype=np.int32)
        rows = np.arange(len(before))
        for tried in range(TRIES):
            found[rows] = self._step(before[rows, -1], rng, far=tried > TRIES // 2)
            rows = rows[(before[rows] == found[rows, None]).any(axis=1)]
            if not len(rows):
                break
        return found

    def _step(self, last: np.ndarray, rng: np.random.Generator, *, far: bool) -> np.ndarray:
        found = self._category_step(last, rng)
        ends = self.walk.neighbour_ends
        if ends.shape[1]:
            text = (rng.random(len(last)) < self.walk.text_share[0]) & (ends[last, -1] > 0)
            text &= not far
            found[text] = self._neighbour(last[text])
        if len(self.pair_keys):
            u = rng.random(len(last))
            known = u < self.chance[last]
            at = np.searchsorted(self.pair_keys, last[known] + u[known] * 0.999999, side="right")
            found[known] = self.walk.pair_item[np.minimum(at, len(self.pair_keys) - 1)]
        return found

    def _neighbour(self, last: np.ndarray) -> np.ndarray:
        """A neighbour of each item. Visits to one item are spread over its neighbours, not drawn apart from each other.

        The k-th visit takes the place of u + kφ modulo 1 among the running sums: so few visits come as near to the
        chances as many independent ones would.
        """
        order = np.argsort(last, kind="stable")
        ordered = last[order]
        new = np.append(True, np.diff(ordered) != 0) if len(ordered) else np.zeros(0, bool)
        start = np.maximum.accumulate(np.where(new, np.arange(len(ordered)), 0))
        visit = np.empty(len(last), dtype=np.int64)
        visit[order] = self.visits[ordered] + np.arange(len(ordered)) - start
        self.visits += np.bincount(last, minlength=len(self.visits))
        ends = self.walk.neighbour_ends[last]
        at = (self.phase[last] + visit * GOLDEN) % 1.0 * ends[:, -1]
        place = np.minimum((ends <= at[:, None]).sum(axis=1), ends.shape[1] - 1)
        return np.asarray(self.items.neighbour[last, place])

    def _category_step(self, last: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        here = self.items.category[last]
        there = drawn_rows(self.chain[here], rng)
        own = (there == here) & (rng.random(len(last)) < self.walk.leaf_share[0])
        span = np.where(own[:, None], self.shelves.leaf[last], self.shelves.category[there])
        return self._within(span[:, 0], span[:, 1], rng)

    def _within(self, low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        empty = high <= low
        low, high = np.where(empty, 0, low), np.where(empty, len(self.share), high)
        at = self.ends[low] + rng.random(len(low)) * (self.ends[high] - self.ends[low])
        place = np.searchsorted(self.ends, at, side="right") - 1
        place = np.minimum(np.maximum(place, low), high - 1)
        return self.shelves.order[place].astype(np.int32)
