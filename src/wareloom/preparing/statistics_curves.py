"""Curves of a shop, small enough to be drawn: events over time, how much users do, how events fall on items."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.preparing.resolution import DAY

MICRO = 1_000_000
MOST_POINTS = 60
"""Points of a curve"""
WIDTHS = (1, 7, 30, 91, 365)
"""Days that one point of events over time may stand for"""


class Calendar:
    """How many events each day has."""

    def __init__(self) -> None:
        self.days: dict[int, int] = {}

    def add(self, time: np.ndarray) -> None:
        """Count events by their times, in microseconds since 1970."""
        for day, number in zip(*np.unique(time // (MICRO * DAY), return_counts=True), strict=True):
            self.days[int(day)] = self.days.get(int(day), 0) + int(number)

    def curve(self) -> dict[str, Any]:
        """Return the events of spans of `days` each: 1, 7, 30, 91 or 365, so that there are few points.

        Keys: days, first (the day that each span begins with), events. Nothing where no event has a time.
        """
        if not self.days:
            return {}
        first, last = min(self.days), max(self.days)
        width = next((w for w in WIDTHS if (last - first) // w < MOST_POINTS), WIDTHS[-1])
        sums = np.zeros((last - first) // width + 1, dtype=np.int64)
        for day, number in self.days.items():
            sums[(day - first) // width] += number
        starts = [str(np.datetime64(first + width * i, "D")) for i in range(len(sums))]
        return {"days": width, "first": starts, "events": sums.tolist()}


def at_least(counts: np.ndarray) -> dict[str, list[float]]:
    """Return the share of users with at least so many events: `events`, ascending, and `share`."""
    if not len(counts):
        return {}
    values, number = np.unique(counts, return_counts=True)
    share = number[::-1].cumsum()[::-1] / len(counts)
    kept = _spread(len(values))
    return {"events": values[kept].astype(float).tolist(), "share": share[kept].tolist()}


def by_rank(counts: np.ndarray) -> dict[str, list[float]]:
    """Return the interactions of items by their rank, the most popular having 1: `rank` and `interactions`."""
    ordered = np.sort(counts[counts > 0])[::-1]
    if not len(ordered):
        return {}
    kept = _spread(len(ordered))
    return {"rank": (kept + 1.0).tolist(), "interactions": ordered[kept].astype(float).tolist()}


def _spread(number: int) -> np.ndarray:
    """Places of at most `MOST_POINTS` of `number` values, the first and last among them, close where they begin."""
    if number <= MOST_POINTS:
        return np.arange(number)
    return np.unique(np.geomspace(1, number, MOST_POINTS).round().astype(int) - 1)
