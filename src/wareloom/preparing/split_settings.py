"""How a shop is split."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from wareloom.core.settings import Factor, NonNegative, Positive, Settings
from wareloom.errors import SettingError
from wareloom.shop.schema import INTERACTIONS

DAY = 86_400_000_000
"""Microseconds of a day."""
UNITS = {"min": DAY // 1440, "h": DAY // 24, "d": DAY, "w": 7 * DAY}


@dataclass(frozen=True, kw_only=True)
class SplitSettings(Settings):
    """How a shop is split."""

    by: Literal["time", "leave-last-out", "user", "query"] = "time"
    """`time`: at two dates for everybody. `leave-last-out`: each user's last interaction is for the test, the one
    before for validation. `user`: whole users. `query`: whole queries, with their searches and judgments."""
    parts: tuple[Positive, NonNegative, NonNegative] = (6.0, 2.0, 2.0)
    """Shares of train, validation and test; only their ratio counts. Validation and test may be 0."""
    share: Literal["events", "span"] = "events"
    """What `parts` are shares of when splitting by time: the number of events, or the span from first to last."""
    dates: tuple[datetime, datetime] | None = None
    """Split by time at these dates (UTC): where validation begins and where the test begins."""
    last: str | None = None
    """Split by time so that the test is the last stretch, such as "14d", and validation as long a stretch before it."""
    shuffle_ties: int | None = None
    """Leave-last-out: a seed that draws the order of a user's events of one time, as `Log.of` does; None: file
    order."""
    kinds: tuple[str, ...] = INTERACTIONS
    """Leave-last-out: the events that count as interactions; others go with the interaction that follows them."""
    validation_users: Factor = 1.0
    """Leave-last-out: the share of users whose last event but one is for validation; of the others it stays in train.
    Where users are many, a part of them tells settings apart as well, and training loses fewer events."""
    seed: int = 0
    """Decides which users, queries and dialogues fall in which part, on any machine and in any version."""

    def _check(self) -> None:
        if self.by != "time" and (self.dates or self.last):
            raise SettingError(
                f"SplitSettings: dates and last are for by='time', not by={self.by!r}."
            )
        if self.by != "leave-last-out" and self.validation_users < 1:
            raise SettingError(
                f"SplitSettings: validation_users is for by='leave-last-out', not by={self.by!r}."
            )
        if self.dates and self.last:
            raise SettingError("SplitSettings: give dates or last, not both.")
        if self.dates and not self.dates[0] <= self.dates[1]:
            raise SettingError(
                f"SplitSettings: dates={self.dates!r} must be in order: validation begins, test begins."
            )
        if self.last is not None:
            duration(self.last)


def duration(text: str) -> int:
    """Return the microseconds of a stretch of time such as "14d", "2w", "36h" or "90min"."""
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(min|h|d|w)\s*", text)
    if not match or not (length := round(float(match[1]) * UNITS[match[2]])):
        raise SettingError(
            f"{text!r} is not a stretch of time. Write a number and min, h, d or w, such as '14d' or '36h'."
        )
    return length
