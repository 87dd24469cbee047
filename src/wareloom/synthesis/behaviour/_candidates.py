"""What outlines are filled from: items by category and popularity, and what is known to follow what."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import sparse

from wareloom.shop import Log
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._brands import Brands, fit_brands
from wareloom.synthesis.behaviour._dates import Dates, fit_dates
from wareloom.synthesis.behaviour._outline import (
    POPULARITY_BUCKETS,
    Outline,
    popularity_buckets,
)
from wareloom.synthesis.behaviour._shared import shared_counts, shared_pairs
from wareloom.synthesis.behaviour._walk import AliasTables, _next, alias_tables

REACH = 4
"""Latest items of a shopper that are asked what follows them"""


class Steps(NamedTuple):
    """What followed what, event by event, so that a place drawn evenly is a follower drawn by its count."""

    indptr: np.ndarray
    """int64 [rows + 1]"""
    value: np.ndarray
    """int32 [events], followers, rising within those of one group; the last event of each in a row as ~follower"""
    group: np.ndarray
    """int32 [events], group of the follower, rising within those of one group above"""
    above: np.ndarray
    """int32 [events], group of the group, rising within each row"""
    discount: np.ndarray
    """float64 [1], taken off each count for what has not been seen"""


class Candidates(NamedTuple):
    """The items of a shop, and its categories, as candidates for the slots of outlines."""

    category: np.ndarray
    """int32 [items]"""
    parent: np.ndarray
    """int32 [categories], parent category"""
    bucket: np.ndarray
    """int8 [items], popularity bucket"""
    items: AliasTables
    """Items by category and popularity bucket: row category · POPULARITY_BUCKETS + bucket"""
    categories: AliasTables
    """Categories by parent and popularity bucket: row parent · POPULARITY_BUCKETS + bucket"""
    next_item: Steps
    """Followers of items, grouped by category and parent category"""
    next_category: Steps
    """Followers of categories, grouped by parent category"""
    fit: np.ndarray
    """float32 [categories, POPULARITY_BUCKETS], share of a bucket among a category's events beside the highest share
    of any category"""
    dates: Dates
    """When the items are sold"""
    brands: Brands
    """Which brands they are of"""
    price: np.ndarray
    """int8 [items], bands of prices, see `price_bands`"""


def fit_candidates(
    log: Log,
    category: np.ndarray,
    parent: np.ndarray,
    brand: np.ndarray,
    price: np.ndarray,
    min_users: int = 1,
) -> Candidates:
    """Count what items there are of each category, popularity and brand, when, and what follows what.

    `min_users`: who must have chosen an item, or taken a step, for it to be counted by itself.
    """
    n, categories = len(log.items), len(parent)
    counts = shared_counts(log, np.ones(len(log)), min_users)
    bucket = popularity_buckets(counts)
    row = category.astype(np.int64) * POPULARITY_BUCKETS + bucket
    # An item that nobody chose counts once, so that its category and bucket are not empty.
    times = np.maximum(counts, 1.0)
    by_category = sparse.csr_matrix(
        (times, (row, np.arange(n))), shape=(categories * POPULARITY_BUCKETS, n)
    )
    mass = np.bincount(row, weights=times, minlength=categories * POPULARITY_BUCKETS)
    mass = mass.reshape(categories, POPULARITY_BUCKETS)
    rows = parent[:, None].astype(np.int64) * POPULARITY_BUCKETS + np.arange(POPULARITY_BUCKETS)
    place = rows.ravel(), np.repeat(np.arange(categories), POPULARITY_BUCKETS)
    parents = (int(parent.max()) + 1) * POPULARITY_BUCKETS
    by_parent = sparse.csr_matrix((mass.ravel(), place), shape=(parents, categories))
    by_parent.eliminate_zeros()
    share = mass / mass.sum(axis=1, keepdims=True)
    follow = _followers(log, min_users)
    of = sparse.csr_matrix(
        (np.ones(n, np.float32), (np.arange(n), category)), shape=(n, categories)
    )
    between = (of.T @ follow @ of).tocsr()
    return Candidates(
        category,
        parent,
        bucket,
        alias_tables(by_category),
        alias_tables(by_parent),
        _steps(follow, category, parent[category]),
        _steps(between, parent, parent),
        (share / np.maximum(share.max(axis=0), 1e-9)).astype(np.float32),
        fit_dates(log, row, categories * POPULARITY_BUCKETS),
        fit_brands(brand, category, parent, times),
        price,
    )


def _followers(log: Log, min_users: int = 1) -> sparse.csr_matrix:
    """How often item j came next after item i, where enough users did that: float32 CSR [items, items].

    Events of one time have no order: those up to `REACH` places apart count in either.
    """
    n, user, item = len(log.items), log.user, log.item
    total, made = sparse.csr_matrix((n, n), dtype=np.float32), []
    for far in range(1, REACH + 1):
        later = np.arange(far, len(user))
        later = later[(user[later] == user[later - far]) & (item[later] != item[later - far])]
        tied = later[(log.time[later] == log.time[later - far]) & (log.time[later] != NO_TIME)]
        onward = later if far == 1 else tied
        rows = np.concatenate([item[onward - far], item[tied]])
        columns = np.concatenate([item[onward], item[tied - far]])
        made.append((rows, columns, np.concatenate([user[onward], user[tied]])))
        if len(rows):
            total += sparse.coo_matrix(
                (np.ones(len(rows), np.float32), (rows, columns)), shape=(n, n)
            ).tocsr()
    source, target, whose = (np.concatenate(parts) for parts in zip(*made, strict=True))
    return shared_pairs(total, (source, target, whose), min_users)


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


def known_predecessors(candidates: Candidates, outline: Outline, log: Log) -> np.ndarray:
    """Which of the `REACH` events before each its item is known to follow: uint8 [events], the nearest the lowest bit.

    Known is what followed with others: of the counts of `candidates` those of the user's own are taken off. `outline`:
    of these users; where it has an event on an item that the user had, nothing is marked.
    """
    predecessors = np.zeros(len(log.item), np.uint8)
    users = np.flatnonzero(log.lengths() > 0)
    offsets = np.concatenate([log.offsets[users], log.offsets[-1:]])
    _mark(candidates, offsets, log.item, log.time, outline.same_item, predecessors)
    return predecessors


@njit(cache=True, nogil=True)
def _mark(candidates, offsets, item, time, same_item, predecessors):  # type: ignore[no-untyped-def]
    """Write `predecessors` of `known_predecessors`.

    A user's own steps do not count: were they known, an outline would lead back to the items it was taken from.
    """
    n = len(candidates.category)
    for u in range(len(offsets) - 1):
        a, b = offsets[u], offsets[u + 1]
        own = _own_steps(item[a:b].astype(np.int64), time[a:b], n)
        for e in range(a + 1, b):
            for back in range(1, min(REACH, e - a) + 1 if same_item[e] < 0 else 0):
                key = np.int64(item[e - back]) * n + item[e]
                once = np.searchsorted(own, key, side="right") - np.searchsorted(own, key)
                if followed(candidates, item[e - back], item[e], once):
                    predecessors[e] |= 1 << (back - 1)


@njit(cache=True, nogil=True)
def _own_steps(item, time, n):  # type: ignore[no-untyped-def]
    """One user's steps as `_followers` counts them, sorted: int64, n times the one item and the other."""
    own, taken = np.empty(2 * REACH * len(item), np.int64), 0
    for e in range(1, len(item)):
        for back in range(1, min(REACH, e) + 1):
            tied = time[e] == time[e - back] and time[e] != NO_TIME
            if item[e] != item[e - back]:
                if back == 1 or tied:
                    own[taken] = item[e - back] * n + item[e]
                    taken += 1
                if tied:
                    own[taken] = item[e] * n + item[e - back]
                    taken += 1
    return np.sort(own[:taken])


