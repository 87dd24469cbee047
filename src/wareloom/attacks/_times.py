"""When the events of users were: minute of the week, hour of the day, gaps, sessions."""

from __future__ import annotations

import numpy as np

from wareloom.attacks import People
from wareloom.attacks._templates import Traits
from wareloom.shop.log import NO_TIME

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
WEEK = 7 * DAY


def times(people: People, *, dated: bool = False) -> Traits:
    """Of each event: when in the week (minute; hour of the day), whether a session begins, and the date where asked.

    Of the date: which eight weeks, and which twenty-four.
    """
    log = people.log
    known = log.time != NO_TIME
    time = np.where(known, log.time, 0)
    minute = np.where(known, time % WEEK // MINUTE, -1)
    hour = np.where(known, time % DAY // HOUR, -1)
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1]] = True
    begins = first | np.append(True, np.diff(log.session) != 0)
    fine, coarse = [minute, begins.astype(np.int64)], [hour, begins.astype(np.int64)]
    if dated:
        fine.append(time // (8 * WEEK))
        coarse.append(time // (24 * WEEK))
    exact, rough = (np.stack(form, axis=1).astype(np.int32) for form in (fine, coarse))
    return Traits(log.offsets, exact, rough, gaps(people))


def gaps(people: People) -> np.ndarray:
    """Logarithm of the microseconds since the event before, float64 [events]: -1 for none, NaN where unknown."""
    log = people.log
    gap = np.diff(log.time, prepend=log.time[:1]).astype(np.float64)
    there = log.time != NO_TIME
    both = there & np.append(False, there[:-1])
    both[log.offsets[:-1]] = False
    found = np.where(gap > 0, np.log(np.maximum(gap, 1.0)), -1.0)
    return np.where(both, found, np.nan)
