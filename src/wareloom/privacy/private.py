"""What a generator may know of a real shop, each number paid for before it is drawn.

    private = Private(shop, ledger, Release(epsilon=3, delta=1e-6), public=Public.of("items.title,items.category"))
    users = private.size(share=0.01)
    private.bound(share=0.02, most=50)
    hours = private.histogram("hour × weekday", lambda rows: (rows.all, hour_of(rows)), 168, share=0.1)

A question is a function of `Rows`. It is called with the bounded rows, which are shut when it returns. It returns
places of rows and a cell, a key or a value of each; whose rows they are is looked up here, and what it returns is
clipped, counted and noised here. Its one duty: what it says of a user's rows hangs on no other user (`laws.local` tries
that). A generator that holds a `Private` holds no shop and no log.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import BudgetError, NotFittedError, RefusedError, require
from wareloom.privacy import bounds, gaussian, mechanisms, renyi
from wareloom.privacy.accounting import (
    Chance,
    Choice,
    Cost,
    DiscreteGaussian,
    Gaussian,
    Spent,
    compose,
)
from wareloom.privacy.integers import Kind
from wareloom.privacy.ledger import ROUNDING, UNIT, Ledger
from wareloom.privacy.noise import NOT_PRIVATE, source_of
from wareloom.privacy.public import Public
from wareloom.privacy.rows import LOG, Answer, Rows
from wareloom.shop import Shop

WHO = "Private"
USERS_A_DELTA = 10
"""δ is at most 1 over so many times the users"""
CERTAIN = 4.0
"""Standard deviations that a noisy number of users may lie below the truth when δ is held against it"""


@dataclass(frozen=True)
class Release:
    """What one release may spend of the ledger's budget."""

    epsilon: float
    delta: float
    disclosure: float = 0.1
    """Share of δ that thresholds of unknown keys may take; the rest is the noise's"""
    kind: Kind = "rounded"
    """Noise: normal numbers rounded, whose μ is exact, or the discrete Gaussian, whose price is Rényi's"""
    noise_seed: int | None = None
    """For tests alone: noise from a seed, and everything that is made is stamped"""

    def __post_init__(self) -> None:
        """Check every number; raises `SettingError`."""
        gaussian.check_epsilon(self.epsilon)
        gaussian.check_delta(self.delta)
        require(WHO, "disclosure", self.disclosure, 0 <= self.disclosure < 1, "a share below 1")

    @cached_property
    def mu(self) -> float:
        """μ of all of the release's noise together; `Private.histogram` and others take shares of its square."""
        left = self.delta * (1 - self.disclosure)
        if self.kind == "rounded":
            return gaussian.mu_of(self.epsilon, left)
        low, high = 0.0, gaussian.mu_of(self.epsilon, left)
        for _ in range(60):
            middle = (low + high) / 2
            fits = renyi.epsilon_of(renyi.gaussian(middle), left)[0] <= self.epsilon
            low, high = (middle, high) if fits else (low, middle)
        return low


