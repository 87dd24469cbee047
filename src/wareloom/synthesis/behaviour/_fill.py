"""Outlines filled with items: of the right category and popularity, and such as followed those before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import sparse

from wareloom.shop import Log
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._outline import BANDS, Outline, bands
from wareloom.synthesis.behaviour._walk import TRIES, Plan, Table, _draw, _next, _stream, alias_table, in_threads

FEW = 6
"""Draws before something likelier is given up"""
NEAR = 1
"""Bands by which an item that is known to follow may differ from the outline's"""
REACH = 4
"""Latest items of a shopper that are asked what follows them"""


class Steps(NamedTuple):
    """What follows what, in segments: the followers of each are sorted by the group that they belong to."""

    indptr: np.ndarray
    """int64 [rows + 1]"""
    value: np.ndarray
    """int32 [entries]"""
    group: np.ndarray
    """int32 [entries], rising within each row"""
    above: np.ndarray
    """int32 [entries], group of the group, rising within each row"""
    below: np.ndarray
    """float64 [entries + 1], running sum of the counts"""
    discount: np.ndarray
    """float64 [1], taken off each count for what has not been seen"""


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
    value = counts.indices[order].astype(np.int32)
    once, twice = int((counts.data == 1).sum()), int((counts.data == 2).sum())
    discount = once / (once + 2 * twice) if once else 0.0
    below = np.concatenate([[0.0], np.cumsum(counts.data[order], dtype=np.float64)])
    return Steps(counts.indptr.astype(np.int64), value, group[value], above[value], below, np.array([discount]))


def fill(shelves: Shelves, outline: Outline, plan: Plan, seed: np.uint64, cores: int) -> np.ndarray:
    """Draw the items of the planned outlines: int32 [events], the same whatever the number of cores."""
    items = np.empty(plan.offsets[-1], dtype=np.int32)
    in_threads(lambda a, b: _fill(shelves, outline, plan, (seed, a, b), items), len(plan.template), cores)
    return items


@njit(cache=True)
def _first(values, low, high, value):  # type: ignore[no-untyped-def]
    """The first of the places low … high - 1 of rising values whose value is not below; `high` where there is none."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True)
def _segment(values, low, high, value):  # type: ignore[no-untyped-def]
    """Where a whole number stands among rising ones at the places low … high - 1: (first, one behind the last)."""
    first = _first(values, low, high, value)
    return first, _first(values, first, high, value + 1)


@njit(cache=True)
def _entry(steps, low, high, state):  # type: ignore[no-untyped-def]
    """Draw an entry by its count: (entry, whether the draw fell into what is taken off for the unseen)."""
    u = steps.below[low] + _next(state) * (steps.below[high] - steps.below[low])
    k = low
    last = high - 1
    while k < last:
        middle = (k + last) >> 1
        if steps.below[middle + 1] <= u:
            k = middle + 1
        else:
            last = middle
    return k, steps.below[k + 1] - u <= steps.discount[0]


@njit(cache=True)
def _had(items, a, e, item):  # type: ignore[no-untyped-def]
    for p in range(a, e):  # noqa: SIM110 - compiled
        if items[p] == item:
            return True
    return False


@njit(cache=True)
def _visited(shelves, items, a, e, shelf):  # type: ignore[no-untyped-def]
    """Whether one of the user's events a … e - 1 is in the category."""
    for p in range(a, e):  # noqa: SIM110 - compiled
        if shelves.shelf[items[p]] == shelf:
            return True
    return False


@njit(cache=True)
def _suits(shelves, items, a, e, shelf, peak):  # type: ignore[no-untyped-def]
    """Whether a category is new to the user and has items as popular as the most popular that the user will take."""
    return shelves.fit[shelf, peak] > 0.0 and not _visited(shelves, items, a, e, shelf)


@njit(cache=True)
def _known(shelves, items, a, e, back, wanted, state):  # type: ignore[no-untyped-def]
    """Draw an item that followed the one `back` places before, of those that the outline admits; -1 for none seen.

    `wanted`: (category, or -1 for a new one; level above; band of popularity; the highest band of the user's events in
    that category).
    """
    shelf, aisle, band, peak = wanted
    steps, row = shelves.next_item, items[e - back]
    low, high = steps.indptr[row], steps.indptr[row + 1]
    if shelf >= 0:
        low, high = _segment(steps.group, low, high, shelf)
    else:
        low, high = _segment(steps.above, low, high, aisle)
    if low == high:
        return -1
    for _ in range(FEW):
        k, unseen = _entry(steps, low, high, state)
        item = steps.value[k]
        fits = abs(shelves.band[item] - band) <= NEAR and not _had(items, a, e, item)
        if fits and (shelf >= 0 or _suits(shelves, items, a, e, shelves.shelf[item], peak)):
            return -1 if unseen else item
    return -1


