"""A log as tokens: a beginning and then the events of each user, with what each token has to predict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.batches import bucketed, padded
from wareloom.shop import Log
from wareloom.synthesis.behaviour._writing.pace import (
    COUNTS,
    Pace,
    calendar,
    classify,
    count_class,
    gaps,
)

HELD = {"item": np.int32, "next_item": np.int32, "time": np.int64, "next_weight": np.float32}
"""How columns are held, int16 where not said: a token takes 32 bytes"""


@dataclass(frozen=True)
class Tokens:
    """Columns by name, one row a token: the beginning of a user, then each of its events."""

    offsets: np.ndarray
    """int64 [users + 1]"""
    columns: dict[str, np.ndarray]
    pace: Pace

    @classmethod
    def of(cls, log: Log, pace: Pace, action: np.ndarray) -> Tokens:
        """Lay out a log: what is read (items from 1, kinds from 1, gaps, counts; 0 at a beginning; the time) and
        what comes next (`next_…`): item, action, gap and the classes it may be of, whether the user stops.
        """
        n, users = len(log), len(log.users)
        offsets = log.offsets + np.arange(users + 1)
        begin = np.zeros(n + users, dtype=bool)
        begin[offsets[:-1]] = True
        row = np.flatnonzero(~begin)
        gap, fresh, known = gaps(log)
        first = np.arange(n) == log.offsets[log.user]
        kind = classify(pace, gap, fresh)
        kind[first | ~known] = 0
        # A session that begins after an unknown gap says which classes the gap may be of.
        low = np.where(known, kind, np.where(fresh, 1 + pace.split[0], 1))
        high = np.where(known, kind, np.where(fresh, pace.split.sum(), pace.split[0]))
        place = np.arange(n) - log.offsets[log.user]
        classes = np.array([count_class(i) for i in range(int(place.max(initial=0)) + 2)])
        columns = {
            "item": _spread(log.item.astype(np.int64) + 1, row, n + users),
            "kind": _spread(log.event.astype(np.int64) + 1, row, n + users),
            "gap": _spread(kind, row, n + users),
            "count": _spread(classes[place + 1], row, n + users),
            "time": _spread(log.time, row, n + users),
        }
        columns["time"][begin] = log.time[log.offsets[:-1]]
        weight = _spread(log.weight, row, n + users)
        ahead = {
            "item": (columns["item"], 0),
            "gap": (columns["gap"], 0),
            "action": (_spread(action, row, n + users), -1),
            "low": (_spread(np.where(first, 0, low), row, n + users), 0),
            "high": (_spread(np.where(first, 0, high), row, n + users), 0),
            "weight": (weight, 0.0),
        }
        last = np.zeros(n + users, dtype=bool)
        last[offsets[1:] - 1] = True
        for name, (values, end) in ahead.items():
            columns[f"next_{name}"] = np.append(values[1:], values[:1])
            columns[f"next_{name}"][last] = end
        columns["next_weight"][last] = weight[last]
        small = {name: each.astype(HELD.get(name, np.int16)) for name, each in columns.items()}
        return cls(offsets, small, pace)

    def chunks(self, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cut users into pieces of at most `length` tokens: starts, sizes, and how many of each are context alone.

        A later piece begins with the last half of the one before, from which nothing is learned again; decoding goes
        on from as much where its memory is full.
        """
        keep = length // 2
        sizes = np.diff(self.offsets)
        number = 1 + np.maximum(0, -(-(sizes - length) // (length - keep)))
        user = np.repeat(np.arange(len(sizes)), number)
        place = np.arange(len(user)) - np.repeat(np.cumsum(number) - number, number)
        start = place * (length - keep)
        return (
            self.offsets[user] + start,
            np.minimum(length, sizes[user] - start),
            np.where(place > 0, keep, 0),
        )

    def batches(
        self, length: int, tokens: int, rng: np.random.Generator
    ) -> Iterator[dict[str, Any]]:
        """Yield batches of pieces of like length, each column [pieces, places, …]; what is context weighs 0."""
        starts, sizes, skip = self.chunks(length)
        for rows in bucketed(sizes, tokens, rng):
            batch = {
                name: padded(column, starts[rows], sizes[rows])
                for name, column in self.columns.items()
            }
            place = np.arange(batch["item"].shape[1])
            there = (place < sizes[rows][:, None]) & (place >= skip[rows][:, None])
            batch["next_weight"] = np.where(there, batch["next_weight"], 0.0).astype(np.float32)
            time = batch.pop("time")
            batch["calendar"] = calendar(self.pace, time.ravel()).reshape(*time.shape, -1)
            wide = {np.dtype(np.int16): np.int64, np.dtype(np.int32): np.int64}
            yield {
                name: torch.from_numpy(each.astype(wide.get(each.dtype, each.dtype)))
                for name, each in batch.items()
            }

    def part(self, users: np.ndarray) -> Tokens:
        """The tokens of some users."""
        sizes = np.diff(self.offsets)[users]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.repeat(self.offsets[users] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Tokens(
            offsets, {name: column[rows] for name, column in self.columns.items()}, self.pace
        )


def held_back(users: int, share: float, least: int, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Divide users at random: (learned from, held back to stop early); none are held back where they were too few."""
    order = run.rng("sequence", "validation").permutation(users)
    held = int(share * users)
    held = held if held >= least else 0
    return np.sort(order[held:]), np.sort(order[:held])


def hazard(log: Log) -> np.ndarray:
    """Share of the users with so many events (by class) that stopped there, float64 [COUNTS]; NaN where nobody was."""
    lengths = log.lengths()
    lengths = lengths[lengths > 0]
    classes = np.array([count_class(i) for i in range(int(lengths.max()) + 1)])
    reached = np.bincount(lengths, minlength=len(classes))[::-1].cumsum()[::-1].astype(np.float64)
    stopped = np.bincount(classes[lengths], minlength=COUNTS)
    reached[0] = 0.0
    at = np.bincount(classes, weights=reached, minlength=COUNTS)
    with np.errstate(invalid="ignore"):
        share: np.ndarray = stopped / np.where(at > 0, at, np.nan)
    return share


def _spread(values: np.ndarray, row: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros((n, *values.shape[1:]), dtype=values.dtype)
    out[row] = values
    return out
