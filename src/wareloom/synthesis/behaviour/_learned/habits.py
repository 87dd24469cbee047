"""What a shopper does at an event: of which kind, on which of the items, categories and brands had, or on what new."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.synthesis.behaviour._learned.clock import (
    LENGTHS,
    SHORT,
)
from wareloom.synthesis.behaviour._learned.tables import Seen
from wareloom.synthesis.behaviour._outline import POPULARITY_BUCKETS

SAME, EARLIER, OTHER = 0, 1, 2
"""Of an item, category or parent: that of the last event, that of one before, or a new one"""
KINDS = 8
LAGS = 14
FRESH = 8
"""Classes of how many parents a user has had, when a new one is drawn"""
"""Classes of how many events ago"""
SHARES, NUMBERS, FEW = 8, 8, 4
"""Classes of shares, and of numbers"""
MEANS, PRICES, FARS, SIDES, DATES = 25, 22, 16, 31, 8
RANKS = 32
"""Classes of parents: the commonest have one each, all others the last but one; the last is for none"""
TRIES = 24

BEGIN = (SHORT + 2, 14)
ACTION = (KINDS + 1, 3, SHARES, NUMBERS, 4, LENGTHS)
CATEGORY = (3, 4, SHARES, NUMBERS, LENGTHS)
PARENT = (RANKS, 3, SHARES, NUMBERS, 4)
BRAND = (3, 3, SHARES, NUMBERS, 5)
BUCKET = (MEANS, RANKS, POPULARITY_BUCKETS + 1, FEW)
PRICE = (PRICES + 1, 12, FEW)
KNOWN = (12, 6, LENGTHS, 3, 5, 3, 3)
PLACE = (POPULARITY_BUCKETS, DATES, 9)
MIDDLE = (4, FARS, 9, DATES)


class Habits(NamedTuple):
    """What structure is drawn from. Chances are cumulative, float32 [circumstances, outcomes]."""

    begin: np.ndarray
    """Whether a session begins"""
    action: np.ndarray
    """Which item, and kind of event: item · KINDS + kind"""
    category: np.ndarray
    """Which category a new item is of"""
    parent: np.ndarray
    """Which parent a new category is below"""
    fresh: np.ndarray
    """Which new parent, by the one before; one row where there are too many"""
    brand: np.ndarray
    """Which brand a new item is of: the last one's, one had in the category, another one had, or a new one"""
    bucket: np.ndarray
    """Popularity bucket of a new item"""
    price: np.ndarray
    """Band of its price; the last for an unknown one"""
    known: np.ndarray
    """Which of the events before it follows"""
    place: np.ndarray
    """Where the event lies among others' dates of the item, and how far from them"""
    middle: np.ndarray
    """How far it lies from their median"""
    again: np.ndarray
    """float64 [2, LAGS], how often an item is that of an event so long ago, in this session or not, beside the most"""
    back: np.ndarray
    """float64 [2, LAGS], the same of a category"""
    rank: np.ndarray
    """int64 [parents + 1], class of each parent; the last for none"""
    brief: np.ndarray
    """float64 [SHORT + 1], microseconds at which classes of short gaps begin"""
    bounds: np.ndarray
    """int64 [5]: earliest and latest time, resolution, whether brands are told apart, by how many
    last parents a new one is drawn: 1 where there are too many"""


class HabitsSeen(NamedTuple):
    """What was decided of real users."""

    begin: Seen
    action: Seen
    category: Seen
    parent: Seen
    fresh: Seen
    brand: Seen
    bucket: Seen
    price: Seen
    known: Seen
    place: Seen
    middle: Seen


(
    RUN,
    ITEMS,
    CATEGORIES,
    PARENTS,
    BRANDS,
    BUCKET_SUM,
    PRICE_SUM,
    PRICED,
    MIDDLE_SUM,
    DATED,
    KNOWN_SUM,
    ASKED,
    LAST_ITEM,
    LAST_CATEGORY,
    LAST_PARENT,
    LAST_BRAND,
    LAST_KNOWN,
    SESSION,
) = range(18)
"""Places in the memory of a walk: events of this session; different items, categories, parents, brands so far; sums
over new items, and of how many; what the last decisions were, from 1; where this session began"""
MEMORY = 20


class Room(NamedTuple):
    """Room that a walk needs."""

    state: np.ndarray
    """uint64 [1], of the random stream"""
    memory: np.ndarray
    """float64 [MEMORY]"""
    had: np.ndarray
    """int32 [parents + 2], the latest user, from 1, to have each parent; the class of this user's number; this user"""


@njit(inline="always")
def _share(part, whole):  # type: ignore[no-untyped-def]
    return min(SHARES - 1, int(SHARES * part / max(1.0, whole)))


@njit(inline="always")
def first_in(outline, first, e):  # type: ignore[no-untyped-def]
    """Place of the first event on the item of one."""
    return first + outline.same_item[e] if outline.same_item[e] >= 0 else e


@njit(inline="always")
def first_of_category(outline, first, e):  # type: ignore[no-untyped-def]
    """Place of the first event in the category of one."""
    return first + outline.same_category[e] if outline.same_category[e] >= 0 else e


@njit(inline="always")
def first_of_brand(outline, first, e):  # type: ignore[no-untyped-def]
    """Place of the first event of the brand of one."""
    return first + outline.same_brand[e] if outline.same_brand[e] >= 0 else e
