"""Outlines filled with items: of the right category and popularity, and as well known beside those before them."""

from __future__ import annotations

import numpy as np
from numba import njit

from wareloom.core.kernel import kernel
from wareloom.synthesis.behaviour._candidates import (
    REACH,
    Candidates,
    entry,
    first_of,
    followed,
    followers,
    segment,
)
from wareloom.synthesis.behaviour._dates import AFTER, BEFORE, UNKNOWN, as_old, sold
from wareloom.synthesis.behaviour._outline import ANY, POPULARITY_BUCKETS, Outline
from wareloom.synthesis.behaviour._slots import (
    HERE,
    Event,
    Wanted,
    as_dear,
    freely,
    new_latest,
    on_sale,
    slot_of,
    suitable,
)
from wareloom.synthesis.behaviour._walk import (
    TRIES,
    Plan,
    Users,
    _begin,
    _draw,
    _next,
    in_threads,
    new_state,
)

WIDER = 4
"""Stretches of time, each four times as long as the one before, in which an item of a date is sought"""
DATED = 12
"""Events of such a stretch that are tried"""
FEW = 6
"""Draws before something likelier is given up"""
MANY = 30
"""Draws of a follower where one is known to be wanted"""
MATCHES = 8
"""Followers among which one is sought that followed the earlier items, too"""
NEAR = 1
"""Popularity buckets by which an item that is known to follow may differ from the outline's"""


def fill(
    candidates: Candidates, outline: Outline, plan: Plan, tries: int, seed: np.uint64, cores: int
) -> np.ndarray:
    """Draw the items of the planned outlines: int32 [events], the same whatever the number of cores.

    `tries`: items that are drawn at most until one leads on to what is known to follow it.
    """
    items = np.empty(plan.offsets[-1], dtype=np.int32)

    def part(first: int, last: int) -> None:
        users, latest = Users(seed, first, last), new_latest(candidates)
        _fill(candidates, outline, plan, users, tries, new_state(), latest, items)

    in_threads(part, len(plan.template), cores)
    return items


@njit(inline="always")
def put(candidates, latest, items, event, item):  # type: ignore[no-untyped-def]
    """Write down that an event is on an item."""
    items[event.place] = item
    latest.item[item] = event.user
    latest.category[candidates.category[item]] = event.user
    latest.brand[candidates.brands.of[item]] = event.user


@kernel
def _follower(candidates, latest, row, user, slot, tries, state):  # type: ignore[no-untyped-def]
    """Draw an item that followed the item `row`, of those that the slot admits; -1 where none is met in some tries.

    Each follower is as likely as its count less the discount: what was taken off is for what has not been seen, and
    says that none is met (Ney, Essen and Kneser 1994). Rejection, one draw after the other, keeps these shares among
    the admitted without adding them up: what is admitted differs from user to user, so that no table could be kept.
    """
    steps, found, category = candidates.next_item, -1, slot.category
    parent = candidates.parent[category] if category >= 0 else slot.parent
    low, high = followers(steps, row, category, parent)
    for _ in range(tries if low < high else 0):
        k, item, unseen = entry(steps, low, high, state)
        near = abs(candidates.bucket[item] - slot.bucket) <= NEAR
        fits = not unseen and near and latest.item[item] != user
        fits = fits and on_sale(candidates, latest, item, user, slot)
        if fits and (
            category >= 0 or suitable(candidates, latest, user, steps.group[k], slot.peak)
        ):
            found = item
            break
    return found


@njit(inline="always")
def _known(candidates, latest, items, event, wanted, slot, state):  # type: ignore[no-untyped-def]
    """Draw a follower of the nearest known predecessor, best one of all of them; -1 for none."""
    user, _, e = event
    nearest, found, best = lowest(wanted.predecessors), -1, -1
    rest, others = wanted.predecessors & (wanted.predecessors - 1), 0
    for back in range(nearest + 1, REACH + 1):
        others += rest >> (back - 1) & 1
    for _ in range(MATCHES if rest else 1):
        item = _follower(candidates, latest, items[e - nearest], user, slot, MANY, state)
        met = 0
        for back in range(nearest + 1, REACH + 1 if item >= 0 else 0):
            if rest >> (back - 1) & 1 and followed(candidates, items[e - back], item, 0):
                met += 1
        if item >= 0 and met > best:
            found, best = item, met
        if item < 0 or met == others:
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
def _new_category(candidates, latest, before, user, slot, state):  # type: ignore[no-untyped-def]
    """Draw a category below the slot's parent that the user has not had, one in which items are about as popular.

    `before`: the user's item before; -1 for none. What followed that item's category is tried first, kept as often as
    it has items of the bucket; then any, by its events in the bucket. A category without items of the highest bucket
    that the user will take there would leave a later event without an item.
    """
    found, suits = -1, False
    if before >= 0:
        steps = candidates.next_category
        low, high = followers(steps, candidates.category[before], -1, slot.parent)
        for _ in range(FEW if low < high else 0):
            _, found, unseen = entry(steps, low, high, state)
            if unseen:
                break
            suits = _next(state) < candidates.fit[found, slot.bucket] and suitable(
                candidates, latest, user, found, slot.peak
            )
            if suits:
                break
    for bucket in (slot.bucket, slot.peak):
        if not suits:
            row = _stocked(candidates.categories, slot.parent * POPULARITY_BUCKETS, bucket, state)
            for _ in range(TRIES):
                found = _draw(candidates.categories, row, state)
                suits = suitable(candidates, latest, user, found, slot.peak)
                if suits:
                    break
    return found


