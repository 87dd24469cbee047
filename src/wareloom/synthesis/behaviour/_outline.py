"""Outlines of real users: all that their events are like but for which items they are on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from wareloom.core.kernel import kernel
from wareloom.shop import Log
from wareloom.shop.categories import path_codes, telling_codes
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._dates import UNKNOWN
from wareloom.synthesis.behaviour._rhythm import resolution, session_starts
from wareloom.synthesis.behaviour._walk import Plan, Users, _begin, _next, in_threads, new_state

POPULARITY_BUCKETS = 20
"""Buckets of popularity by powers of two: 0 for items that nobody chose, 1 for one event, 2 for two or three, …"""
NEW = -1
"""A category or a brand that the user has not had"""
ANY = -3
"""Whatever brand"""
UNPRICED = 127
"""Band of an unknown price"""
DAY = 86_400_000_000
"""Microseconds of a day"""


class Outline(NamedTuple):
    """Outlines of the fitted users, an entry an event."""

    offsets: np.ndarray
    """int64 [users + 1]"""
    time: np.ndarray
    """int64 [events], microseconds"""
    starts: np.ndarray
    """bool [events], whether a session begins"""
    event: np.ndarray
    """int8 [events], kinds"""
    same_item: np.ndarray
    """int32 [events], place of the user's first event on the same item; -1 where the item is new"""
    same_category: np.ndarray
    """int32 [events], place of the user's first event in the same category; -1 where it is new"""
    same_brand: np.ndarray
    """int32 [events], place of the user's first event of the same brand; `NEW` where it is new, `ANY` where brands are
    not told apart"""
    brand_below: np.ndarray
    """int16 [events], how many items of that brand and parent category the user chose"""
    brand_within: np.ndarray
    """int16 [events], and how many of that brand and category"""
    parent: np.ndarray
    """int32 [events], parent category"""
    bucket: np.ndarray
    """int8 [events], popularity bucket of the item among the other users"""
    peak: np.ndarray
    """int8 [events], highest popularity bucket of the user's events in the category"""
    predecessors: np.ndarray
    """uint8 [events], which of the events before it the item is known to follow, see `known_predecessors`"""
    price: np.ndarray
    """int8 [events], band of the item's price beside its category's, see `price_bands`"""
    where: np.ndarray
    """int8 [events], where the event lies among others' dates of its item, see `beside_others`"""
    apart: np.ndarray
    """int64 [events], microseconds from the nearest of these"""
    middle: np.ndarray
    """int64 [events], microseconds after the median of these"""
    weight: np.ndarray
    """float64 [users], how often each is drawn beside the others"""
    bounds: np.ndarray
    """int64 [4]: earliest and latest time, resolution, and by which step users are moved in time (0: not at all)"""


def popularity_buckets(counts: np.ndarray) -> np.ndarray:
    """Popularity bucket of items with so many events: int8."""
    bucket = np.ceil(np.log2(np.maximum(counts, 0) + 1.0))
    return np.minimum(bucket, POPULARITY_BUCKETS - 1).astype(np.int8)


