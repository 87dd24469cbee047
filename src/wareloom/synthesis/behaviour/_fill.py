"""Outlines filled with items: of the right category and popularity, and such as followed those before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import sparse

from wareloom.kernel import kernel
from wareloom.shop import Log
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._outline import BANDS, Outline, bands
from wareloom.synthesis.behaviour._walk import (
    TRIES,
    Plan,
    Table,
    _begin,
    _draw,
    _next,
    alias_table,
    in_threads,
    new_state,
)

FEW = 6
"""Draws before something likelier is given up"""
NEAR = 1
"""Bands by which an item that is known to follow may differ from the outline's"""
REACH = 4
"""Latest items of a shopper that are asked what follows them"""


class Steps(NamedTuple):
    """What followed what, event by event, so that a place drawn evenly is a follower drawn by its count."""

    indptr: np.ndarray
    """int64 [rows + 1]"""
    value: np.ndarray
    """int32 [events], followers; the last event of each follower in a row as ~follower"""
    group: np.ndarray
    """int32 [events], group of the follower, rising within those of one group above"""
    above: np.ndarray
    """int32 [events], group of the group, rising within each row"""
    discount: np.ndarray
    """float64 [1], taken off each count for what has not been seen"""


class Marks(NamedTuple):
    """Who had what last, so that one look tells whether a user did."""

    item: np.ndarray
    """int32 [items], the latest user to have each item; -1 for none"""
    shelf: np.ndarray
    """int32 [categories], the same"""


class Shelves(NamedTuple):
    """Where items stand, how popular they are, and what follows what."""

    shelf: np.ndarray
    """int32 [items], category"""
    aisle: np.ndarray
    """int32 [categories], category at a level above"""
    band: np.ndarray
    """int8 [items], popularity"""
    items: Table
    """Items by category and band: row category · BANDS + band"""
    shelves: Table
    """Categories by the level above and band: row level · BANDS + band"""
    next_item: Steps
    """Followers of items, grouped by category and the level above"""
    next_shelf: Steps
    """Followers of categories, grouped by the level above"""
    fit: np.ndarray
    """float32 [categories, BANDS], share of a band among a category's events beside the highest share of any"""


def fit_shelves(log: Log, shelf: np.ndarray, aisle: np.ndarray) -> Shelves:
    """Count what stands where and what follows what."""
    n, shelves = len(log.items), len(aisle)
    counts = np.bincount(log.item, minlength=n)
    row = shelf.astype(np.int64) * BANDS + bands(counts)
    where = sparse.csr_matrix((np.maximum(counts, 1.0), (row, np.arange(n))), shape=(shelves * BANDS, n))
    mass = np.bincount(row, weights=np.maximum(counts, 1.0), minlength=shelves * BANDS).reshape(shelves, BANDS)
    where_above = (aisle[:, None].astype(np.int64) * BANDS + np.arange(BANDS)).ravel()
    place = where_above, np.repeat(np.arange(shelves), BANDS)
    above = sparse.csr_matrix((mass.ravel(), place), shape=((int(aisle.max()) + 1) * BANDS, shelves))
    above.eliminate_zeros()
    share = mass / mass.sum(axis=1, keepdims=True)
    follow = _followers(log)
    of = sparse.csr_matrix((np.ones(n, np.float32), (np.arange(n), shelf)), shape=(n, shelves))
    between = (of.T @ follow @ of).tocsr()
    return Shelves(
        shelf,
        aisle,
        bands(counts),
        alias_table(where),
        alias_table(above),
        _steps(follow, shelf, aisle[shelf]),
        _steps(between, aisle, aisle),
        (share / np.maximum(share.max(axis=0), 1e-9)).astype(np.float32),
    )


def _followers(log: Log) -> sparse.csr_matrix:
    """How often item j came next after item i: float32 CSR [items, items]; of events at one time in either order."""
    n, inner = len(log.items), np.flatnonzero(np.diff(log.user, prepend=-1) == 0)
    one, two = log.item[inner - 1], log.item[inner]
    tied = (log.time[inner] == log.time[inner - 1]) & (log.time[inner] != NO_TIME)
    rows, columns = np.concatenate([one, two[tied]]), np.concatenate([two, one[tied]])
    moved = rows != columns
    ones = np.ones(int(moved.sum()), np.float32)
    return sparse.coo_matrix((ones, (rows[moved], columns[moved])), shape=(n, n)).tocsr()


