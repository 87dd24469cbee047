"""When a shopper comes: gaps in classes, one after the other from the last event back, and the time of day."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.core.kernel import kernel
from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._learned.tables import Seen, decided
from wareloom.synthesis.behaviour._walk import _begin, _next

DAY, HOUR = 86_400_000_000, 3_600_000_000
HALF = DAY // 2
"""From this gap on a visit is another one"""
SHORT = 16
"""Classes of gaps within a visit"""
EXACT = 35
"""Days that are classes of their own"""
WIDER = 1.2
"""Ratio of the ends of a class of more days"""
ENDS = 64
"""Classes of the day of the last event"""
LENGTHS = 8
"""Classes of how many events a user has"""
NONE, BRIEF, LONG = 0, 1, 2
"""Kinds of gap: none at all, within a visit, between visits"""
RUNS, SIZES, MEANS, ROOMS, PACES, TURNS, HALVES = 14, 11, 10, 8, 10, 13, 48
TRIES = 8

KIND = (RUNS, SIZES, 3, ROOMS, LENGTHS)
BETWEEN = (PACES, MEANS, ROOMS, 28)
WITHIN = (SHORT + 1, SHORT + 1)
TIME = (25, TURNS, 2)
END = (LENGTHS,)


class Clock(NamedTuple):
    """What times are drawn from. Chances are cumulative, float32 [circumstances, outcomes]."""

    end: np.ndarray
    """Class of the last event's day"""
    kind: np.ndarray
    """Kind of the gap before an event"""
    between: np.ndarray
    """Class of a long gap, in days"""
    within: np.ndarray
    """Class of a short gap"""
    time: np.ndarray
    """Half hour of the day that a visit ends in"""
    ends: np.ndarray
    """int64 [ENDS + 1], days at which classes of last days begin"""
    days: np.ndarray
    """int64 [classes + 1], days at which classes of long gaps begin"""
    brief: np.ndarray
    """float64 [SHORT + 1], microseconds at which classes of short gaps begin"""
    weekday: np.ndarray
    """float64 [7], how often a user's last event is on each weekday beside the commonest, Monday first"""
    bounds: np.ndarray
    """int64 [4]: earliest day, latest day, resolution, whether there is time at all"""


class ClockSeen(NamedTuple):
    """What was decided of real users' times."""

    end: Seen
    kind: Seen
    between: Seen
    within: Seen
    time: Seen


class Lengths(NamedTuple):
    """How many events users have."""

    offsets: np.ndarray
    """int64 [users + 1]"""
    of: np.ndarray
    """int64 [users], class of each user's number"""


@njit(inline="always")
def log_class(value, most):  # type: ignore[no-untyped-def]
    """Class of a number from 1 by its power of two, 0 for less: at most `most` - 1."""
    found = 0
    while value >= 1.0 and found < most - 1:
        value /= 2.0
        found += 1
    return found


@njit(inline="always")
def place_of(edges, value):  # type: ignore[no-untyped-def]
    """The class among rising edges that a value is in, the first or the last where it is beyond."""
    low, high = 0, len(edges) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if edges[middle] <= value:
            low = middle
        else:
            high = middle
    return low


@njit(inline="always")
def _run(n):  # type: ignore[no-untyped-def]
    """Class of how many events a visit has so far, from 1."""
    if n <= 8:
        return n - 1
    return min(RUNS - 1, 5 + log_class(n / 2.0, 16))


@njit(inline="always")
def _pace(days):  # type: ignore[no-untyped-def]
    """Class of a long gap in days, from 1."""
    found = 1
    for edge in (1.5, 2.5, 4.5, 7.5, 14.5, 30.5, 90.5, 365.5):
        if days > edge:
            found += 1
    return found


@njit(inline="always")
def _weekday(day):  # type: ignore[no-untyped-def]
    """0 is Monday; the first of January 1970 was a Thursday."""
    return (day + 3) % 7


