"""Outlines filled with items: of the right category and popularity, and as well known beside those before them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.core.kernel import kernel
from wareloom.synthesis.behaviour._outline import BANDS, Outline
from wareloom.synthesis.behaviour._shelves import REACH, Shelves, entry, followed, followers
from wareloom.synthesis.behaviour._walk import (
    TRIES,
    Plan,
    _begin,
    _draw,
    _next,
    in_threads,
    new_state,
)

FEW = 6
"""Draws before something likelier is given up"""
MANY = 30
"""Draws of a follower where one is known to be wanted"""
MATCHES = 8
"""Followers among which one is sought that followed the earlier items, too"""
NEAR = 1
"""Bands by which an item that is known to follow may differ from the outline's"""
HERE = -2
"""Category of the next item where it is the category of the item before it, which is yet to be drawn"""


class Marks(NamedTuple):
    """Who had what last, so that one look tells whether a user did."""

    item: np.ndarray
    """int32 [items], the latest user to have each item; -1 for none"""
    shelf: np.ndarray
    """int32 [categories], the same"""


def fill(
    shelves: Shelves, outline: Outline, plan: Plan, how: tuple[int, np.uint64, int]
) -> np.ndarray:
    """Draw the items of the planned outlines: int32 [events], the same whatever the number of cores.

    `how`: (tries of an item that others follow as the outline has it, seed, cores).
    """
    tries, seed, cores = how
    items = np.empty(plan.offsets[-1], dtype=np.int32)

    def part(first: int, last: int) -> None:
        _fill(
            shelves,
            outline,
            plan,
            (seed, first, last, tries),
            (new_state(), new_marks(shelves)),
            items,
        )

    in_threads(part, len(plan.template), cores)
    return items


def new_marks(shelves: Shelves) -> Marks:
    """Marks of nobody."""
    return Marks(
        np.full(len(shelves.shelf), -1, np.int32), np.full(len(shelves.aisle), -1, np.int32)
    )


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


@kernel
def _follower(shelves, marks, row, u, place, tries, state):  # type: ignore[no-untyped-def]
    """Draw an item that followed the item `row` by its count less the discount, of those that the outline admits.

    `place`: (category, or -1 for a new one; level above; band of popularity; the highest band of the user's events in
    that category). -1 where none is met in so many tries.
    """
    shelf, aisle, band, peak = place
    steps, found = shelves.next_item, -1
    low, high = followers(steps, row, shelf, shelves.aisle[shelf] if shelf >= 0 else aisle)
    for _ in range(tries if low < high else 0):
        k, item, unseen = entry(steps, low, high, state)
        fits = not unseen and abs(shelves.band[item] - band) <= NEAR and marks.item[item] != u
        if fits and (shelf >= 0 or _suits(shelves, marks, u, steps.group[k], peak)):
            found = item
            break
    return found


@njit(inline="always")
def _known(shelves, marks, items, u, e, place, after, state):  # type: ignore[no-untyped-def]
    """Draw a follower of the nearest of the events `after` before the event e, best one of all of them; -1 for none."""
    nearest, found, best = lowest(after), -1, -1
    rest, wanted = after & (after - 1), 0
    for back in range(nearest + 1, REACH + 1):
        wanted += rest >> (back - 1) & 1
    for _ in range(MATCHES if rest else 1):
        item = _follower(shelves, marks, items[e - nearest], u, place, MANY, state)
        have = 0
        for back in range(nearest + 1, REACH + 1 if item >= 0 else 0):
            if rest >> (back - 1) & 1 and followed(shelves, items[e - back], item, 0):
                have += 1
        if item >= 0 and have > best:
            found, best = item, have
        if item < 0 or have == wanted:
            break
    return found


@njit(inline="always")
def lowest(mask):  # type: ignore[no-untyped-def]
    """Number of the lowest bit that is set, from 1 to `REACH`; 0 where none is."""
    for bit in range(1, REACH + 1):
        if mask >> (bit - 1) & 1:
            return bit
    return 0


