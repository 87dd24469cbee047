"""When the next event comes: classes of gaps, what is drawn within a class, the calendar as numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.shop import Log
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._rhythm import RESOLUTIONS
from wareloom.synthesis.behaviour._walk import _next

STEPS = 32
"""Steps of the quantiles that are kept of a class of gaps"""
KNOTS = 12
"""Dates between which the calendar is told the network piecewise linearly"""
DATED = KNOTS + 11
"""Numbers by which a time is told"""
CANDIDATES = 8
"""Gaps that are drawn from a class, to choose the one whose hour of the week suits the shop"""
STARTS = 1 << 16
"""First times that are kept at most"""
HOUR, WEEK = 3_600_000_000, 168
COUNTS = 64
"""Classes of how many events a user has had"""


class Pace(NamedTuple):
    """Gaps and times of a log. Gap 0 is none or unknown, then come the classes within a session, then those between."""

    lower: np.ndarray
    """int64 [classes], least gap of each"""
    split: np.ndarray
    """int64 [2]: classes within a session, classes between sessions"""
    table: np.ndarray
    """float64 [classes, STEPS + 1], quantiles of each; zeros where there is no time"""
    starts: np.ndarray
    """int64 [at most STARTS], times of users' first events"""
    knots: np.ndarray
    """float64 [KNOTS], dates that divide the events evenly"""
    rate: np.ndarray
    """float64 [WEEK], events by hour of the week from Monday"""
    bounds: np.ndarray
    """int64 [4]: earliest time, latest time, resolution, whether there is time at all"""


def fit_pace(log: Log, bins: int) -> Pace:
    """Learn from a log; `bins`: classes of gaps within a session, and as many between sessions, at most."""
    gap, fresh, known = gaps(log)
    inner = np.arange(len(log)) > log.offsets[log.user]
    there = log.time[log.time > NO_TIME]
    timed = log.timed and len(there) > 0
    parts = []
    for group in (~fresh, fresh):
        values = np.sort(gap[inner & group & known])
        # Where no gap is known, there may be sessions all the same.
        parts.append(
            _classes(values, bins) if len(values) else _silent(bool(np.any(inner & group)))
        )
    resolution = next(r for r in RESOLUTIONS if not np.any(there % r))
    heads = log.offsets[:-1][log.lengths() > 0]
    starts = np.sort(log.time[heads][log.time[heads] > NO_TIME]) if timed else np.zeros(0, np.int64)
    if len(starts) > STARTS:
        starts = starts[np.linspace(0, len(starts) - 1, STARTS).astype(np.int64)]
    if timed and not len(starts):
        starts = there[:1]
    bounds = [there.min(), there.max(), resolution, 1] if timed else [0, 0, 1, 0]
    knots = np.quantile(there, np.linspace(0, 1, KNOTS)) if timed else np.zeros(KNOTS)
    return Pace(
        np.concatenate([lower for lower, _ in parts]),
        np.array([len(lower) for lower, _ in parts], dtype=np.int64),
        np.concatenate([table for _, table in parts]),
        starts,
        knots,
        np.bincount(_hour_of_week(there), minlength=WEEK).astype(np.float64),
        np.array(bounds, dtype=np.int64),
    )


