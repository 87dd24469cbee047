"""Rules that nobody declared and that real data never breaks."""

from __future__ import annotations

from datetime import time

import numpy as np
import polars as pl

from wareloom.screening._breaks import DAY, HOUR, Facts, breaks
from wareloom.screening._rule_kinds import Funnel, Hours, Most, Never, Range, Rule
from wareloom.shop.schema import EVENTS

NUMBERS = ("quantity", "value", "rating")


def learned(facts: Facts, support: int) -> list[Rule]:
    """Find rules that no event of `facts` breaks though chance alone would have let about `support` break them.

    Funnel: a kind of event, at least `support` of it, that always comes after another kind on the same item. Never: a
    kind that never comes right after another in a session, where `support` would if order meant nothing. Hours: the
    longest part of the day, in whole hours, without an event. Most events of a session and of a day; lowest and highest
    numbers.
    """
    frame = facts.frame
    if len(frame) < support:
        return []
    counts = dict(frame["event"].value_counts().iter_rows())
    kinds = [kind for kind in EVENTS if counts.get(kind, 0) >= support]
    found: list[Rule] = []
    if len(kinds) > 1:
        found += _funnels(facts, kinds)
        found += _nevers(frame, kinds, support)
    if facts.timed:
        found += _hours(frame, support)
    for per in ("session", "day") if facts.timed else ("session",):
        keys = ["owner", "session"] if per == "session" else ["owner", pl.col("at") // DAY]
        found.append(Most(events=int(frame.group_by(keys).len()["len"].max() or 1), per=per))  # type: ignore[arg-type]
    for name in NUMBERS:
        there = frame[name].drop_nulls().drop_nans()
        if len(there) >= support:
            low, high = there.min(), there.max()
            found.append(Range(column=name, minimum=float(low), maximum=float(high)))  # type: ignore[arg-type]
    return [rule for rule in found if not breaks(rule, facts, frame).any()]


def _funnels(facts: Facts, kinds: list[str]) -> list[Rule]:
    """Every pair (event, needed) that might hold; what is broken falls out with the others."""
    return [
        Funnel(event=kind, needs=other)
        for kind in kinds
        for other in kinds
        if kind != other and other != "search"
    ]


def _nevers(frame: pl.DataFrame, kinds: list[str], support: int) -> list[Rule]:
    """Pairs of kinds that never follow each other in a session though they are frequent."""
    before = frame.select(
        "event", before=pl.col("event").shift(1).over(["owner", "session"])
    ).drop_nulls()
    seen = {(a, b): n for a, b, n in before.group_by("before", "event").len().iter_rows()}
    left, come = (dict(before[name].value_counts().iter_rows()) for name in ("before", "event"))
    return [
        Never(event=kind, after=other)
        for kind in kinds
        for other in kinds
        if (other, kind) not in seen
        and left.get(other, 0) * come.get(kind, 0) >= support * max(1, len(before))
    ]


def _hours(frame: pl.DataFrame, support: int) -> list[Rule]:
    """The hours outside of which nothing happens, where an hour would have `support` events if all were alike."""
    clock = frame["at"].drop_nulls() % DAY
    hour = (clock // HOUR).to_numpy()
    if len(hour) < 24 * support or clock.max() == 0:  # days alone, of which no clock is known
        return []
    open_ = np.bincount(hour, minlength=24) > 0
    if open_.all():
        return []
    around = np.concatenate([open_, open_])
    ends = np.flatnonzero(around)
    gaps = np.diff(ends)
    longest = int(np.argmax(gaps))
    close, opens = (int(ends[longest]) + 1) % 24, int(ends[longest + 1]) % 24
    return [Hours(open=time(opens), close=time(close))]
