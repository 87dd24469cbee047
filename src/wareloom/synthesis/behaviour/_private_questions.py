"""What is asked of a real log: (row, cell). The cells of a user's rows hang on that user's rows alone.

So whoever comes or goes changes nothing of what is counted for others; how much of one user counts, `Private` bounds.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.privacy.rows import Answer, Rows
from wareloom.shop import Log
from wareloom.shop.log import NO_TIME, SESSION_GAP
from wareloom.shop.schema import EVENTS
from wareloom.synthesis.behaviour._private_items import Catalogue
from wareloom.synthesis.behaviour._rhythm import RESOLUTIONS

HOUR = 3_600_000_000
DAY = 24 * HOUR
WEEK = 7 * DAY
THURSDAY = 3 * DAY
"""1 January 1970 was a Thursday; weeks begin on Mondays"""
HOURS = 168
GAPS = np.array(
    [
        0,
        1,
        60_000_000,
        SESSION_GAP + 1,
        6 * HOUR,
        DAY,
        3 * DAY,
        WEEK,
        4 * WEEK,
        13 * WEEK,
        52 * WEEK,
    ]
)
"""Shortest gap of each class, microseconds; the first three lie within a session"""
LONGEST = 260 * WEEK
"""Longest gap of the last class"""
WITHIN = 3
NEW, LAST, EARLIER = 0, 1, 2
"""An event's item: another, the one before again, one that the user had before that"""
SLICES = 48
"""Parts of the time from the first to the last day, for when users begin"""
QUANTITIES = np.arange(1.0, 11.0)
RATINGS = np.arange(0.0, 10.25, 0.5)


def lengths(rows: Rows, most: int) -> Answer:
    """Events of each user, at the user's first row."""
    length = rows.log.lengths()
    return rows.first, np.minimum(length[length > 0], most) - 1


def sessions(rows: Rows, most: int) -> Answer:
    """Events of each session."""
    log = rows.log
    starts = np.flatnonzero(_first(log) | _new_session(log))
    size = np.diff(np.append(starts, len(log)))
    return starts, np.minimum(size, most) - 1


