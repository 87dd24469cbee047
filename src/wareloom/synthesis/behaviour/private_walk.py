"""Shoppers that walk among public texts by paid counts: differentially private from end to end, user by user."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Count, Fraction, Positive, Size
from wareloom.core.state import flattened, unflattened
from wareloom.errors import require
from wareloom.privacy import mechanisms
from wareloom.privacy.ledger import Ledger, ledgers_folder
from wareloom.privacy.private import Private, Release
from wareloom.privacy.public import Public
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps
from wareloom.shop.log import NO_TIME, SESSION_GAP
from wareloom.shop.schema import EVENTS
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.behaviour._given import check_length, known_items, starts
from wareloom.synthesis.behaviour._private_buying import MANY, PRESETS, Bought, Buyer, Habits
from wareloom.synthesis.behaviour._private_draw import (
    Clock,
    Walk,
    drawn,
    items_of,
    kinds_of,
    sessions_of,
    times_of,
    without_times,
)
from wareloom.synthesis.behaviour._private_items import Catalogue, catalogue_of
from wareloom.synthesis.behaviour._private_questions import QUANTITIES, RATINGS
from wareloom.synthesis.behaviour._private_tables import Forecast, by_size
from wareloom.synthesis.draws import mark, new_ids, numbered

GRIDS = {"quantity": QUANTITIES, "rating": RATINGS}


@dataclass(kw_only=True, eq=False)
class PrivateWalk(Synthesizer):
    """Shoppers made of public texts and noisy counts alone, which are paid for out of the shop's privacy budget.

    Whoever adds or removes one user, with all rows in all tables, changes the chance of any sample by e^ε at most, but
    for δ. What is counted: lengths, session sizes, hours of the week, gap after gap, kinds, repeats, category after
    category, how often each item is had, and how near in public text, brand and category the next item is. Counts of
    items are shrunk to what is likely (no further cost). Steps go to neighbours of public text by rank, brand and
    popularity; others go by categories. Pairs of items are bought only where enough users are expected to have them.

    The budget is set by `wareloom budget SHOP` before. With `noise_seed` nothing is private, and the sample says so.
    How many users to sample is asked, never taken from the log.
    """

    keeps: ClassVar[Keeps] = "private"
    conditions: ClassVar[frozenset[str]] = frozenset({"start_items", "length"})
    knows: ClassVar[frozenset[str]] = frozenset({"behaviour", "text"})
    quick: ClassVar[dict[str, Any]] = {
        "epsilon": 1e6,
        "noise_seed": 1,
        "public": ("items.item_id", "items.title", "items.category", "items.price"),
        "bound": 20,
    }

    epsilon: Positive = 3.0
    """What the release may spend; 1 to 3 is usual."""
    delta: Fraction = 1e-6
    """At most 1 / (10 · users)."""
    public: tuple[str, ...] = ()
    """Columns of items that anybody may see, such as items.title; without any, only items that enough users have
    appear."""
    preset: Literal["teaching", "faithful"] = "teaching"
    """What samples are for: to teach rankers (steps to near items), or to look like the log (items, categories)."""
    bound: Count = 10
    """Rows of a user that count, over all tables; 0 pays for it, as the quantile .9."""
    shoppers: Count = 0
    """How many users the shop has, where that is public; 0 pays for it. δ is held against it."""
    neighbours: Size = 64
    """Nearest public texts of each item that steps may go to."""
    noise_seed: int | None = None
    """For tests, and for proofs inside: noise of the same strength from this seed and the run's, so that each seed of
    a proof draws its own. Nothing is taken from the budget, and samples are not private."""

    def _check(self) -> None:
        Public.of(self.public)

    def holds(self) -> Keeps:
        """What it keeps of the users: nothing but what was paid for, unless noise can be drawn again."""
        return "private" if self.noise_seed is None else "counts"

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Pay for what is learned of `shop`.

        Raises `SourceError` where the shop has no budget, `BudgetError` where this release would pass it (nothing is
        spent then), `RefusedError` for columns that cannot be public or a δ too large for the number of users.
        """
        run = run or Run()
        self._forget()
        with run.limits(), run.task(f"{self.name}: fit"), self._private(shop, run) as private:
            columns = shop.columns("events") if shop.has("events") else []
            catalogue = None
            if private.public.catalogue:
                catalogue = catalogue_of(private.items, self.neighbours, run)
            buyer = Buyer(private, PRESETS[self.preset], columns)
            bought = buyer.bought(catalogue, self.bound, self.name)
            self.stamp_, self.users_ = private.stamp(), private.users
        if self.noise_seed is not None:
            # Its ledger was made for this fit alone, and is gone.
            self.stamp_["ledger"] = None
        self._keep(bought, columns)
        return self

    def expected_pairs(self, users: int, items: int) -> Forecast:
        """How many pairs of items would survive in a shop of so many users and items: public, and free of charge.

        By these numbers and the settings alone, so that it can be asked before there is a budget; see `by_size`. Raises
        `SettingError` for numbers below 1.
        """
        for name, value in (("users", users), ("items", items)):
            require(self.name, name, value, value >= 1, "a whole number of at least 1")
        release = Release(self.epsilon, self.delta)
        most = max(1, min(MANY, self.bound or MANY) - 1)
        mu = release.mu * math.sqrt(PRESETS[self.preset].shares["pairs"])
        sigma = mechanisms.sigma_of(mu, mechanisms.sensitivity_of(most, 1))
        delta = release.delta * release.disclosure * 0.5
        needed = mechanisms.threshold_of(sigma, delta, most, release.kind)
        return by_size((needed, sigma), users, items, most)

    @contextlib.contextmanager
    def _private(self, shop: Shop, run: Run) -> Iterator[Private]:
        """The door to the shop, its budget looked at."""
        # By the run as well, or all seeds of a proof would stand on one draw of the noise.
        seed = None if self.noise_seed is None else run.seed_for(self.name, self.noise_seed)
        release = Release(self.epsilon, self.delta, noise_seed=seed)
        public, users = Public.of(self.public), self.shoppers or None
        if self.noise_seed is None:
            ledger = Ledger.open(ledgers_folder(), shop.fingerprint)
            private = Private(shop, ledger, release, public=public, users=users)
            private.check_budget()
            yield private
            return
        with tempfile.TemporaryDirectory() as folder:
            # Without the key of real ledgers, which would hold this one beside the shop's own.
            ledger = Ledger(Path(folder) / f"{shop.fingerprint}.jsonl", shop.fingerprint)
            ledger.allow(self.epsilon, self.delta)
            yield Private(shop, ledger, release, public=public, users=users)

    def _keep(self, bought: Bought, columns: list[str]) -> None:
        self.catalogue_ = bought.items
        vars(self).update(flattened("habits", bought.habits))
        vars(self).update(flattened("walk", bought.walk))
        vars(self).update(flattened("places", bought.catalogue))
        if bought.clock is not None:
            vars(self).update(flattened("clock", bought.clock))
        drawn_too = ("session_id", "time", "value", "quantity", "rating")
        self.columns_ = [name for name in drawn_too if name in columns]
        for name, shares in bought.values.items():
            setattr(self, f"{name}_share_", shares)
        self.forecast_ = "" if bought.forecast is None else str(bought.forecast)

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw `n` users, called ORIGIN/0-MARK, ORIGIN/1-MARK, …; whatever is drawn costs no more privacy."""
        self._checked(n, given)
        run, given = run or Run(), given or Given()
        check_length(given)
        with run.limits(), run.task(f"{self.name}: sample {n:,} users"):
            habits: Habits = unflattened(Habits, "habits", self)
            length = 1 + drawn(habits.lengths, n, run.rng("private_walk", "lengths"))
            if given.length is not None:
                length = np.full(n, given.length)
            longest = int(length.max())
            begins = sessions_of(habits.sessions, length, run.rng("private_walk", "sessions"))
            kinds = kinds_of(habits.kinds, n, longest, run.rng("private_walk", "kinds"))
            turns = drawn(habits.turns, n * longest, run.rng("private_walk", "turns"))
            items = self._items(length, turns.reshape(n, longest).astype(np.int8), given, run)
            time = self._times(begins, run)
            there = np.arange(longest) < length[:, None]
            own = mark(self, n, run, given)
            made = self._shop(there, (items, kinds, time, begins), own, run)
        made.meta["privacy"] = self.stamp_
        return self._stamped(made, given)

    def _items(self, length: np.ndarray, turns: np.ndarray, given: Given, run: Run) -> np.ndarray:
        rng = run.rng("private_walk", "items")
        first = np.full(len(length), -1)
        if len(begin := starts(given, known_items(self))):
            first = begin[rng.integers(len(begin), size=len(length))]
        places: Catalogue = unflattened(Catalogue, "places", self)
        return items_of(places, unflattened(Walk, "walk", self), length, turns, first, rng)

    def _times(self, begins: np.ndarray, run: Run) -> np.ndarray:
        if "time" not in self.columns_:
            return np.full(begins.shape, NO_TIME)
        clock: Clock = unflattened(Clock, "clock", self)
        time = times_of(clock, begins, run.rng("private_walk", "times"))
        return without_times(time, float(clock.hours[-1]), run.rng("private_walk", "unknown"))

    def _shop(self, there: np.ndarray, cells: tuple[np.ndarray, ...], own: str, run: Run) -> Shop:
        """Tables of what was drawn, user after user."""
        item, kind, time, begins = (cell[there] for cell in cells)
        n, rng = len(there), run.rng("private_walk", "columns")
        users = new_ids(self.origin, n, own)
        user = np.repeat(np.arange(n), there.sum(axis=1))
        columns: dict[str, Any] = {
            "user_id": users.gather(user),
            "item_id": self.catalogue_["item_id"].gather(item),
            "event": pl.Series(EVENTS).gather(kind),
        }
        if "session_id" in self.columns_:
            # A session is what no silence breaks, and two of them may have come to lie close together.
            far = (
                np.append(True, np.diff(time) > SESSION_GAP) if "time" in self.columns_ else begins
            )
            new = far | np.append(True, user[1:] != user[:-1])
            session = numbered(self.origin, pl.Series(np.cumsum(new) - 1), own)
            columns["session_id"] = pl.select(session.alias("id")).to_series()
        if "time" in self.columns_:
            columns["time"] = pl.Series(time).replace(int(NO_TIME), None).cast(pl.Datetime("us"))
        for name in GRIDS.keys() & set(self.columns_):
            points = np.append(GRIDS[name], np.nan)
            cell = drawn(getattr(self, f"{name}_share_"), len(user), rng)
            columns[name] = pl.Series(points[cell]).fill_nan(None)
        if "value" in self.columns_:
            price = pl.Series([None] * len(user), dtype=pl.Float64)
            if "price" in self.catalogue_.columns:
                price = self.catalogue_["price"].gather(item)
            columns["value"] = price * columns.get("quantity", pl.Series([1.0])).fill_null(1.0)
        events = pl.DataFrame(columns).with_columns(origin=pl.lit(self.origin))
        owners = pl.DataFrame({"user_id": users, "origin": [self.origin] * n})
        return Shop.trusted({"items": self.catalogue_, "users": owners, "events": events})