def categories_of(catalogue: pl.DataFrame, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Category of each item, and parent of each category: int32 [items], int32 [categories].

    Items without a category are one category. The parent is of the first level that tells items apart.
    """
    if "category" not in catalogue.columns:
        return np.zeros(len(counts), np.int32), np.zeros(1, np.int32)
    above = telling_codes(catalogue["category"], counts)
    above = np.zeros(len(counts), np.int32) if above is None else above + 1
    names, category = np.unique(path_codes(catalogue["category"]), return_inverse=True)
    parent = np.zeros(len(names), np.int32)
    parent[category] = above
    return category.astype(np.int32), parent


def price_bands(catalogue: pl.DataFrame, category: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Band of each item's price beside its category's geometric mean, two a doubling: int8 [items].

    `category` and `counts`, events, of each item. `UNPRICED` where the price is unknown or 0.
    """
    if "price" not in catalogue.columns:
        return np.full(len(catalogue), UNPRICED, np.int8)
    price = catalogue["price"].cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy()
    known = (price > 0) & np.isfinite(price)
    level, times = np.log2(np.where(known, price, 1.0)), np.where(known, counts + 1.0, 0.0)
    total = np.maximum(np.bincount(category, weights=times), 1e-9)
    usual = np.bincount(category, weights=times * level) / total
    band = np.clip(np.round(2 * (level - usual[category])), -126, 126)
    return np.where(known, band, UNPRICED).astype(np.int8)


def fit_outline(
    log: Log,
    categories: tuple[np.ndarray, np.ndarray],
    brand: np.ndarray,
    counts: np.ndarray,
    weight: np.ndarray,
) -> Outline:
    """Take the outlines of all users with events; a user is drawn as often as its last event weighs, float [events].

    `categories`: of each item, and the parent of each, see `categories_of`; `brand`: that of each item; `counts`:
    events of each. `predecessors`, `price`, `where`, `apart` and `middle` are left unknown. The bucket is that of the
    others' events: a user who alone bought an item, often, would else be told by its popularity.
    """
    category, parent = categories
    users = np.flatnonzero(log.lengths() > 0)
    whose = weight[log.offsets[users + 1] - 1].astype(np.float64)
    log = log.select(users)
    user, item = log.user, log.item
    rows = pl.DataFrame({"u": user, "i": item, "c": category[item], "all": counts[item]})
    rows = rows.with_columns(others=pl.col("all") - pl.len().over("u", "i"))
    bucket = popularity_buckets(rows["others"].to_numpy())
    rows = rows.with_columns(bucket=bucket)
    peak = rows.select(pl.col("bucket").max().over("u", "c"))["bucket"].to_numpy()
    known = log.time[log.time != NO_TIME]
    bounds = np.array([0, 0, 1, 0], dtype=np.int64)
    if log.timed and len(known):
        span = int(known.max() - known.min())
        step = next((s for s in (7 * DAY, DAY) if span >= 8 * s), 0)
        bounds = np.array([known.min(), known.max(), resolution(known), step], dtype=np.int64)
    return Outline(
        log.offsets.astype(np.int64),
        log.time,
        session_starts(log),
        log.event,
        _first_with(user, item, log.offsets),
        _first_with(user, category[item], log.offsets),
        _first_with(user, brand[item], log.offsets)
        if brand.any()
        else np.full(len(item), ANY, np.int32),
        _chosen(user, item, brand[item], parent[category[item]]),
        _chosen(user, item, brand[item], category[item]),
        parent[category[item]],
        bucket,
        peak,
        np.zeros(len(item), np.uint8),
        np.full(len(item), UNPRICED, np.int8),
        np.full(len(item), UNKNOWN, np.int8),
        np.zeros(len(item), np.int64),
        np.zeros(len(item), np.int64),
        whose,
        bounds,
    )


def _first_with(user: np.ndarray, value: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Place within its user of the first event with the same value as each event: int32, -1 for itself."""
    row = pl.DataFrame({"u": user, "v": value, "row": np.arange(len(user))})
    first = row.select(pl.col("row").min().over("u", "v"))["row"].to_numpy()
    return np.where(first == np.arange(len(user)), -1, first - offsets[user]).astype(np.int32)


def _chosen(user: np.ndarray, item: np.ndarray, brand: np.ndarray, group: np.ndarray) -> np.ndarray:
    """How many different items each event's user has of its brand and group: int16 [events]."""
    rows = pl.DataFrame({"u": user, "i": item, "b": brand, "g": group})
    number = rows.select(pl.col("i").n_unique().over("u", "b", "g").clip(0, 2**15 - 1))["i"]
    return number.to_numpy().astype(np.int16)


def draw_outlines(
    outline: Outline, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw n outlines by their weights: (users int64 [n], offsets int64 [n + 1]).

    Systematic: each is drawn as often as its weight says, up or down to a whole number, in random order.
    """
    order = rng.permutation(len(outline.weight))
    ends = np.cumsum(outline.weight[order])
    at = (np.arange(n) + rng.random()) * (ends[-1] / n)
    template = rng.permutation(
        order[np.minimum(np.searchsorted(ends, at, side="right"), len(order) - 1)]
    )
    return template, np.concatenate([[0], np.cumsum(np.diff(outline.offsets)[template])]).astype(
        np.int64
    )


def rows_of(outline: Outline, template: np.ndarray) -> np.ndarray:
    """Rows of the outlines' events, one user after the other: int64 [events]."""
    begin, size = outline.offsets[template], np.diff(outline.offsets)[template]
    ends = np.cumsum(size)
    return np.repeat(begin - (ends - size), size) + np.arange(int(ends[-1]))


def sessions_of(outline: Outline, template: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sessions of outlines: (where each user's begin, int64 [users + 1]; events of each, int32)."""
    rows = rows_of(outline, template)
    begin = np.flatnonzero(outline.starts[rows])
    whole = np.concatenate([[0], np.cumsum(outline.starts)]).astype(np.int64)
    number = whole[outline.offsets[1:]] - whole[outline.offsets[:-1]]
    offsets = np.concatenate([[0], np.cumsum(number[template])]).astype(np.int64)
    return offsets, np.diff(begin, append=len(rows)).astype(np.int32)


def clock_outlines(
    outline: Outline, plan: Plan, jitter: float, seed: np.uint64, cores: int
) -> np.ndarray:
    """Times of outlines: int64 [events]. A user is moved as a whole by some steps, and its gaps are stretched a little.

    Steps are weeks where the log is long, else days, so that hours and weekdays stay; gaps from half a day on are
    stretched by whole steps, too. Nothing is moved out of the time that was fitted. `jitter`: standard deviation of the
    logarithm of a gap's stretch.
    """
    times = np.empty(plan.offsets[-1], dtype=np.int64)
    in_threads(
        lambda a, b: _time(outline, plan, Users(seed, a, b), jitter, new_state(), times),
        len(plan.template),
        cores,
    )
    return times


@kernel
def _normal(state):  # type: ignore[no-untyped-def]
    """A standard normal number (Box and Muller 1958)."""
    return np.sqrt(-2.0 * np.log(1.0 - _next(state))) * np.cos(2.0 * np.pi * _next(state))


@kernel
def _stretched(gap, steps, factor, state):  # type: ignore[no-untyped-def]
    """A gap times a factor, changed by whole steps of (long, short): up or down by chance, so that the mean is right.

    From a long step on it changes by long ones; below half a day by short ones; between the two it stays.
    """
    long, short = steps
    if long > gap >= DAY // 2:
        return gap
    step = long if gap >= long else short
    more = np.floor(gap * (factor - 1.0) / step + _next(state))
    return max(0, gap + int(more) * step)


@kernel
def _time(outline, plan, users, jitter, state, times):  # type: ignore[no-untyped-def]
    """Time some users of a plan: the last event first, and back from it gap by gap.

    A log that grows is cut off at its end, so that last events are the surer anchor. A shopper keeps the rhythm of a
    real one, hours and weekdays too, which no table of gaps would give; moved and stretched it is that user's no more.
    What would begin before the first time fitted keeps the real times: to squeeze it would make gaps that nobody had.
    """
    earliest, latest, resolution, step = outline.bounds
    for u in range(users.first, users.last):
        _begin(state, users.seed, u)
        a, b, t = plan.offsets[u], plan.offsets[u + 1], outline.offsets[plan.template[u]]
        end = outline.time[t + b - a - 1]
        if end == NO_TIME:
            for e in range(a, b):
                times[e] = outline.time[t + e - a]
            continue
        moved = end + int(np.round(2.0 * _normal(state))) * step
        shift = moved - end if earliest <= moved <= latest else 0
        times[b - 1] = end + shift
        fits = True
        for e in range(b - 1, a, -1):
            at = t + e - a
            known = outline.time[at - 1] != NO_TIME
            gap = outline.time[at] - outline.time[at - 1] if known else 0
            more = 0
            if gap > 0:
                factor = np.exp(jitter * _normal(state))
                more = _stretched(gap, (max(step, DAY), resolution), factor, state) - gap
            if gap >= DAY // 2:
                # Moved by whole steps, so that what was stretched within the later day leaves the hours of this one.
                shift -= more
                times[e - 1] = min(times[e], outline.time[at - 1] + shift)
            else:
                times[e - 1] = times[e] - gap - more
            fits = fits and times[e - 1] >= earliest
        for e in range(a, a if fits else b):
            times[e] = outline.time[t + e - a]