@kernel
def draw_day(low, high, weekday, state):  # type: ignore[no-untyped-def]
    """A day from `low` to before `high`, on weekdays as often as they are."""
    day = low
    for _ in range(TRIES):
        day = low + int(_next(state) * max(1, high - low))
        if _next(state) < weekday[_weekday(day)]:
            break
    return day


(
    RUN,
    VISITS,
    EVENTS,
    LOGS,
    GAPS,
    LAST,
    PACE,
    BRIEFLY,
    BRIEFS,
    BRIEF_SUM,
    SINE,
    COSINE,
    LATEST,
    WEEKENDS,
) = range(14)
"""Places in the memory of a walk: events of this visit, visits after it and their events, sum of the logarithms of
their gaps and their number, kind of the last gap, class of the last long one, class of the last short one and one more,
number of short ones, sum of their classes; time of day of the visits after as a sum of directions; hour of the last,
and one more; visits on weekends"""
MEMORY = 16


@kernel
def _time_of_day(clock, seen, event, day, memory, known, state):  # type: ignore[no-untyped-def]
    """Time of day of a visit's last event, that of a real one where it is `known`."""
    turn = 0
    if memory[SINE] != 0.0 or memory[COSINE] != 0.0:
        angle = np.arctan2(memory[SINE], memory[COSINE]) / (2.0 * np.pi)
        turn = 1 + int((angle + 1.0) * 12.0) % 12
    context = (int(memory[LATEST]) * TURNS + turn) * 2 + (1 if _weekday(day) >= 5 else 0)
    half = known // (HOUR // 2) if known >= 0 else -1
    half = decided(clock.time, seen.time, event, context, half, state)
    if known >= 0:
        return known
    least = clock.bounds[2]
    return (half * (HOUR // 2) + int(_next(state) * (HOUR // 2))) // least * least


@kernel
def _brief(clock, seen, event, memory, gap, state):  # type: ignore[no-untyped-def]
    """A gap within a visit; `gap`: that of a real one, or -1."""
    mean = 0
    if memory[BRIEFS] > 0:
        mean = 1 + int(memory[BRIEF_SUM] / memory[BRIEFS])
    known = place_of(clock.brief, gap) if gap >= 0 else -1
    context = int(memory[BRIEFLY]) * (SHORT + 1) + mean
    found = decided(clock.within, seen.within, event, context, known, state)
    memory[BRIEFLY], memory[BRIEFS] = found + 1, memory[BRIEFS] + 1
    memory[BRIEF_SUM] += found
    if gap >= 0:
        return gap
    least, low, high = clock.bounds[2], clock.brief[found], clock.brief[found + 1]
    return max(least, int(low * (high / low) ** _next(state)) // least * least)


@kernel
def _earlier_day(clock, seen, event, day, room, memory, known, state):  # type: ignore[no-untyped-def]
    """Days from the visit before to this one, -1 where none fits into the time there is."""
    mean, share = 0, 0
    if memory[GAPS] > 0:
        mean = 1 + min(MEANS - 2, int(memory[LOGS] / memory[GAPS] + 1.0))
    if memory[VISITS] > 0:
        of = memory[WEEKENDS] / memory[VISITS]
        share = 1 if of < 0.2 else (2 if of < 0.5 else 3)
    context = (int(memory[PACE]) * MEANS + mean) * ROOMS + room
    context = context * 28 + _weekday(day) * 4 + share
    place = place_of(clock.days, known) if known >= 0 else -1
    found = -1
    for _ in range(TRIES):
        place = decided(clock.between, seen.between, event, context, place, state)
        if known >= 0:
            return known
        low, high = clock.days[place], clock.days[place + 1]
        found = low + int(_next(state) * (high - low))
        if day - found >= clock.bounds[0]:
            return found
        place = -1
    return -1


@kernel
def _visit_before(clock, seen, event, time, room, memory, known, state):  # type: ignore[no-untyped-def]
    """Time of the last event of the visit before; `known`: that of a real one, or -1."""
    day, of_day = time // DAY, time % DAY
    angle = 2.0 * np.pi * of_day / DAY
    memory[SINE] += np.sin(angle)
    memory[COSINE] += np.cos(angle)
    memory[LATEST] = 1 + of_day // HOUR
    memory[VISITS] += 1
    memory[EVENTS] += memory[RUN]
    memory[WEEKENDS] += 1.0 if _weekday(day) >= 5 else 0.0
    days = day - known // DAY if known >= 0 else -1
    days = _earlier_day(clock, seen, event, day, room, memory, days, state)
    if days < 0:
        memory[VISITS] -= 1
        memory[EVENTS] -= memory[RUN]
        return time
    memory[RUN] = 0
    memory[GAPS] += 1
    memory[LOGS] += np.log2(max(days, 0.5))
    memory[PACE] = _pace(days)
    earlier = (day - days) * DAY
    if clock.bounds[2] >= DAY:
        return earlier
    for _ in range(TRIES):
        asked = known % DAY if known >= 0 else -1
        found = earlier + _time_of_day(clock, seen, event, day - days, memory, asked, state)
        if known >= 0 or time - found >= HALF:
            return found
    return earlier


@kernel
def _walk_back(clock, seen, lengths, users, state, memory, times, learn):  # type: ignore[no-untyped-def]
    """Time the events of some users, or with `learn` write down how real ones' `times` would have been decided.

    From the last event back: a log that grows is cut off at its end, so that last events are the surer anchor. What a
    user did so far, how large visits and how long gaps were, on which days and at which hours, is told in classes, so
    that a shopper keeps to a pace of its own.
    """
    for u in range(users.first, users.last):
        _begin(state, users.seed, u)
        memory[:] = 0.0
        a, b, of = lengths.offsets[u], lengths.offsets[u + 1], lengths.of[u]
        e = b - 1
        if learn and times[e] == NO_TIME:
            continue
        known = times[e] // DAY if learn else -1
        place = place_of(clock.ends, known) if learn else -1
        place = decided(clock.end, seen.end, e, of, place, state)
        day = (
            known
            if learn
            else draw_day(clock.ends[place], clock.ends[place + 1], clock.weekday, state)
        )
        asked = times[e] % DAY if learn else -1
        if clock.bounds[2] < DAY:
            asked = _time_of_day(clock, seen, e, day, memory, asked, state)
        elif not learn:
            asked = 0
        time = day * DAY + asked
        times[e] = time
        memory[RUN] = 1
        for e in range(b - 1, a, -1):
            known = times[e - 1] if learn else -1
            if known == NO_TIME:
                break
            time = _before(clock, seen, (e, e - a, of), time, memory, known, state)
            times[e - 1] = time
            memory[RUN] += 1


@kernel
def _before(clock, seen, event, time, memory, known, state):  # type: ignore[no-untyped-def]
    """Time of the event before one at `time`; `event`: its place, how many are before it, the class of its user's."""
    place, left, of = event
    size = 0
    if memory[VISITS] > 0:
        size = 1 + min(SIZES - 2, int(2.0 * np.log2(memory[EVENTS] / memory[VISITS])))
    room = log_class(8.0 * (time // DAY - clock.bounds[0]) / left, ROOMS)
    context = (_run(int(memory[RUN])) * SIZES + size) * 3 + int(memory[LAST])
    context = (context * ROOMS + room) * LENGTHS + of
    kind, gap = -1, time - known
    if known >= 0:
        kind = NONE if gap == 0 else (BRIEF if gap < HALF else LONG)
    kind = decided(clock.kind, seen.kind, place, context, kind, state)
    memory[LAST] = kind
    if kind == LONG:
        return _visit_before(clock, seen, place, time, room, memory, known, state)
    if kind == BRIEF:
        earlier = time - _brief(clock, seen, place, memory, gap if known >= 0 else -1, state)
        return earlier if earlier >= clock.bounds[0] * DAY else time
    return time