class Private:
    """The one door between a private generator and a real shop."""

    def __init__(
        self,
        shop: Shop,
        ledger: Ledger,
        release: Release,
        *,
        public: Public | None = None,
        users: int | None = None,
    ) -> None:
        """`users`: how many there are, where that is public; otherwise `size` pays for it.

        Raises `InputError` where the ledger is another shop's or has no budget.
        """
        if ledger.fingerprint != shop.fingerprint:
            raise RefusedError(
                f"The ledger {ledger.path} is of another shop ({ledger.fingerprint[:12]}…), not of "
                f"{shop.fingerprint[:12]}…."
            )
        self.release, self.public = release, public or Public()
        self._shop, self._ledger = shop, ledger
        self._noise = source_of(release.noise_seed)
        self._paid: list[tuple[str, Cost]] = []
        self._most: int | None = None
        self._rows: Rows | None = None
        self._users, self._users_are = users, "public"
        if users is not None:
            self._check_delta(users)

    # What is public

    @cached_property
    def items(self) -> pl.DataFrame:
        """The public catalogue, ordered by item_id; raises `RefusedError` where none is public."""
        return self.public.items(self._shop)

    def check_budget(self) -> None:
        """Raise `BudgetError` where the ledger could not pay for the whole release, before any of it is spent."""
        kind = Gaussian if self.release.kind == "rounded" else DiscreteGaussian
        disclosure = self.release.delta * self.release.disclosure
        self._ledger.check(kind(self.release.mu), *([Chance(disclosure)] if disclosure else []))

    @property
    def knows_users(self) -> bool:
        """Whether the number of users is public or paid for."""
        return self._users is not None

    @property
    def users(self) -> int:
        """The number of users, public or noisy; raises `NotFittedError` before it was paid for."""
        if self._users is None:
            raise NotFittedError(
                "The number of users is not public and not paid for: call size(share=0.01) first, or give users=N."
            )
        return self._users

    @property
    def most(self) -> int:
        """The most rows of a user over all tables; raises `NotFittedError` before `bound` or `bounded`."""
        if self._most is None:
            raise self._no_bound()
        return self._most

    def _no_bound(self) -> NotFittedError:
        return NotFittedError(
            "No bound on a user's rows: call bound(share=0.02, most=100), which pays for it, or bounded(N) with a "
            "number that nobody took from the data."
        )

    def mu(self, share: float) -> float:
        """μ of a mechanism that takes `share` of the release: shares add up as squares of μ do."""
        require(WHO, "share", share, 0 < share <= 1, "a share above 0, at most 1")
        return self.release.mu * math.sqrt(share)

    # Bounds

    def bounded(self, most: int) -> None:
        """Keep at most `most` rows of a user over all tables, a number that is public."""
        require(WHO, "most", most, most >= 1, "a whole number of at least 1")
        kept = bounds.bounded(bounds.owned(self._shop), most, self._noise)
        items = self.items if self.public.catalogue else None
        self._most, self._rows = int(most), Rows.of(kept, items)

    def bound(self, share: float, *, at: float = 0.9, most: int = 200) -> int:
        """Pay for the quantile `at` of the rows of a user, at most `most`, and keep no more than that; returns it."""
        counted = bounds.rows_of_users(bounds.owned(self._shop))
        epsilon = self._pay_choice("rows of a user", share)
        chosen = mechanisms.quantile(
            np.arange(len(counted)),
            counted["rows"].to_numpy(),
            range(1, most + 1),
            at,
            epsilon=epsilon,
            noise=self._noise,
        )
        self.bounded(int(chosen))
        return int(chosen)

    # Mechanisms

    def size(self, share: float) -> int:
        """Pay for the number of users, and return it with noise, at least 1. δ is held against it."""
        sigma = self.sigma(share, 1, 1)
        self._pay("number of users", share)
        count = bounds.rows_of_users(bounds.owned(self._shop)).height
        zeros = np.zeros(count, dtype=np.int64)
        noisy = mechanisms.histogram(
            np.arange(count),
            zeros,
            1,
            sigma=sigma,
            bounds=(1, 1),
            noise=self._noise,
            kind=self.release.kind,
        )
        self._users, self._users_are = max(1, int(noisy[0])), "noisy"
        self._check_delta(math.ceil(self._users + CERTAIN * sigma))
        return self._users

    def histogram(
        self,
        purpose: str,
        question: Callable[[Rows], Answer],
        size: int,
        share: float,
        *,
        per_user: int | None = None,
        per_cell: int | None = None,
        of: str = LOG,
    ) -> np.ndarray:
        """Noisy counts over `size` cells that are public, int64 [size]; may be below 0.

        `question` returns (row, cell): places of rows of the log, or of the table `of`, and a cell of each. Of a user's
        rows at most `per_user` are counted (the bound on rows, unless told) and `per_cell` in one cell (as many, unless
        told): the noise grows with the root of their product.
        """
        limits = self._limits(per_user, per_cell)
        user, cell = self._asked(question, of)
        sigma = self.sigma(share, *limits)
        self._pay(purpose, share)
        return mechanisms.histogram(
            user, cell, size, sigma=sigma, bounds=limits, noise=self._noise, kind=self.release.kind
        )

    def sigma(self, share: float, per_user: int, per_cell: int | None = None) -> float:
        """Standard deviation that `histogram` will add to each cell; costs nothing."""
        limits = (per_user, per_user if per_cell is None else min(per_cell, per_user))
        return mechanisms.sigma_of(self.mu(share), mechanisms.sensitivity_of(*limits))

    def forecast(self, share: float, per_user: int, *, of_delta: float = 1.0) -> int:
        """Users that a key needs to appear in `keys` at all; costs nothing, knows nothing of the shop."""
        delta = self.release.delta * self.release.disclosure * of_delta
        sigma = self.sigma(share, per_user, 1)
        return mechanisms.threshold_of(sigma, delta, per_user, self.release.kind)

    def keys(
        self,
        purpose: str,
        question: Callable[[Rows], tuple[np.ndarray, pl.Series]],
        share: float,
        *,
        per_user: int,
        of_delta: float = 1.0,
        of: str = LOG,
    ) -> pl.DataFrame:
        """Keys that enough users have, with noisy numbers of users: a frame (key, count), ordered by key.

        `question` returns (row, key): places of rows and a key of each, text or whole number. A user counts for
        `per_user` keys, once for each. `of_delta`: share of the release's δ for disclosure that this one takes. Keys
        below `forecast` users do not appear.
        """
        limits = self._limits(per_user, 1)
        user, key = self._asked(question, of)
        sigma = self.sigma(share, limits[0], 1)
        threshold = self.forecast(share, limits[0], of_delta=of_delta)
        chance = mechanisms.chance_of(threshold, sigma, limits[0], self.release.kind)
        self._pay(purpose, share, Chance(max(chance, 1e-300)))
        return mechanisms.sparse_histogram(
            user,
            key,
            sigma=sigma,
            threshold=threshold,
            per_user=limits[0],
            noise=self._noise,
            kind=self.release.kind,
        )

    def quantile(
        self,
        purpose: str,
        question: Callable[[Rows], tuple[np.ndarray, np.ndarray]],
        grid: Sequence[float],
        at: float,
        share: float,
        *,
        of: str = LOG,
    ) -> float:
        """A point of the public `grid` near the quantile `at`; of each user's values one counts, by chance.

        `question` returns (row, value).
        """
        user, value = self._asked(question, of)
        epsilon = self._pay_choice(purpose, share)
        return mechanisms.quantile(user, value, grid, at, epsilon=epsilon, noise=self._noise)

    def worst(
        self,
        purpose: str,
        candidates: Sequence[tuple[Callable[[Rows], Answer], np.ndarray]],
        share: float,
        *,
        per_user: int | None = None,
        expected: Sequence[float] | None = None,
        of: str = LOG,
    ) -> int:
        """The place of a candidate whose counts an estimate misses most, by a paid choice (as AIM takes its marginals).

        A candidate is a question and the estimate of its counts, float64 [size]. `expected`: what noise would miss of
        each, taken off its score.
        """
        limits = self._limits(per_user, None)
        answers = [self._asked(question, of) for question, _ in candidates]
        epsilon = self._pay_choice(purpose, share)
        off = expected if expected is not None else [0.0] * len(candidates)
        scores = []
        for (user, cell), (_, estimate), less in zip(answers, candidates, off, strict=True):
            kept = mechanisms.clipped(user, cell, *limits, self._noise)
            counts = np.bincount(cell[kept], minlength=len(estimate))[: len(estimate)]
            # Whole numbers: an estimate is rounded, so that one user moves a score by `per_user` at most.
            missed = np.abs(counts - np.rint(estimate).astype(np.int64)).sum()
            scores.append(int(missed) - round(less))
        return mechanisms.choose(scores, epsilon, limits[0], self._noise)

    # What it cost

    @property
    def spent(self) -> Spent:
        """What this release cost until now, at its δ."""
        return compose([cost for _, cost in self._paid], self.release.delta)

    def stamp(self) -> dict[str, Any]:
        """What may leave with the release: no fingerprint, no counts of rows, no seed.

        Raises `NotFittedError` where the number of users is neither public nor paid for: δ was held against none.
        """
        spent, users = self.spent, self.users
        return {
            "private": self._noise.private,
            "noise": "entropy of the operating system" if self._noise.private else NOT_PRIVATE,
            "unit": UNIT,
            "epsilon": spent.epsilon,
            "delta": spent.delta,
            "way": spent.way,
            "budget": {"epsilon": self.release.epsilon, "delta": self.release.delta},
            "users": {"number": users, "is": self._users_are},
            "rows_of_a_user": self._most,
            "public": list(self.public.columns),
            "ledger": self._ledger.id,
            "mechanisms": [{"purpose": name, **cost.to_json()} for name, cost in self._paid],
        }

    # Within

    def _limits(self, per_user: int | None, per_cell: int | None) -> tuple[int, int]:
        whole = self.most if per_user is None else min(per_user, self.most)
        return whole, whole if per_cell is None else min(per_cell, whole)

    def _asked(self, question: Callable[[Rows], Any], of: str) -> tuple[Any, Any]:
        """Who said what: users and cells, as many; the question names rows, and whose they are is known here."""
        if self._rows is None:
            raise self._no_bound()
        with self._rows.shown() as rows:
            row, cell = question(rows)
            owner = rows.owner(of)
        row = np.asarray(row)
        # Ascending: users' codes, which are no places, would repeat.
        fits = len(row) == len(cell) and bool(np.all(np.diff(row) > 0))
        fits = fits and (not len(row) or 0 <= row[0] <= row[-1] < len(owner))
        wanted = "places of rows, ascending and each once, and as many cells"
        require(WHO, "question", len(row), bool(fits), wanted)
        return owner[row.astype(np.int64)], cell

    def _pay(self, purpose: str, share: float, *others: Cost) -> None:
        kind = Gaussian if self.release.kind == "rounded" else DiscreteGaussian
        self._spend(purpose, kind(self.mu(share)), *others)

    def _pay_choice(self, purpose: str, share: float) -> float:
        # A Rényi price is ε² / 8 to μ² / 2, the price in μ is a little dearer; both stay within the share.
        mu = self.mu(share)
        epsilon = gaussian.range_of(mu) if self.release.kind == "rounded" else 2 * mu
        self._spend(purpose, Choice(epsilon))
        return epsilon

    def _spend(self, purpose: str, *costs: Cost) -> None:
        after = compose([*(cost for _, cost in self._paid), *costs], self.release.delta)
        if after.epsilon > self.release.epsilon * (1 + ROUNDING):
            raise BudgetError(
                f"{purpose!r} would take this release from ε {self.spent.epsilon:.4g} to {after.epsilon:.4g}; it may "
                f"spend ε {self.release.epsilon:g}. The shares of a release add up to 1 at most."
            )
        self._ledger.spend(purpose, *costs)
        self._paid += [(purpose, cost) for cost in costs]

    def _check_delta(self, users: int) -> None:
        most = 1 / (USERS_A_DELTA * users)
        if self.release.delta > most:
            raise RefusedError(
                f"δ {self.release.delta:g} is more than 1 / ({USERS_A_DELTA} · {users:,} users) = {most:.3g}: with "
                f"that much a release could show some user outright. Give --delta {most:.1e} or less."
            )
