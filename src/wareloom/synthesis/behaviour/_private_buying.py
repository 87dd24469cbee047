"""What is bought of a real log, in which order and for which share of the budget; and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.privacy.private import Private
from wareloom.shop.schema import EVENTS
from wareloom.synthesis.behaviour import _private_questions as ask
from wareloom.synthesis.behaviour import _private_tables as tables
from wareloom.synthesis.behaviour._private_draw import Clock, Walk
from wareloom.synthesis.behaviour._private_items import ALIKE, RANKS, Catalogue
from wareloom.synthesis.behaviour._rhythm import RESOLUTIONS

FEW = 3
"""Rows of a user that count where steps or events are much alike: noise grows with how many may fall in one cell"""
MANY = 20
"""Rows of a user that count at most in small tables"""
OFFERED = np.arange(631_152_000_000_000, 2_208_988_800_000_000, ask.WEEK).astype(np.float64)
"""Dates that the first and last day are chosen from: weeks from 1990 to 2039"""
EDGES = (0.01, 0.99)
"""Shares of the events between which the first and the last day lie"""
WORTH = 0.02
"""Share of the steps that known pairs have to be expected to hold, or they are not bought"""
CERTAIN = 0.95
"""Share of the steps from an item that go along known pairs at most"""
NEVER = "no item is in the hands of users enough to appear"


@dataclass(frozen=True)
class Preset:
    """Public constants: shares of the release (of its μ²), and how shoppers walk."""

    shares: Mapping[str, float]
    """By purpose; what they leave of 1, and what a shop has no column for, goes to popularity"""
    sharpness: float
    """Power of the rate at which neighbours are gone to: above 1 the nearest are gone to more often than in the log"""
    texts: float | None
    """Share of the steps that go to neighbours of public text; None takes the log's, which is paid for"""
    allotted: bool
    """Whether items are drawn as often as their popularity says, as nearly as steps let them"""


_COMMON = {
    "users": 0.005,
    "bound": 0.02,
    "lengths": 0.01,
    "sessions": 0.01,
    "hours": 0.02,
    "clock": 0.005,
    "first day": 0.01,
    "last day": 0.01,
    "begins": 0.02,
    "gaps": 0.03,
    "kinds": 0.01,
    "repeats": 0.01,
    "stays": 0.01,
    "quantity": 0.01,
    "rating": 0.01,
}
PRESETS = {
    "teaching": Preset(
        _COMMON | {"categories": 0.04, "neighbours": 0.10, "pairs": 0.15}, 3.0, 0.97, False
    ),
    "faithful": Preset(
        _COMMON | {"categories": 0.20, "neighbours": 0.04, "pairs": 0.05}, 1.0, None, True
    ),
}
"""What a sample is for. One is not both: steps that teach go to the nearest, likeness goes where shoppers went."""


class Habits(NamedTuple):
    """Shares of what has nothing to do with which item it is."""

    lengths: np.ndarray
    """float64 [most]"""
    sessions: np.ndarray
    """float64 [most]"""
    kinds: np.ndarray
    """float64 [kinds + 1, kinds]"""
    turns: np.ndarray
    """float64 [3]: new, last, earlier"""


class Bought(NamedTuple):
    """All that was bought."""

    habits: Habits
    clock: Clock | None
    walk: Walk
    catalogue: Catalogue
    items: pl.DataFrame
    values: dict[str, np.ndarray]
    """Shares of the points of public grids, by column, the last for unknown"""
    forecast: tables.Forecast | None
    """Of pairs; None where items have no public neighbours"""