@njit(inline="always")
def first_of(values, low, high, value):  # type: ignore[no-untyped-def]
    """The first of the places low … high - 1 of rising values whose value is not below; `high` where there is none."""
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@njit(inline="always")
def segment(values, low, high, value):  # type: ignore[no-untyped-def]
    """Where a whole number stands among rising ones at the places low … high - 1: (first, one behind the last)."""
    if low < high and values[low] < value:
        low = first_of(values, low, high, value)
    if low < high and values[high - 1] > value:
        high = first_of(values, low, high, value + 1)
    return low, high


@njit(inline="always")
def followers(steps, row, group, above):  # type: ignore[no-untyped-def]
    """Where the followers of a row stand that are of a group, or with -1 of a group above: (first, behind the last)."""
    low, high = segment(steps.above, steps.indptr[row], steps.indptr[row + 1], above)
    if group >= 0:
        low, high = segment(steps.group, low, high, group)
    return low, high


@njit(inline="always")
def entry(steps, low, high, state):  # type: ignore[no-untyped-def]
    """Draw an event of the places low … high - 1: (place, follower, whether it is taken off for the unseen)."""
    k = low + int(_next(state) * (high - low))
    follower = steps.value[k]
    if follower >= 0:
        return k, follower, False
    return k, ~follower, _next(state) < steps.discount[0]


@njit(inline="always")
def followed(candidates, row, item, times):  # type: ignore[no-untyped-def]
    """Whether an item followed the item `row` more than so many times."""
    steps, category = candidates.next_item, candidates.category[item]
    low, end = followers(steps, row, category, candidates.parent[category])
    high = end
    while low < high:
        middle = (low + high) >> 1
        if _plain(steps.value[middle]) < item:
            low = middle + 1
        else:
            high = middle
    return low + times < end and _plain(steps.value[low + times]) == item


@njit(inline="always")
def _plain(follower):  # type: ignore[no-untyped-def]
    return follower if follower >= 0 else ~follower
