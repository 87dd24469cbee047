"""Where to cut a log by time: dates such that the parts have the shares asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from wareloom.errors import SettingError
from wareloom.preparing.split_settings import DAY, SplitSettings, duration


def to_datetime(micros: int) -> datetime:
    """Return the naive time in UTC of microseconds since 1970."""
    return datetime(1970, 1, 1) + timedelta(microseconds=micros)


def part_of_time(time: pl.Expr, cuts: tuple[int, int]) -> pl.Expr:
    """Return 0 before the first cut (and for unknown times), 1 from there on, 2 from the second cut on."""
    first, second = (pl.lit(to_datetime(cut), dtype=pl.Datetime("us")) for cut in cuts)
    return pl.when(time >= second).then(2).when(time >= first).then(1).otherwise(0)


def cut_times(times: pl.LazyFrame, settings: SplitSettings) -> tuple[int, int]:
    """Return where validation and test begin, in microseconds since 1970, for the column `time` of `times`."""
    micros = times.select(time=pl.col("time").cast(pl.Int64)).drop_nulls()
    first, last = (
        micros.select(a=pl.min("time"), b=pl.max("time")).collect(engine="streaming").row(0)
    )
    if first is None:
        raise SettingError(
            "A split by time needs times, and all of this shop's are unknown: split by='leave-last-out'."
        )
    if settings.dates:
        begin, end = (
            int(np.datetime64(date.replace(tzinfo=None), "us").astype(np.int64))
            for date in settings.dates
        )
        return begin, end
    if settings.last:
        length = duration(settings.last)
        if last - 2 * length + 1 <= first:
            days = (last - first) / DAY
            raise SettingError(
                f"last={settings.last!r} twice over leaves no training part: the log spans {days:.1f} days."
            )
        return last - 2 * length + 1, last - length + 1
    shares = np.cumsum(settings.parts) / np.sum(settings.parts)
    if settings.share == "span":
        begin, end = (first + round((last + 1 - first) * float(share)) for share in shares[:2])
        return begin, end
    begin, end = _cuts_by_events(micros, shares[:2])
    before, after = pl.col("time") < begin, pl.col("time") >= end
    counts = micros.select(a=before.sum(), b=(~before & ~after).sum(), c=after.sum())
    found = counts.collect(engine="streaming").row(0)
    if all(rows or not share for rows, share in zip(found, settings.parts, strict=True)):
        return begin, end
    return _apart(micros, (begin, end), [share > 0 for share in settings.parts[1:]])


def _apart(micros: pl.LazyFrame, cuts: tuple[int, int], held: Sequence[bool]) -> tuple[int, int]:
    """Return cuts moved by as few times as leave no part empty; those given where there are too few times.

    `held`: whether validation and test are to have events.
    """
    times = micros.unique().collect(engine="streaming")["time"].sort().to_numpy()
    validation, test = map(int, held)
    most = len(times) - test
    if most < 1 + validation:
        return cuts
    begin, end = np.searchsorted(times, cuts).tolist()
    begin = max(1, min(begin, most - validation))
    end = max(begin + validation, min(end, most))
    ends = [*times.tolist(), int(times[-1]) + 1]
    return ends[begin], ends[end]


def _cuts_by_events(micros: pl.LazyFrame, shares: np.ndarray) -> list[int]:
    """Return times before which the nearest possible number of events to each share lies (a moment is never parted)."""
    days = micros.group_by(day=pl.col("time") // DAY).len().collect(engine="streaming").sort("day")
    running = np.cumsum(days["len"].to_numpy())
    cuts = []
    for share in shares.tolist():
        target = running[-1] * share
        place = min(int(np.searchsorted(running, target, side="right")), len(running) - 1)
        day = int(days["day"][place])
        inside = (
            micros.filter(pl.col("time") // DAY == day)
            .group_by("time")
            .len()
            .collect(engine="streaming")
            .sort("time")
        )
        before = int(running[place - 1]) if place else 0
        counts = before + np.concatenate([[0], np.cumsum(inside["len"].to_numpy())])
        candidates = [*inside["time"].to_list(), (day + 1) * DAY]
        cuts.append(candidates[int(np.argmin(np.abs(counts - target)))])
    return cuts