def hours(rows: Rows) -> Answer:
    """Hour of the week of each event, from Monday; `HOURS` where the time is unknown."""
    log = rows.log
    known = log.time != NO_TIME
    return rows.all, np.where(known, (log.time + THURSDAY) % WEEK // HOUR, HOURS)


def clock_steps(rows: Rows) -> Answer:
    """The longest of `RESOLUTIONS` that divides each known time."""
    log = rows.log
    known = np.flatnonzero(log.time != NO_TIME)
    divides = np.stack([log.time[known] % step == 0 for step in RESOLUTIONS])
    return known, np.argmax(divides, axis=0)


def times(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Known times of events, float64 microseconds."""
    log = rows.log
    known = np.flatnonzero(log.time != NO_TIME)
    return known, log.time[known].astype(np.float64)


def begins(rows: Rows, since: float, until: float) -> Answer:
    """The slice of the time between two public or paid dates in which each user begins."""
    log = rows.log
    first = np.flatnonzero(_first(log) & (log.time != NO_TIME))
    share = (log.time[first] - since) / max(until - since, 1.0)
    return first, np.clip((share * SLICES).astype(np.int64), 0, SLICES - 1)


def gaps(rows: Rows) -> Answer:
    """Class of the gap before each event, after the class of the gap before that: (class before + 1) · classes + class.

    The class before is -1 for a user's first gap, and after one that is unknown.
    """
    log = rows.log
    inner = np.flatnonzero(~_first(log) & (log.time != NO_TIME))
    inner = inner[log.time[inner - 1] != NO_TIME]
    found = np.full(len(log), -1)
    found[inner] = np.searchsorted(GAPS, log.time[inner] - log.time[inner - 1], side="right") - 1
    before = np.where(log.user[inner - 1] == log.user[inner], found[inner - 1], -1)
    return inner, (before + 1) * len(GAPS) + found[inner]


def kinds(rows: Rows) -> Answer:
    """Kind of each event after the kind of the one before: (kind before + 1) · kinds + kind."""
    log = rows.log
    before = np.full(len(log), -1)
    before[1:] = log.event[:-1]
    before[_first(log)] = -1
    return rows.all, (before + 1) * len(EVENTS) + log.event


def repeats(rows: Rows) -> Answer:
    """Whether the item of each event but a user's first is new, the last one again, or an earlier one."""
    log = rows.log
    at = np.flatnonzero(~_first(log))
    same = log.item[at] == log.item[at - 1]
    seen = ~_first_of_pair(log)[at]
    return at, np.where(same, LAST, np.where(seen, EARLIER, NEW))


def stays(rows: Rows, items: Catalogue) -> Answer:
    """How far each step to another item goes: 0 in the leaf category, 1 in the category, 2 beyond."""
    at, a, b = steps(rows)
    leaf = (items.leaf[a] == items.leaf[b]) & (items.leaf[a] > 0)
    return at, np.where(leaf, 0, np.where(items.category[a] == items.category[b], 1, 2))


def category_steps(rows: Rows, items: Catalogue) -> Answer:
    """From which category to which each step to another item goes."""
    at, a, b = steps(rows)
    return at, items.category[a].astype(np.int64) * items.categories[0] + items.category[b]


def neighbours(rows: Rows, items: Catalogue) -> Answer:
    """Class of rank, brand and leaf of each step to one of an item's nearest texts."""
    at, a, b = steps(rows)
    hit = items.neighbour[a] == b[:, None]
    found = np.flatnonzero(hit.any(axis=1))
    place = hit[found].argmax(axis=1)
    return at[found], items.cell[a[found], place].astype(np.int64)


def popularity(rows: Rows) -> Answer:
    """Each item that a user has, once."""
    log = rows.log
    first = np.flatnonzero(_first_of_pair(log))
    return first, log.item[first].astype(np.int64)


def item_keys(rows: Rows) -> tuple[np.ndarray, pl.Series]:
    """Ids of the items that a user has, where it is not public which items there are."""
    row, item = popularity(rows)
    return row, rows.log.items.decode(item)


def pair_keys(rows: Rows) -> tuple[np.ndarray, pl.Series]:
    """Each step to another item as one number, from · items + to."""
    at, a, b = steps(rows)
    return at, pl.Series(a.astype(np.int64) * len(rows.log.items) + b)


def values(rows: Rows, column: str, grid: np.ndarray) -> Answer:
    """A column of the table of events on a public grid, by the nearest point; one cell more for unknown."""
    events = rows.table("events")
    known = events[column].fill_null(float("nan")).to_numpy()
    nearest = np.abs(np.nan_to_num(known)[:, None] - grid).argmin(axis=1)
    return np.arange(len(events)), np.where(np.isnan(known), len(grid), nearest)


def steps(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, items gone from and items gone to, of all steps to another item."""
    log = rows.log
    at = np.flatnonzero(~_first(log))
    at = at[log.item[at] != log.item[at - 1]]
    return at, log.item[at - 1], log.item[at]


def _first(log: Log) -> np.ndarray:
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1][log.lengths() > 0]] = True
    return first


def _new_session(log: Log) -> np.ndarray:
    # Not `log.session`: it goes by ids where anybody has one, so that one user would change the others' sessions.
    new = np.zeros(len(log), dtype=bool)
    known = (log.time[1:] != NO_TIME) & (log.time[:-1] != NO_TIME)
    new[1:] = known & (np.diff(log.time) > SESSION_GAP)
    return new


def _first_of_pair(log: Log) -> np.ndarray:
    """Whether an event is its user's first on its item, bool [events]."""
    frame = pl.DataFrame({"user": log.user, "item": log.item})
    found: np.ndarray = frame.select(
        (pl.int_range(pl.len()).over("user", "item") == 0).alias("first")
    )["first"].to_numpy()
    return found