@kernel
def _stocked(table, row, bucket, state):  # type: ignore[no-untyped-def]
    """The row of the bucket nearest to `bucket` that is not empty, of those that begin with `row`."""
    side = 1 if _next(state) < 0.5 else -1
    for far in range(POPULARITY_BUCKETS):
        for near in (bucket + side * far, bucket - side * far):
            full = 0 <= near < POPULARITY_BUCKETS
            if full and table.indptr[row + near + 1] > table.indptr[row + near]:
                return row + near
    return row + bucket


@kernel
def _of_brand(candidates, latest, user, slot, state):  # type: ignore[no-untyped-def]
    """Draw an item of the slot's brand and category by its popularity that the user has not had; -1 where none is met.

    For a new category, one of any below the slot's parent that suits.
    """
    brands, found, category = candidates.brands, -1, slot.category
    parent = candidates.parent[category] if category >= 0 else slot.parent
    low, high = brands.start[parent], brands.start[parent + 1]
    low, high = segment(brands.brand, low, high, slot.brand.wanted)
    if category >= 0:
        low, high = segment(brands.category, low, high, category)
    least, most = brands.ends[low], brands.ends[high]
    for t in range(2 * TRIES if low < high else 0):
        at = first_of(brands.ends, low + 1, high, least + (most - least) * _next(state)) - 1
        item = brands.item[at]
        near = t >= TRIES or abs(candidates.bucket[item] - slot.bucket) <= NEAR
        fits = near and latest.item[item] != user
        if fits and category < 0:
            fits = suitable(candidates, latest, user, brands.category[at], slot.peak)
        if fits and sold(candidates.dates, item, slot.date):
            found = item
            break
    return found


@kernel
def _near_date(candidates, latest, user, row, slot, state):  # type: ignore[no-untyped-def]
    """Draw an item of a row by its events about as far from the slot's time as it wants; -1 where none is met.

    All events up to twice as far are alike; where none of them will do, those ever further are tried.
    """
    dates, found, far = candidates.dates, -1, 2 * slot.date.apart
    low, high = dates.start[row], dates.start[row + 1]
    for _ in range(WIDER if low < high else 0):
        early = slot.date.time if slot.date.where == BEFORE else slot.date.time - far
        late = slot.date.time if slot.date.where == AFTER else slot.date.time + far
        begin = first_of(dates.time, low, high, early)
        end = first_of(dates.time, begin, high, late + 1)
        for _ in range(DATED if begin < end else 0):
            item = dates.item[begin + int(_next(state) * (end - begin))]
            if latest.item[item] != user and on_sale(candidates, latest, item, user, slot):
                found = item
                if as_old(dates, item, slot.date) and as_dear(candidates, item, slot):
                    return found
        if begin == low and end == high:
            break
        far *= 4.0
    return found


@kernel
def _other_item(candidates, latest, user, category, slot, state):  # type: ignore[no-untyped-def]
    """Draw an item of a category by its popularity that the user has not had, of the slot's bucket or one near it.

    Of two buckets as near, chance says which comes first: always the more popular, say, would drift upwards. Events
    near the slot's time are tried first, then all.
    """
    side, bucket = 1 if _next(state) < 0.5 else -1, slot.bucket
    row = category * POPULARITY_BUCKETS
    for turn in range(1 + 2 * NEAR if slot.date.where != UNKNOWN else 0):
        near = bucket + (turn + 1) // 2 * (side if turn % 2 else -side)
        if 0 <= near < POPULARITY_BUCKETS:
            item = _near_date(candidates, latest, user, row + near, slot, state)
            if item >= 0:
                return item
    for far in range(POPULARITY_BUCKETS):
        for turn in range(2 if far else 1):
            near = bucket + far * (side - 2 * side * turn)
            low, high = candidates.items.indptr[row + near], candidates.items.indptr[row + near + 1]
            if not 0 <= near < POPULARITY_BUCKETS or low == high:
                continue
            for _ in range(TRIES):
                item = _draw(candidates.items, row + near, state)
                if latest.item[item] != user:
                    return item
            # Nearly all of them are had: the first that is not, from anywhere on.
            begin = int(_next(state) * (high - low))
            for k in range(high - low):
                item = candidates.items.value[low + (begin + k) % (high - low)]
                if latest.item[item] != user:
                    return item
    for _ in range(TRIES):
        item = int(_next(state) * len(candidates.category))
        if latest.item[item] != user:
            return item
    return item