def _steps(counts: sparse.csr_matrix, group: np.ndarray, above: np.ndarray) -> Steps:
    """Sort followers by groups; the discount is n1 / (n1 + 2 n2) of Ney, Essen and Kneser (1994)."""
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    order = np.lexsort((counts.indices, group[counts.indices], above[counts.indices], row))
    times = counts.data[order].astype(np.int64)
    once, twice = int((times == 1).sum()), int((times == 2).sum())
    discount = once / (once + 2 * twice) if once else 0.0
    ends = np.concatenate([[0], np.cumsum(times)])
    value = np.repeat(counts.indices[order].astype(np.int32), times)
    groups, groups_above = group[value].astype(np.int32), above[value].astype(np.int32)
    value[ends[1:] - 1] = ~value[ends[1:] - 1]
    return Steps(ends[counts.indptr], value, groups, groups_above, np.array([discount]))


def fill(shelves: Shelves, outline: Outline, plan: Plan, seed: np.uint64, cores: int) -> np.ndarray:
    """Draw the items of the planned outlines: int32 [events], the same whatever the number of cores."""
    items = np.empty(plan.offsets[-1], dtype=np.int32)

    def part(first: int, last: int) -> None:
        _fill(shelves, outline, plan, (seed, first, last), (new_state(), new_marks(shelves)), items)

    in_threads(part, len(plan.template), cores)
    return items


def new_marks(shelves: Shelves) -> Marks:
    """Marks of nobody."""
    return Marks(np.full(len(shelves.shelf), -1, np.int32), np.full(len(shelves.aisle), -1, np.int32))


