"""What a ranker is judged by: requests with their histories, and what their users really did next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.preparing.splits import Split
from wareloom.rankers.held import Held
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.popularity import slice_names, slices_of
from wareloom.shop.schema import REAL

REPEATS = 0.01
"""Where more than this share of training events repeat an item that the user had, seen items stay in the ranking."""


@dataclass(frozen=True)
class Task:
    """Held-out requests and their answers; item codes are those of the training part's catalogue."""

    requests: Requests
    offsets: np.ndarray
    """int64 [requests + 1]"""
    item: np.ndarray
    """int32 [relevant], items that were right, each once a request"""
    repeats: bool
    """Whether items of the history may be recommended again"""
    popularity: np.ndarray
    """float64 [items], events in the training part"""
    groups: np.ndarray | None
    """int32 [items], leaf category"""
    flags: dict[str, np.ndarray]
    """Slices of requests by name: bool [requests]"""
    left_out: int
    """Held-out users that cannot be asked: a single event and no history"""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def held(self) -> Held:
        """The first answer of each request, as what is held out of all that is learned from (`Ranker.fit`)."""
        assert self.requests.histories is not None
        first = self.item[self.offsets[:-1]].astype(np.int32)
        return Held(self.requests.histories, first, self.repeats, self.requests.times)

    def about(self) -> dict[str, Any]:
        """What a result says of what was asked."""
        return {
            "requests": len(self),
            "answers": len(self.item),
            "left_out": self.left_out,
            "repeats": self.repeats,
        }

    @property
    def request(self) -> np.ndarray:
        """Request of each relevant item, int64 [relevant]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def item_slices(self) -> dict[str, np.ndarray]:
        """Slices of items by their popularity in training: head, middle and tail hold a third of all events each.

        bool [items] by name; "cold" items have no training event at all.
        """
        seen, found = self.popularity > 0, slices_of(self.popularity, 3)
        slices = {name: seen & (found == place) for place, name in enumerate(slice_names(3))}
        return slices | {"cold": ~seen}


def build_task(split: Split, part: str = "test", repeats: str = "auto") -> Task:
    """Build the task of the `part` ("validation" or "test") of a split.

    After a split that leaves each user's last events out, and after one by user, the answer is the user's last event.
    After a split by time it is all that a user with earlier events did in the part; a user who is new there is asked
    for the last event after the earlier ones. `repeats`: "rank" keeps items of the history in the ranking and among the
    answers, "mask" takes them out of both, "auto" ranks them where training repeats more than `REPEATS` of its events.
    """
    earlier = [split.train] if part == "validation" else [split.train, split.validation]
    judged: Shop = getattr(split, part)
    if split.how["settings"]["by"] == "user":
        earlier = []
    if not judged.has("events") or judged.rows("events") == 0:
        raise InputError(f"The {part} part has no events: give it a larger share of the split.")
    log = _marked(earlier, judged)
    target, history, flags, left_out = _cut(log, whole=split.how["settings"]["by"] == "time")
    train = Log.of(split.train)
    again = _repeat_share(train) > REPEATS if repeats == "auto" else repeats == "rank"
    target &= _first(log, target)
    if not again:
        target &= ~_had_before(log, history)
    keep = np.flatnonzero(np.bincount(log.user[target], minlength=len(log.users)) > 0)
    if len(keep) == 0:
        raise InputError(
            f"Nobody in the {part} part can be asked: no user there has both a history and something held out."
        )
    histories, answers = log.keep(history).select(keep), log.keep(target).select(keep)
    groups = None
    if split.train.has("items", "category"):
        groups = (
            split.train.table("items")["category"]
            .list.last()
            .rank("dense")
            .fill_null(0)
            .to_numpy()
            .astype(np.int32)
        )
    return Task(
        requests=Requests(
            users=histories.users.ids.to_list(), histories=histories, times=_asked(answers)
        ),
        offsets=answers.offsets,
        item=answers.item,
        repeats=again,
        popularity=train.counts(),
        groups=groups,
        flags={
            name: flag[keep] for name, flag in flags.items() if 0 < flag[keep].sum() < len(keep)
        },
        left_out=left_out,
    )


def _marked(earlier: list[Shop], judged: Shop) -> Log:
    """One log of all parts; the rows of the judged part are marked as not `real`, the earlier ones as real."""
    parts = [(part, REAL) for part in earlier] + [(judged, "held out")]
    frames = [part.scan("events").with_columns(origin=pl.lit(mark)) for part, mark in parts]
    return Log.of(judged.with_tables(events=pl.concat(frames, how="diagonal_relaxed")))


def _cut(log: Log, *, whole: bool) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], int]:
    """Mark what is asked for and what is known before (bool [events]); slices of users; users that cannot be asked."""
    held = ~log.real
    user, last = log.user, np.zeros(len(log), dtype=bool)
    some = np.flatnonzero(log.lengths() > 0)
    last[log.offsets[some + 1] - 1] = True
    known = np.bincount(user[~held], minlength=len(log.users)) > 0
    if whole:
        target = held & (known[user] | last)
        history = ~held | ~(known[user] | last)
    else:
        target, history = held & last, ~(held & last)
    asked = np.bincount(user[target], minlength=len(log.users)) > 0
    with_history = np.bincount(user[history], minlength=len(log.users)) > 0
    target &= with_history[user]
    tied = np.zeros(len(log.users), dtype=bool)
    ends = log.offsets[some + 1] - 1
    long = log.lengths()[some] > 1
    tied[some[long]] = log.time[ends[long]] == log.time[ends[long] - 1]
    flags = {"known users": known, "new users": ~known}
    if log.timed and not whole:
        flags |= {"tied users": tied, "users not tied": ~tied}
    return target, history, flags, int((asked & ~with_history).sum())


def _asked(answers: Log) -> np.ndarray:
    """When each request is asked: at the time of its first answer; empty where there are no times."""
    return answers.time[answers.offsets[:-1]] if answers.timed else np.zeros(0, dtype=np.int64)


def _first(log: Log, rows: np.ndarray) -> np.ndarray:
    """Whether each of some events (bool [events]) is the user's first of them on its item."""
    first = np.zeros(len(log), dtype=bool)
    here = np.flatnonzero(rows)
    pairs = pl.DataFrame({"user": log.user[here], "item": log.item[here]})
    first[here] = pairs.select(pl.struct("user", "item").is_first_distinct()).to_series().to_numpy()
    return first


def _had_before(log: Log, history: np.ndarray) -> np.ndarray:
    """Whether each event is on an item that the user's history holds."""
    frame = pl.DataFrame({"user": log.user, "item": log.item, "history": history})
    return (
        frame.select(pl.col("history").any().over("user", "item")).to_series().to_numpy() & ~history
    )


def _repeat_share(log: Log) -> float:
    """Share of events, beyond each user's first, on an item the user had before."""
    pairs = pl.DataFrame({"user": log.user, "item": log.item}).n_unique()
    later = len(log) - int((log.lengths() > 0).sum())
    return (len(log) - pairs) / later if later else 0.0