@njit(inline="always")
def outlined(candidates, outline, plan, items, event, state):  # type: ignore[no-untyped-def]
    """What the outline says of an event: (item, or -1 where a new one is wanted; what is `Wanted`)."""
    user, first, e = event
    at = outline.offsets[plan.template[user]] + e - first
    item, ahead = -1, 0
    if outline.same_item[at] >= 0:
        item = items[first + outline.same_item[at]]
    elif e == first and len(plan.start):
        item = plan.start[int(_next(state) * len(plan.start))]
    for far in range(1, min(REACH, plan.offsets[user + 1] - 1 - e) + 1 if item < 0 else 0):
        if lowest(outline.predecessors[at + far]) == far:
            ahead = far
            break
    slot = slot_of(candidates, outline, plan, items, event, at)
    next_slot = slot_of(candidates, outline, plan, items, event, at + ahead)
    return item, Wanted(slot, outline.predecessors[at], next_slot, ahead)


@njit(inline="always")
def _leads(candidates, latest, item, user, slot, state):  # type: ignore[no-untyped-def]
    """Whether one draw of what follows the item fits the next slot: so often as it does, the item is kept."""
    category = candidates.category[item] if slot.category == HERE else slot.category
    own = freely(slot, category, UNKNOWN)
    return _follower(candidates, latest, item, user, own, 1, state) >= 0


@njit(inline="always")
def _candidate(candidates, latest, items, event, wanted, state):  # type: ignore[no-untyped-def]
    """Draw an item that fits its slot: such as followed the events before it, else any of its category and bucket."""
    user, first, e = event
    item, slot = -1, wanted.slot
    if wanted.predecessors:
        item = _known(candidates, latest, items, event, wanted, slot, state)
        if item < 0 and (slot.brand.wanted != ANY or slot.date.where != UNKNOWN):
            free = freely(slot, slot.category, UNKNOWN)
            item = _known(candidates, latest, items, event, wanted, free, state)
        for back in range(1, min(REACH, e - first) + 1):
            if item < 0:
                row = items[e - back]
                item = _follower(candidates, latest, row, user, slot, MANY, state)
    if item < 0 and slot.brand.wanted >= 0:
        item = _of_brand(candidates, latest, user, slot, state)
        slot = freely(slot, slot.category, slot.date.where)
    if item < 0:
        category = slot.category
        if category < 0:
            before = items[e - 1] if e > first else -1
            category = _new_category(candidates, latest, before, user, slot, state)
        item = _other_item(candidates, latest, user, category, slot, state)
    return item


@njit(inline="always")
def proposed(candidates, latest, items, event, wanted, tries, state):  # type: ignore[no-untyped-def]
    """Draw an item that leads on to the next where that is known to follow it; `tries`: how many are drawn at most.

    A candidate is kept with the chance that what follows it fits the next slot: rejection makes the two a pair as
    likely as it is in the log, though they are drawn one after the other, and needs no table of pairs.
    """
    item = -1
    for t in range(tries if wanted.ahead else 1):
        item = _candidate(candidates, latest, items, event, wanted, state)
        last = wanted.ahead == 0 or t == tries - 1
        if last or _leads(candidates, latest, item, event.user, wanted.next_slot, state):
            break
    return item


@kernel
def _fill(candidates, outline, plan, users, tries, state, latest, items):  # type: ignore[no-untyped-def]
    """Fill the outlines of some users.

    Why outlines: how a person shops, when, how often again, how broadly and how much off the beaten track, hangs
    together over all events, and whatever draws them one by one loses it. An outline keeps it whole and leaves open
    which items, which is what must not be copied. Event after event gets the item it had before, or a new candidate.
    """
    for u in range(users.first, users.last):
        _begin(state, users.seed, u)
        first = plan.offsets[u]
        for e in range(first, plan.offsets[u + 1]):
            event = Event(u, first, e)
            item, wanted = outlined(candidates, outline, plan, items, event, state)
            if item < 0:
                item = proposed(candidates, latest, items, event, wanted, tries, state)
            put(candidates, latest, items, event, item)
