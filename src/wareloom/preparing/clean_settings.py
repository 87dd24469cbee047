"""Which steps of cleaning are taken, and how strictly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import Literal

import numpy as np
import polars as pl

from wareloom.core.settings import Count, NonNegative, Settings
from wareloom.preparing.cleaning_text import TextSettings


@dataclass(frozen=True, kw_only=True)
class CleanSettings(Settings):
    """Which steps of cleaning are taken, and how strictly."""

    missing_keys: bool = True
    """Reject rows without their keys: events without item (searches excepted) or without user and session."""
    times: bool = True
    """Reject events and searches at impossible times: before `earliest`, after `now`, or far in the future of the
    bulk."""
    earliest: datetime = datetime(1990, 1, 1)
    """No event was earlier than this (UTC)."""
    now: datetime | Literal["today"] | None = None
    """No event is later than this (UTC); "today" is the end of the day on which the shop is cleaned, which clean.json
    then names. None asks no clock: only times far in the future of the bulk are rejected."""
    amounts: bool = True
    """Reject events with a negative or infinite value or quantity; blank such prices of items."""
    returns: bool = True
    """Reject purchases with a negative quantity or value, and with each the purchase that it takes back: the last one
    before it of the same user, item and quantity (else value). Where there is none, what was given back is taken from
    the purchases before it of that user and item. A return without its purchase has an impossible amount."""
    zero_amounts: bool = False
    """Treat a price, value or quantity of zero as impossible too."""
    orphans: bool = True
    """Reject events, judgments and images of unknown items; add unknown users; forget unknown items of dialogues."""
    duplicates: Literal["auto", "all", "none"] = "auto"
    """Reject exact repeats of an event. "auto" does so only where times have seconds: two equal rows of one day (or
    without time) may be two events, and where the log has no quantity, equal lines of a basket say how many were
    bought."""
    near_seconds: NonNegative = 3.0
    """Reject an event that repeats one of the same user, session, item, kind, search and position within so many
    seconds (a double click); 0 takes no such step. Only where times have seconds; lines of one basket stay."""
    outlier_z: NonNegative = 10.0
    """Reject events whose value or quantity, and blank prices of items, with a robust z-score on the log scale beyond
    this; 0: none."""
    activity_z: NonNegative = 6.0
    """Reject users whose number of events has a robust z-score on the log scale beyond this; 0: none."""
    robot_z: NonNegative = 5.0
    """Reject users whose events per active hour (day, where times are days) have a robust z-score beyond this; 0:
    none."""
    robot_events: Count = 500
    """Fewer events do not make a robot."""
    core_users: Count = 0
    """Keep events of users with at least so many interactions only, iterated with `core_items`; 0 takes no such
    step."""
    core_items: Count = 0
    """Keep events on items with at least so many interactions only; the items themselves stay in the catalogue."""
    unicode: bool = True
    """Bring titles, descriptions, brands, categories, queries and dialogues to Unicode's form NFKC."""
    html: bool = True
    """Remove HTML tags from them and turn entities into characters."""
    spaces: bool = True
    """Fold runs of white space in them into one space, and remove invisible characters."""

    @property
    def text(self) -> TextSettings:
        """What is done to text."""
        return TextSettings(unicode=self.unicode, html=self.html, spaces=self.spaces)

    def dated(self) -> CleanSettings:
        """These settings with the last moment of the present day (UTC) where `now` is "today"."""
        if self.now != "today":
            return self
        return replace(self, now=datetime.combine(datetime.now(UTC).date(), time.max))

    def impossible_time(self, when: pl.Expr) -> pl.Expr:
        """Whether a time (microseconds since 1970) is before `earliest` or after `now`."""
        early, last = when < _micros(self.earliest), self.dated().now
        return early | (when > _micros(last)) if isinstance(last, datetime) else early


def _micros(moment: datetime) -> int:
    """Microseconds since 1970 of a naive time in UTC."""
    return int(np.datetime64(moment, "us").astype(np.int64))
