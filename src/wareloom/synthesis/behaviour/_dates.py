"""When items are sold: the dates of all, and how far from others' dates of its item each event of a user lies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.shop import Log
from wareloom.shop.log import NO_TIME

BEFORE, BETWEEN, AFTER, UNKNOWN = -1, 0, 1, 2
"""Where an event lies among the others' dates of its item; unknown where there are none"""


class Date(NamedTuple):
    """When an event is, and what is wanted of its item's dates."""

    time: int
    """Microseconds"""
    where: int
    """Where it lies among the others' dates of its item; unknown where any will do"""
    apart: int
    """Microseconds from the nearest of these"""
    middle: int
    """Microseconds after their median"""
    least: int
    """Microseconds that make no difference"""


class Dates(NamedTuple):
    """When the items of a log were chosen."""

    start: np.ndarray
    """int64 [rows + 1], places in `time`; a row is a category and popularity bucket, as of the items' tables"""
    time: np.ndarray
    """int64 [events], microseconds, rising within each row; events of unknown time are left out"""
    item: np.ndarray
    """int32 [events]"""
    first: np.ndarray
    """int64 [items], when each was first chosen; `NO_TIME` where it never was"""
    last: np.ndarray
    """int64 [items]"""
    middle: np.ndarray
    """int64 [items], the median of its dates"""


def fit_dates(log: Log, row: np.ndarray, rows: int) -> Dates:
    """Take the dates of a log; `row`: that of each item, int64 [items]."""
    there = np.flatnonzero(log.time != NO_TIME)
    item, time = log.item[there], log.time[there]
    order = np.lexsort((time, row[item]))
    start = np.searchsorted(row[item[order]], np.arange(rows + 1)).astype(np.int64)
    first, last = np.full(len(log.items), 2**62), np.full(len(log.items), NO_TIME)
    np.minimum.at(first, item, time)
    np.maximum.at(last, item, time)
    first[last == NO_TIME] = NO_TIME
    middle = np.full(len(log.items), NO_TIME)
    sorted_ = np.lexsort((time, item))
    ends = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=len(log.items)))])
    some = ends[1:] > ends[:-1]
    middle[some] = time[sorted_][((ends[1:] + ends[:-1] - 1) // 2)[some]]
    return Dates(start, time[order], item[order], first, last, middle)


def beside_others(dates: Dates, log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each event of a log lies among the dates of its item: int8 [events]; how far from the nearest, int64; how
    far after their median.

    The user's own dates of the item do not count: were they known, every item would have been sold when the user chose
    it, and what only a few chose would lead back to them.
    """
    order = np.lexsort((dates.time, dates.item))
    item, time = dates.item[order], dates.time[order]
    start = np.searchsorted(item, np.arange(len(dates.first) + 1))
    own = np.lexsort((log.time, log.item, log.user))
    where, apart = np.full(len(log), UNKNOWN, np.int8), np.zeros(len(log), np.int64)
    middle = np.zeros(len(log), np.int64)
    _beside(start, time, own, (log.user, log.item, log.time), where, apart, middle)
    return where, apart, middle


@njit(cache=True, nogil=True)
def _beside(start, time, own, log, where, apart, middle):  # type: ignore[no-untyped-def]
    """Write what `beside_others` returns; `own`: rows of events, by user, item and time; `log`: these three."""
    user, item, when = log
    a = 0
    while a < len(own):
        b = a
        while b < len(own) and user[own[b]] == user[own[a]] and item[own[b]] == item[own[a]]:
            b += 1
        mine = when[own[a:b]]
        low, high = start[item[own[a]]], start[item[own[a]] + 1]
        usual = _median(time[low:high], mine) if high > low else NO_TIME
        for e in own[a:b]:
            left, right = _others(time[low:high], mine, when[e])
            if when[e] == NO_TIME or (left == NO_TIME and right == NO_TIME):
                continue
            middle[e] = when[e] - usual
            if left == NO_TIME:
                where[e], apart[e] = BEFORE, right - when[e]
            elif right == NO_TIME:
                where[e], apart[e] = AFTER, when[e] - left
            else:
                where[e], apart[e] = BETWEEN, min(when[e] - left, right - when[e])
        a = b


@njit(cache=True, nogil=True)
def _others(time, mine, moment):  # type: ignore[no-untyped-def]
    """The nearest dates up to a moment and from it on that are not the user's own; `NO_TIME` where there are none."""
    left, right = NO_TIME, NO_TIME
    at = np.searchsorted(time, moment, side="right")
    many = at - np.searchsorted(time, moment)
    if many > np.searchsorted(mine, moment, side="right") - np.searchsorted(mine, moment):
        return moment, moment
    for k in range(at - 1 - many, -1, -1):
        if not _among(mine, time[k]):
            left = time[k]
            break
    for k in range(at, len(time)):
        if not _among(mine, time[k]):
            right = time[k]
            break
    return left, right


@njit(cache=True, nogil=True)
def _median(time, mine):  # type: ignore[no-untyped-def]
    """Median of the dates that are not one's own, where there are such; sorted both."""
    there, behind = np.empty(len(mine), np.int64), -1
    taken = 0
    for moment in mine:
        at = max(behind + 1, np.searchsorted(time, moment))
        if at < len(time) and time[at] == moment:
            there[taken] = behind = at
            taken += 1
    place = max(0, (len(time) - taken - 1) // 2)
    for at in there[:taken]:
        if at <= place:
            place += 1
    return time[min(place, len(time) - 1)]


@njit(inline="always")
def _among(values, value):  # type: ignore[no-untyped-def]
    at = np.searchsorted(values, value)
    return at < len(values) and values[at] == value


@njit(inline="always")
def sold(dates, item, date):  # type: ignore[no-untyped-def]
    """Whether an item was sold at a date, or not much longer before its first or after its last than is wanted."""
    first, last = dates.first[item], dates.last[item]
    if date.where == UNKNOWN or first == NO_TIME:
        return True
    if date.where == BETWEEN:
        return first <= date.time <= last
    away = first - date.time if date.where == BEFORE else date.time - last
    return 0 <= away <= 4 * date.apart


@njit(inline="always")
def as_old(dates, item, date):  # type: ignore[no-untyped-def]
    """Whether a date is about as far from the median of the item's as is wanted: on its side, by a factor of two."""
    if date.where == UNKNOWN or dates.first[item] == NO_TIME:
        return True
    after = date.time - dates.middle[item]
    far, wanted = abs(after) + date.least, abs(date.middle) + date.least
    return far <= 2 * wanted and wanted <= 2 * far and (after > 0) == (date.middle > 0)
