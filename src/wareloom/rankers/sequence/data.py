"""A log as a network is taught it: batches of histories, negatives, and a part held back to stop early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.batches import bucketed, padded, windows
from wareloom.rankers.held import Held
from wareloom.shop import Log

HELD = (20, 2_000)
"""Users whose last event is held back, at least (else none) and at most."""
POSITIONS = 10
"""Where along a training its amount of data is looked at, if that changes."""


@dataclass(frozen=True)
class SequenceQuery:
    """Requests whose histories are equally long."""

    items: Any
    """int64 [requests, places], codes from 1"""
    beside: list[Any]
    """What `_beside` gives, laid out alike"""
    times: np.ndarray
    """int64 [requests], `NO_TIME` where unknown"""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a log is cut into batches, and what is read of its events."""

    max_length: int
    """Latest events of a history that are read"""
    epochs: int
    batch_size: int
    """Events a batch, padding included"""
    accumulate: int
    """Batches an update"""
    validation: float
    """Share of users whose last event is held back"""
    worth: Callable[[Log], np.ndarray]
    """What each event counts as a target: float32 [events]"""
    beside: Callable[[Log], list[np.ndarray]]
    """What is read beside the items, each int64 [events] from 1"""


class SequenceData:
    """Histories of a log in batches of like length.

    The last events of a share of the real users are held back, unless others are held out. Rows that are learned from
    for a part of the training only (`Log.span`) are in the batches of that part.
    """

    def __init__(self, log: Log, how: Layout, run: Run, held: Held | None = None) -> None:
        """`held`: what is held out of the log already; then nothing is taken out of it."""
        self.log, self.how, self.run = log.keep(log.weight > 0), how, run
        self.length = how.max_length + 1
        if held is None:
            self._hold_back()
        elif worthy := how.validation > 0 and len(held) >= HELD[0]:
            held = held.draw(HELD[1], run, "sequence")
            self.histories, self.answers, self.asked = held.histories, held.answers, held.times
        if held is not None:
            self.held = worthy
        whole = self._count(self.log)
        if self.log.span is not None:
            shares = (np.arange(POSITIONS) + 0.5) / POSITIONS
            whole = round(float(np.mean([self._count(self._active(share)) for share in shares])))
        self.updates = run.updates or how.epochs * max(1, whole // how.accumulate)
        """Gradient updates that are planned"""

    def _hold_back(self) -> None:
        """Take the last event of some real users with long histories out of the log; keep what came before."""
        log, lengths = self.log, self.log.lengths()
        long = np.flatnonzero(lengths >= 3)
        ends = log.offsets[long + 1] - 1
        long = long[log.real[ends] & (self.how.worth(log)[ends] > 0)]
        wanted = min(int(self.how.validation * len(long)), HELD[1])
        held = np.sort(self.run.rng("sequence", "validation").permutation(long)[:wanted])
        self.held = len(held) >= HELD[0]
        if not self.held:
            return
        last = log.offsets[held + 1] - 1
        self.answers, self.asked = log.item[last], log.time[last]
        rest = np.ones(len(log), dtype=bool)
        rest[last] = False
        self.log = log.keep(rest)
        self.histories = self.log.select(held)

    def _active(self, done: float) -> Log:
        """The rows that are learned from when a share `done` of the training is over."""
        if self.log.span is None:
            return self.log
        return self.log.keep((self.log.span[:, 0] <= done) & (done < self.log.span[:, 1]))

    def _layout(self, log: Log) -> tuple[np.ndarray, np.ndarray]:
        """Starts and lengths of the windows that are learned from."""
        starts, sizes = windows(log.offsets, self.length)
        usable = sizes >= 2
        return starts[usable], sizes[usable]

    def _count(self, log: Log) -> int:
        """Batches in one pass over `log`."""
        _, sizes = self._layout(log)
        return sum(1 for _ in bucketed(sizes, self.how.batch_size, np.random.default_rng(0)))

    def batches(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Yield (items, weights, then what the ranker reads beside), each [users, places]; 0 where there is none.

        Where the log has soft labels, they and their weights come last, each [users, places, labels], codes from 1.

        Items are codes from 1; a weight says what the item counts as a target.
        Where rows come and go, an epoch is cut to a share 1 / epochs of the training, so that they do so in time.
        """
        log, limit = self.log, None
        if self.log.span is not None:
            limit = max(1, self.updates // self.how.epochs) * self.how.accumulate
            log = self._active(min(1 - 1e-6, epoch * limit / (self.updates * self.how.accumulate)))
        starts, sizes = self._layout(log)
        columns = [
            log.item.astype(np.int64) + 1,
            self.how.worth(log),
            *self.how.beside(log),
        ]
        if log.label_item is not None and log.label_weight is not None:
            columns += [log.label_item.astype(np.int64) + 1, log.label_weight]
        rng = self.run.rng("sequence", "epoch", epoch)
        for rows in islice(bucketed(sizes, self.how.batch_size, rng), limit):
            yield tuple(
                torch.from_numpy(padded(column, starts[rows], sizes[rows])) for column in columns
            )


class Negatives:
    """Items drawn by popularity to a power, codes from 1."""

    def __init__(self, log: Log, draw: int, power: float, device: Any) -> None:
        weight = np.concatenate([[0.0], (log.counts(weighted=True) + 1.0) ** power])
        q = weight / weight.sum()
        self.draw_, self.items, self.device = draw, len(log.items), device
        self.cumulative = torch.from_numpy(np.cumsum(q)).to(device)
        self.log_q = torch.log(torch.from_numpy(np.maximum(q * draw, 1e-30)).float()).to(device)
        """log of how often each code is drawn, [items + 1]"""

    def draw(self) -> Any:
        """Draw shared negatives: int64 [draws]."""
        at = torch.rand(self.draw_, dtype=torch.float64, device=self.device)
        return torch.searchsorted(self.cumulative, at).clamp_(1, self.items)