@njit(inline="always")
def _first(values, low, high, value):  # type: ignore[no-untyped-def]
    """The first of the places low … high - 1 of rising values whose value is not below; `high` where there is none."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(inline="always")
def _segment(values, low, high, value):  # type: ignore[no-untyped-def]
    """Where a whole number stands among rising ones at the places low … high - 1: (first, one behind the last)."""
    if low < high and values[low] < value:
        low = _first(values, low, high, value)
    if low < high and values[high - 1] > value:
        high = _first(values, low, high, value + 1)
    return low, high


@njit(inline="always")
def _entry(steps, low, high, state):  # type: ignore[no-untyped-def]
    """Draw an event of the places low … high - 1: (place, follower, whether it is taken off for the unseen)."""
    k = low + int(_next(state) * (high - low))
    follower = steps.value[k]
    if follower >= 0:
        return k, follower, False
    return k, ~follower, _next(state) < steps.discount[0]


@njit(inline="always")
def put(shelves, marks, items, u, e, item):  # type: ignore[no-untyped-def]
    """Write down that the event e of user u is on an item."""
    items[e] = item
    marks.item[item] = u
    marks.shelf[shelves.shelf[item]] = u


@njit(inline="always")
def _suits(shelves, marks, u, shelf, peak):  # type: ignore[no-untyped-def]
    """Whether a category is new to the user and has items as popular as the most popular that the user will take."""
    return marks.shelf[shelf] != u and shelves.fit[shelf, peak] > 0.0


@njit(inline="always")
def _known(shelves, marks, row, u, wanted, state):  # type: ignore[no-untyped-def]
    """Draw an item that followed the item `row`, of those that the outline admits; -1 for none seen.

    `wanted`: (category, or -1 for a new one; level above; band of popularity; the highest band of the user's events in
    that category).
    """
    shelf, aisle, band, peak = wanted
    steps, found = shelves.next_item, -1
    above = shelves.aisle[shelf] if shelf >= 0 else aisle
    low, high = _segment(steps.above, steps.indptr[row], steps.indptr[row + 1], above)
    if shelf >= 0:
        low, high = _segment(steps.group, low, high, shelf)
    for _ in range(FEW if low < high else 0):
        k, item, unseen = _entry(steps, low, high, state)
        fits = abs(shelves.band[item] - band) <= NEAR and marks.item[item] != u
        if fits and (shelf >= 0 or _suits(shelves, marks, u, steps.group[k], peak)):
            found = -1 if unseen else item
            break
    return found


@njit(inline="always")
def _new_shelf(shelves, marks, before, u, wanted, state):  # type: ignore[no-untyped-def]
    """Draw a category of the level above that the user has not had, one in which items are about as popular.

    `before`: the user's item before; -1 for none.
    """
    _, aisle, band, peak = wanted
    steps, found, suits = shelves.next_shelf, -1, False
    if before >= 0:
        row = shelves.shelf[before]
        low, high = _segment(steps.above, steps.indptr[row], steps.indptr[row + 1], aisle)
        for _ in range(FEW if low < high else 0):
            _, found, unseen = _entry(steps, low, high, state)
            if unseen:
                break
            suits = _next(state) < shelves.fit[found, band] and _suits(shelves, marks, u, found, peak)
            if suits:
                break
    for known in (band, peak):
        if not suits:
            row = _stocked(shelves.shelves, aisle * BANDS, known, state)
            for _ in range(TRIES):
                found = _draw(shelves.shelves, row, state)
                suits = _suits(shelves, marks, u, found, peak)
                if suits:
                    break
    return found


@kernel
def _stocked(table, row, band, state):  # type: ignore[no-untyped-def]
    """The row of the band nearest to `band` that is not empty, of those that begin with `row`."""
    side = 1 if _next(state) < 0.5 else -1
    for far in range(BANDS):
        for near in (band + side * far, band - side * far):
            if 0 <= near < BANDS and table.indptr[row + near + 1] > table.indptr[row + near]:
                return row + near
    return row + band


@kernel
def _other_item(shelves, marks, u, shelf, band, state):  # type: ignore[no-untyped-def]
    """Draw an item of the category by its popularity that the user has not had, of the band or one near it."""
    side = 1 if _next(state) < 0.5 else -1
    for far in range(BANDS):
        for turn in range(2 if far else 1):
            near = band + far * (side - 2 * side * turn)
            row = shelf * BANDS + near
            low, high = shelves.items.indptr[row], shelves.items.indptr[row + 1]
            if not 0 <= near < BANDS or low == high:
                continue
            for _ in range(TRIES):
                item = _draw(shelves.items, row, state)
                if marks.item[item] != u:
                    return item
            # Nearly all of them are had: the first that is not, from anywhere on.
            begin = int(_next(state) * (high - low))
            for k in range(high - low):
                item = shelves.items.value[low + (begin + k) % (high - low)]
                if marks.item[item] != u:
                    return item
    for _ in range(TRIES):
        item = int(_next(state) * len(shelves.shelf))
        if marks.item[item] != u:
            return item
    return item


@njit(inline="always")
def outlined(shelves, outline, plan, items, u, e, state):  # type: ignore[no-untyped-def]
    """What the outline of user u says of its event e: (item, or -1 where a new one is wanted; `wanted` of `_known`)."""
    a = plan.offsets[u]
    at = outline.offsets[plan.template[u]] + e - a
    item, shelf = -1, -1
    if outline.same[at] >= 0:
        item = items[a + outline.same[at]]
    elif e == a and len(plan.start):
        item = plan.start[int(_next(state) * len(plan.start))]
    elif outline.shelf[at] >= 0:
        shelf = shelves.shelf[items[a + outline.shelf[at]]]
    return item, (shelf, outline.aisle[at], outline.band[at], outline.peak[at])


@njit(inline="always")
def proposed(shelves, marks, items, u, a, e, wanted, state):  # type: ignore[no-untyped-def]
    """Draw an item for the event e of user u whose events begin at a; `wanted` as `_known` has it."""
    item = -1
    for back in range(1, min(REACH, e - a) + 1):
        if item < 0:
            item = _known(shelves, marks, items[e - back], u, wanted, state)
    if item < 0:
        shelf, _, band, _ = wanted
        if shelf < 0:
            shelf = _new_shelf(shelves, marks, items[e - 1] if e > a else -1, u, wanted, state)
        item = _other_item(shelves, marks, u, shelf, band, state)
    return item


@kernel
def _fill(shelves, outline, plan, part, buffers, items):  # type: ignore[no-untyped-def]
    """Fill the outlines first … last - 1 of `part` = (seed, first, last); `buffers`: (state, marks)."""
    (seed, first, last), (state, marks) = part, buffers
    for u in range(first, last):
        _begin(state, seed, u)
        a = plan.offsets[u]
        for e in range(a, plan.offsets[u + 1]):
            item, wanted = outlined(shelves, outline, plan, items, u, e, state)
            if item < 0:
                item = proposed(shelves, marks, items, u, a, e, wanted, state)
            put(shelves, marks, items, u, e, item)