@kernel
def _new_shelf(shelves, marks, before, u, place, state):  # type: ignore[no-untyped-def]
    """Draw a category of the level above that the user has not had, one in which items are about as popular.

    `before`: the user's item before; -1 for none.
    """
    _, aisle, band, peak = place
    found, suits = -1, False
    if before >= 0:
        low, high = followers(shelves.next_shelf, shelves.shelf[before], -1, aisle)
        for _ in range(FEW if low < high else 0):
            _, found, unseen = entry(shelves.next_shelf, low, high, state)
            if unseen:
                break
            suits = _next(state) < shelves.fit[found, band] and _suits(
                shelves, marks, u, found, peak
            )
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
def _place(shelves, outline, items, a, e, at):  # type: ignore[no-untyped-def]
    """`place` of `_follower` as the outline has it at the place `at`, for a user whose events a … e - 1 are filled."""
    shelf, first = -1, outline.shelf[at]
    if first == e - a:
        shelf = HERE
    elif 0 <= first < e - a:
        shelf = shelves.shelf[items[a + first]]
    return shelf, outline.aisle[at], outline.band[at], outline.peak[at]


@njit(inline="always")
def outlined(shelves, outline, plan, items, u, e, state):  # type: ignore[no-untyped-def]
    """What the outline of user u says of its event e: (item, or -1 where a new one is wanted; what is wanted).

    What is wanted: (`place` of `_follower`, which of the events before it is known to follow, `place` of the next event
    whose nearest known step is from this one, and how far off it is, 0 where none is).
    """
    a = plan.offsets[u]
    at = outline.offsets[plan.template[u]] + e - a
    item, heir = -1, 0
    if outline.same[at] >= 0:
        item = items[a + outline.same[at]]
    elif e == a and len(plan.start):
        item = plan.start[int(_next(state) * len(plan.start))]
    for far in range(1, min(REACH, plan.offsets[u + 1] - 1 - e) + 1 if item < 0 else 0):
        if lowest(outline.after[at + far]) == far:
            heir = far
            break
    here = _place(shelves, outline, items, a, e, at)
    return item, (here, outline.after[at], _place(shelves, outline, items, a, e, at + heir), heir)


@njit(inline="always")
def _leads(shelves, marks, item, u, place, state):  # type: ignore[no-untyped-def]
    """Whether one draw of what follows the item is such as `place` wants: so often as it is, the item is kept."""
    shelf, aisle, band, peak = place
    if shelf == HERE:
        shelf = shelves.shelf[item]
    return _follower(shelves, marks, item, u, (shelf, aisle, band, peak), 1, state) >= 0


@njit(inline="always")
def _drawn(shelves, marks, items, u, span, place, after, state):  # type: ignore[no-untyped-def]
    """Draw an item for the event e of user u; `span`: (where the user's events begin, e)."""
    (a, e), item = span, -1
    if after:
        item = _known(shelves, marks, items, u, e, place, after, state)
        for back in range(1, min(REACH, e - a) + 1):
            if item < 0:
                item = _follower(shelves, marks, items[e - back], u, place, MANY, state)
    if item < 0:
        shelf, _, band, _ = place
        if shelf < 0:
            shelf = _new_shelf(shelves, marks, items[e - 1] if e > a else -1, u, place, state)
        item = _other_item(shelves, marks, u, shelf, band, state)
    return item


@njit(inline="always")
def proposed(shelves, marks, items, u, span, wanted, tries, state):  # type: ignore[no-untyped-def]
    """Draw an item for the event e of user u that leads on to the next where that is known to follow it.

    `span`: (where the user's events begin, e); `wanted`: see `outlined`; `tries`: how many are drawn at most until one
    leads on.
    """
    place, after, then, heir = wanted
    item = -1
    for t in range(tries if heir else 1):
        item = _drawn(shelves, marks, items, u, span, place, after, state)
        if heir == 0 or t == tries - 1 or _leads(shelves, marks, item, u, then, state):
            break
    return item


@kernel
def _fill(shelves, outline, plan, part, buffers, items):  # type: ignore[no-untyped-def]
    """Fill the outlines first … last - 1 of `part` = (seed, first, last, tries); `buffers`: (state, marks)."""
    (seed, first, last, tries), (state, marks) = part, buffers
    for u in range(first, last):
        _begin(state, seed, u)
        a = plan.offsets[u]
        for e in range(a, plan.offsets[u + 1]):
            item, wanted = outlined(shelves, outline, plan, items, u, e, state)
            if item < 0:
                item = proposed(shelves, marks, items, u, (a, e), wanted, tries, state)
            put(shelves, marks, items, u, e, item)