def gaps(log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gap before each event, int64; whether a session begins with it; whether the gap is known: each [events]."""
    gap = np.diff(log.time, prepend=log.time[:1])
    fresh = np.diff(log.session, prepend=-1) != 0
    first = np.arange(len(log)) == log.offsets[log.user]
    known = (log.time > NO_TIME) & (np.concatenate([[NO_TIME], log.time[:-1]]) > NO_TIME) & ~first
    return np.where(known, gap, 0), fresh | first, known


def classify(pace: Pace, gap: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Class of each gap, int64, from 1; `fresh`: whether a session begins; 0 where the log had no such gaps."""
    within = int(pace.split[0])
    out = np.zeros(len(gap), dtype=np.int64)
    for group, a, b in ((~fresh, 0, within), (fresh, within, len(pace.lower))):
        if b > a:
            at = np.searchsorted(pace.lower[a:b], gap[group], side="right") - 1
            out[group] = 1 + a + np.maximum(at, 0)
    return out


def _silent(there: bool) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(int(there), np.int64), np.zeros((int(there), STEPS + 1))


def _classes(values: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide sorted gaps evenly: least gap and quantiles of each class. Gaps of no time are a class of their own."""
    positive = values[values > 0]
    lower = np.unique(positive)
    if len(lower) > bins:
        lower = np.unique(np.quantile(positive, np.arange(bins) / bins, method="inverted_cdf"))
    if len(positive) < len(values):
        lower = np.concatenate([[0], lower])
    lower = lower.astype(np.int64)
    ends = np.append(np.searchsorted(values, lower), len(values))
    steps = np.linspace(0, 1, STEPS + 1)
    table = [np.quantile(values[a:b], steps, method="inverted_cdf") for a, b in pairwise(ends)]
    return lower, np.array(table, dtype=np.float64)


def _hour_of_week(time: np.ndarray) -> np.ndarray:
    """0 is Monday's first; the first of January 1970 was a Thursday."""
    hour: np.ndarray = (time // HOUR + 72) % WEEK
    return hour


@njit(cache=True)
def count_class(n: int) -> int:
    """Class of a number of events: itself below 32, then eight to each doubling."""
    if n < 32:
        return n
    return min(COUNTS - 1, 32 + int(8.0 * (np.log2(n) - 5.0)))


@njit(cache=True, nogil=True)
def calendar(pace: Pace, time: np.ndarray) -> np.ndarray:
    """Times as numbers: float32 [times, DATED]; zeros where unknown.

    Between which knots, as weights of both that add up to 1; sine and cosine of the day and half the day; the weekday.
    """
    out = np.zeros((len(time), DATED), dtype=np.float32)
    for i in range(len(time)):
        date(pace, time[i], out[i])
    return out


@njit(cache=True)
def date(pace: Pace, time: int, out: np.ndarray) -> None:
    """Write one time as numbers to `out`, which is zero."""
    if pace.bounds[3] == 0 or time <= NO_TIME:
        return
    t = min(max(float(time), pace.knots[0]), pace.knots[-1])
    k = 0
    while k < KNOTS - 2 and t >= pace.knots[k + 1]:
        k += 1
    width = pace.knots[k + 1] - pace.knots[k]
    share = (t - pace.knots[k]) / width if width > 0 else 0.0
    out[k], out[k + 1] = 1.0 - share, share
    angle = 2.0 * np.pi * (time % (24 * HOUR)) / (24 * HOUR)
    out[KNOTS], out[KNOTS + 1] = np.sin(angle), np.cos(angle)
    out[KNOTS + 2], out[KNOTS + 3] = np.sin(2 * angle), np.cos(2 * angle)
    out[KNOTS + 4 + (time // (24 * HOUR) + 3) % 7] = 1.0


@njit(cache=True)
def draw_gap(pace: Pace, row: int, now: int, latest: int, state: np.ndarray) -> int:
    """Draw a gap of class `row` (from 0) after `now`, to end by `latest`, in steps of the log's resolution.

    Several are drawn from the quantiles of the class, and one is chosen with the weight that the hour of the week it
    leads to has in the log: broad classes alone would wash the shop's hours out.
    """
    table, resolution = pace.table[row], pace.bounds[2]
    if table[0] == table[-1]:
        return int(table[0])
    chosen, total = int(table[0]), 0.0
    for _ in range(CANDIDATES):
        u = _next(state) * STEPS
        i = int(u)
        value = table[i] + (u - i) * (table[i + 1] - table[i])
        gap = int(value / resolution + 0.5) * resolution
        if now + gap > latest:
            continue
        weight = pace.rate[((now + gap) // HOUR + 72) % WEEK] + 1e-9
        total += weight
        if _next(state) * total < weight:
            chosen = gap
    return chosen
