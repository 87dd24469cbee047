"""What an outline wants of the item of one event, and whether an item is such."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.synthesis.behaviour._candidates import Candidates
from wareloom.synthesis.behaviour._dates import Date, sold
from wareloom.synthesis.behaviour._outline import ANY, NEW, UNPRICED

HERE = -2
"""Category of the next slot where it is that of the item before it, which is yet to be drawn"""


class Latest(NamedTuple):
    """Who had what last, so that one look tells whether a user did, and nothing is cleared between users."""

    item: np.ndarray
    """int32 [items], the latest user to have each item; -1 for none"""
    category: np.ndarray
    """int32 [categories], the same"""
    brand: np.ndarray
    """int32 [brands], the same"""


class Brand(NamedTuple):
    """The brand that an event wants."""

    wanted: int
    """Or `NEW`, or `ANY`"""
    below: int
    """Different items of it that the user will have chosen below the parent category"""
    within: int
    """And in the category"""


class Slot(NamedTuple):
    """What an outline says of the item of one event."""

    category: int
    """Or `NEW`, or `HERE`"""
    parent: int
    """Parent category"""
    bucket: int
    """Popularity bucket"""
    peak: int
    """Highest popularity bucket of the user's events in the category"""
    price: int
    """Band of its price beside its category's; `UNPRICED` for any"""
    brand: Brand
    date: Date


class Event(NamedTuple):
    """Where an event stands."""

    user: int
    """Place of the user in the plan"""
    first: int
    """Place of the user's first event in the output"""
    place: int
    """Place of the event itself"""


class Wanted(NamedTuple):
    """What a new item has to be like."""

    slot: Slot
    predecessors: int
    """Bits: which of the events before it the item is known to follow, the nearest the lowest"""
    next_slot: Slot
    """That of the next event whose nearest known predecessor is this one"""
    ahead: int
    """How far off that event is; 0 where there is none"""


def new_latest(candidates: Candidates) -> Latest:
    """Nobody had anything."""
    return Latest(
        np.full(len(candidates.category), -1, np.int32),
        np.full(len(candidates.parent), -1, np.int32),
        np.full(int(candidates.brands.of.max()) + 1, -1, np.int32),
    )


@njit(inline="always")
def suitable(candidates, latest, user, category, peak):  # type: ignore[no-untyped-def]
    """Whether a category is new to the user and has items as popular as the most popular that the user will take."""
    return latest.category[category] != user and candidates.fit[category, peak] > 0.0


@njit(inline="always")
def right_brand(candidates, latest, item, user, brand):  # type: ignore[no-untyped-def]
    """Whether an item is of the brand that is wanted.

    A new one that the user will keep to must have twice as many items as the user takes: of a brand of one item nothing
    more could be chosen.
    """
    brands = candidates.brands
    own = brands.of[item]
    if brand.wanted != NEW:
        return brand.wanted == ANY or brand.wanted == own
    rich = brand.below <= 1 or brands.below[item] >= 2 * brand.below
    rich = rich and (brand.within <= 1 or brands.within[item] >= 2 * brand.within)
    return rich and latest.brand[own] != user


@njit(inline="always")
def on_sale(candidates, latest, item, user, slot):  # type: ignore[no-untyped-def]
    """Whether an item is sold when the slot wants it, and of the brand."""
    right = right_brand(candidates, latest, item, user, slot.brand)
    return right and sold(candidates.dates, item, slot.date)


@njit(inline="always")
def as_dear(candidates, item, slot):  # type: ignore[no-untyped-def]
    """Whether an item is about as dear for its category as the slot wants."""
    band, wanted = candidates.price[item], slot.price
    return band == UNPRICED or wanted == UNPRICED or abs(band - wanted) <= 1


@njit(inline="always")
def slot_of(candidates, outline, plan, items, event, at):  # type: ignore[no-untyped-def]
    """The slot at the row `at` of the outlines, for a user whose events before `event` are filled."""
    filled = event.place - event.first
    category, first = NEW, outline.same_category[at]
    if first == filled:
        category = HERE
    elif 0 <= first < filled:
        category = candidates.category[items[event.first + first]]
    brand, first = outline.same_brand[at], outline.same_brand[at]
    if first >= 0:
        brand = candidates.brands.of[items[event.first + first]] if first < filled else ANY
    return Slot(
        category,
        outline.parent[at],
        outline.bucket[at],
        outline.peak[at],
        outline.price[at],
        Brand(brand, outline.brand_below[at], outline.brand_within[at]),
        Date(
            plan.time[event.place],
            outline.where[at],
            outline.apart[at],
            outline.middle[at],
            outline.bounds[2],
        ),
    )


@njit(inline="always")
def freely(slot, category, where):  # type: ignore[no-untyped-def]
    """The slot with this category and any brand; `where` unknown: at any date."""
    brand = Brand(ANY, slot.brand.below, slot.brand.within)
    date = Date(slot.date.time, where, slot.date.apart, slot.date.middle, slot.date.least)
    return Slot(category, slot.parent, slot.bucket, slot.peak, slot.price, brand, date)