class Buyer:
    """Spends one release by a preset. `columns`: those of the table of events, which the schema makes public."""

    def __init__(self, private: Private, preset: Preset, columns: list[str]) -> None:
        self.private, self.preset, self.columns = private, preset, columns
        self.shares = dict(preset.shares)
        self.left = 1.0

    def bought(self, catalogue: Catalogue | None, bound: int, who: str) -> Bought:
        """Buy everything. `catalogue`: of public items, None where none are; `bound`: rows of a user, 0 pays for it.

        Raises `InputError` where nothing stands out of the noise.
        """
        private = self.private
        if not private.knows_users:
            private.size(self._take("users"))
        if bound:
            private.bounded(bound)
        else:
            private.bound(self._take("bound"), most=100)
        habits = self._habits(who)
        clock = self._clock() if "time" in self.columns else None
        grids = {"quantity": ask.QUANTITIES, "rating": ask.RATINGS}
        values = {
            name: self._shares(
                name, partial(ask.values, column=name, grid=grid), len(grid) + 1, of="events"
            )
            for name, grid in grids.items()
            if name in self.columns
        }
        if catalogue is None:
            items, walk, catalogue = self._unknown_items(who)
            return Bought(habits, clock, walk, catalogue, items, values, None)
        walk, forecast = self._walk(catalogue, habits)
        return Bought(habits, clock, walk, catalogue, private.items, values, forecast)

    def _take(self, purpose: str) -> float:
        share = self.shares[purpose]
        self.left -= share
        return share

    def _per_user(self, most: int) -> int:
        return max(1, min(most, self.private.most))

    def _noisy(
        self,
        purpose: str,
        question: Any,
        size: int,
        most: int = MANY,
        cell: int | None = None,
        **of: str,
    ) -> tuple[np.ndarray, float]:
        """Noisy counts and the noise's standard deviation."""
        share, limit = self._take(purpose), self._per_user(most)
        counts = self.private.histogram(
            purpose, question, size, share, per_user=limit, per_cell=cell, **of
        )
        return counts, self.private.sigma(share, limit, cell)

    def _shares(
        self, purpose: str, question: Any, size: int, most: int = FEW, **of: str
    ) -> np.ndarray:
        """Shares of cells, those that noise could have made left out."""
        return tables.cleared(*self._noisy(purpose, question, size, most, None, **of))

    def _habits(self, who: str) -> Habits:
        most, kinds = self.private.most, len(EVENTS)
        lengths, sigma = self._noisy("lengths", partial(ask.lengths, most=most), most, 1)
        if lengths.max() <= tables.CLEAR * sigma:
            raise InputError(
                f"The synthesizer {who!r} has nothing to learn from: no number of users stands out of the noise, whose "
                f"standard deviation is {sigma:.3g}. Take a shop of more users with events on public items, or a "
                "larger epsilon."
            )
        table = self._noisy("kinds", ask.kinds, (kinds + 1) * kinds)
        return Habits(
            tables.cleared(lengths, sigma),
            self._shares("sessions", partial(ask.sessions, most=most), most),
            tables.cleared(table[0].reshape(kinds + 1, kinds), table[1]),
            self._shares("repeats", ask.repeats, 3, MANY),
        )

    def _clock(self) -> Clock:
        private = self.private
        days = [
            private.quantile(name, ask.times, OFFERED.tolist(), at, self._take(name))
            for name, at in zip(("first day", "last day"), EDGES, strict=True)
        ]
        # A point of the grid stands for the week before it.
        since, until = min(days) - ask.WEEK, max(days)
        steps = self._shares("clock", ask.clock_steps, len(RESOLUTIONS))
        resolution = RESOLUTIONS[int(np.flatnonzero(steps > 0).max())]
        hours, _ = self._noisy("hours", ask.hours, ask.HOURS + 1, FEW)
        known = tables.smoothed(hours, self.private.sigma(self.shares["hours"], FEW))
        begins, sigma = self._noisy(
            "begins", partial(ask.begins, since=since, until=until), ask.SLICES, 1
        )
        width = len(ask.GAPS)
        gaps, noise = self._noisy("gaps", ask.gaps, (width + 1) * width, self.private.most, FEW)
        table = tables.cleared(gaps.reshape(width + 1, width), noise)
        bounds = np.array([since, until, resolution], dtype=np.int64)
        return Clock(known, tables.smoothed(begins, sigma), table, bounds)

    def _unknown_items(self, who: str) -> tuple[pl.DataFrame, Walk, Catalogue]:
        """Items that enough users have: nothing else says which items there are."""
        found = self.private.keys(
            "items", ask.item_keys, self.left, per_user=self.private.most, of_delta=0.5
        )
        if found.is_empty():
            raise InputError(
                f"The synthesizer {who!r} has nothing to learn from: {NEVER}. Name public columns of items, as in "
                "public=items.title, or take a larger epsilon."
            )
        n = len(found)
        one = np.ones(n, dtype=np.int32)
        catalogue = Catalogue(
            np.zeros((n, 0), np.int32), np.zeros((n, 0), np.int8), 0 * one, 0 * one, np.array([1])
        )
        walk = Walk(
            found["count"].to_numpy().astype(np.float64),
            np.ones((1, 1)),
            np.zeros(1),
            np.zeros(1),
            np.zeros((n, 0), np.float32),
            *_no_pairs(n),
            np.array([self.preset.allotted]),
        )
        return pl.DataFrame({"item_id": found["key"]}), walk, catalogue

    def _walk(self, items: Catalogue, habits: Habits) -> tuple[Walk, tables.Forecast]:
        private = self.private
        size = int(items.categories[0])
        stays, _ = self._noisy("stays", partial(ask.stays, items=items), 3)
        stays = np.maximum(stays, 0).astype(np.float64)
        moves = self._noisy(
            "categories", partial(ask.category_steps, items=items), size * size, MANY, FEW
        )
        near, noise = self._noisy(
            "neighbours", partial(ask.neighbours, items=items), len(RANKS) * ALIKE, FEW
        )
        pairs = self._take("pairs")
        counts, sigma = self._popularity(len(items.leaf), self.left)
        known = tables.shrunk(counts, sigma, items.category)
        rate = tables.kernel_of(near, noise, items, known)
        steps = max(float(stays.sum()), 1.0)
        going = float(np.clip(near.sum(), 0, steps))
        per_user = self._per_user(private.most - 1)
        needed = private.forecast(pairs, per_user, of_delta=0.5)
        threshold = needed, private.sigma(pairs, per_user, 1)
        expected = max(
            tables.forecast(threshold, items, known, (rate, going, steps)),
            # The first knows nothing of steps that go beyond neighbours of public text; this one asks no texts.
            tables.by_size(threshold, private.users, len(known), per_user),
            key=lambda one: one.share,
        )
        followers = _no_pairs(len(known))
        if expected.share >= WORTH:
            held = private.keys("pairs", ask.pair_keys, pairs, per_user=per_user, of_delta=0.5)
            followers = _pairs(held, known / max(known.sum(), 1e-9) * steps)
        else:
            # What pairs would have cost makes popularity better.
            more, beside = self._popularity(len(known), pairs)
            weight = np.array([sigma**-2, beside**-2])
            both = np.rint((weight[0] * counts + weight[1] * more) / weight.sum())
            known = tables.shrunk(both.astype(np.int64), weight.sum() ** -0.5, items.category)
            rate = tables.kernel_of(near, noise, items, known)
        share = np.bincount(items.category, weights=known, minlength=size)
        share = share / share.sum() if share.sum() > 0 else np.full(size, 1 / size)
        weights = tables.walk_weights(items, known, rate, self.preset.sharpness)
        texts = self.preset.texts
        walk = Walk(
            known,
            tables.category_table(moves[0].reshape(size, size), moves[1], share),
            np.array([stays[0] / max(stays[0] + stays[1], 1.0)]),
            np.array([going / steps if texts is None else texts]),
            _ends(weights),
            *followers,
            np.array([self.preset.allotted]),
        )
        return walk, expected

    def _popularity(self, size: int, share: float) -> tuple[np.ndarray, float]:
        most = self.private.most
        counts = self.private.histogram(
            "popularity", ask.popularity, size, share, per_user=most, per_cell=1
        )
        return counts, self.private.sigma(share, most, 1)


def _ends(weights: np.ndarray) -> np.ndarray:
    """Running sums of chances, float32; 0 in rows with nothing."""
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(np.cumsum(weights / np.where(total > 0, total, 1), axis=1).astype(np.float32))


def _no_pairs(items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(items + 1, np.int64), np.zeros(0, np.int32), np.zeros(0)


def _pairs(held: pl.DataFrame, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Known followers of each item; `steps`, float64 [items], are those that go from it."""
    items = len(steps)
    key, count = held["key"].to_numpy(), held["count"].to_numpy().astype(np.float64)
    row, item = key // items, key % items
    total = np.bincount(row, weights=count, minlength=items)
    chance = count / np.maximum(steps, total / CERTAIN)[row]
    start = np.searchsorted(row, np.arange(items + 1))
    running = np.cumsum(chance)
    before = np.concatenate([[0.0], running])[start[:-1]]
    return start, item.astype(np.int32), running - before[row]