@njit(cache=True)
def _new_shelf(shelves, items, a, e, wanted, state):  # type: ignore[no-untyped-def]
    """Draw a category of the level above that the user has not had, one in which items are about as popular."""
    _, aisle, band, peak = wanted
    steps, found = shelves.next_shelf, -1
    if e > a:
        row = shelves.shelf[items[e - 1]]
        low, high = _segment(steps.above, steps.indptr[row], steps.indptr[row + 1], aisle)
        for _ in range(FEW if low < high else 0):
            k, unseen = _entry(steps, low, high, state)
            if unseen:
                break
            found = steps.value[k]
            if _next(state) < shelves.fit[found, band] and _suits(shelves, items, a, e, found, peak):
                return found
    for known in (band, peak):
        row = _stocked(shelves.shelves, aisle * BANDS, known, state)
        for _ in range(TRIES):
            found = _draw(shelves.shelves, row, state)
            if _suits(shelves, items, a, e, found, peak):
                return found
    return found


@njit(cache=True)
def _stocked(table, row, band, state):  # type: ignore[no-untyped-def]
    """The row of the band nearest to `band` that is not empty, of those that begin with `row`."""
    side = 1 if _next(state) < 0.5 else -1
    for far in range(BANDS):
        for near in (band + side * far, band - side * far):
            if 0 <= near < BANDS and table.indptr[row + near + 1] > table.indptr[row + near]:
                return row + near
    return row + band


@njit(cache=True)
def _other_item(shelves, items, a, e, shelf, band, state):  # type: ignore[no-untyped-def]
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
                if not _had(items, a, e, item):
                    return item
            # Nearly all of them are had: the first that is not, from anywhere on.
            begin = int(_next(state) * (high - low))
            for k in range(high - low):
                item = shelves.items.value[low + (begin + k) % (high - low)]
                if not _had(items, a, e, item):
                    return item
    for _ in range(TRIES):
        item = int(_next(state) * len(shelves.shelf))
        if not _had(items, a, e, item):
            return item
    return item


@njit(cache=True)
def outlined(shelves, outline, plan, items, u, e, state):  # type: ignore[no-untyped-def]
    """What the outline of user u says of its event e: (item, or -1 where a new one is wanted; `wanted` of `_known`)."""
    a = plan.offsets[u]
    at = outline.offsets[plan.template[u]] + e - a
    aisle, band, peak = outline.aisle[at], outline.band[at], outline.peak[at]
    wanted = -1, aisle, band, peak
    if outline.same[at] >= 0:
        return items[a + outline.same[at]], wanted
    if e == a and len(plan.start):
        return plan.start[int(_next(state) * len(plan.start))], wanted
    if outline.shelf[at] >= 0:
        wanted = shelves.shelf[items[a + outline.shelf[at]]], aisle, band, peak
    return -1, wanted


@njit(cache=True)
def proposed(shelves, items, a, e, wanted, state):  # type: ignore[no-untyped-def]
    """Draw an item for the event e of a user whose events begin at a; `wanted` as `_known` has it."""
    for back in range(1, min(REACH, e - a) + 1):
        item = _known(shelves, items, a, e, back, wanted, state)
        if item >= 0:
            return item
    shelf, _, band, _ = wanted
    if shelf < 0:
        shelf = _new_shelf(shelves, items, a, e, wanted, state)
    return _other_item(shelves, items, a, e, shelf, band, state)


@njit(cache=True, nogil=True)
def _fill(shelves, outline, plan, part, items):  # type: ignore[no-untyped-def]
    """Fill the outlines first … last - 1 of `part` = (seed, first, last)."""
    seed, first, last = part
    for u in range(first, last):
        state = _stream(seed, u)
        a = plan.offsets[u]
        for e in range(a, plan.offsets[u + 1]):
            item, wanted = outlined(shelves, outline, plan, items, u, e, state)
            items[e] = item if item >= 0 else proposed(shelves, items, a, e, wanted, state)
