"""A generator: synthesizers that share the users between them, with the screens and the mixer of what they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import MIXERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.mixing import Mixer
from wareloom.privacy.looks import Look, refuse_unpaid
from wareloom.sampling.rejection import fill
from wareloom.screening import Screened, made
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.keeps import worst_said
from wareloom.synthesis import Synthesizer

SCREENS = ("schema", "impossible", "copies", "leak")
"""Screens of synthetic behaviour, where none are named"""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """Synthetic data of one seed, screened; the control pools of the same size are drawn when they are asked for."""

    screened: Screened
    teachers: tuple[Synthesizer, ...]
    """The fitted synthesizers that can rank"""
    fitted: tuple[Synthesizer, ...]
    train: Shop
    users: int
    run: Run

    @cached_property
    def naive(self) -> Shop:
        """Items drawn one by one from popularity."""
        return self._drawn("independent")

    @cached_property
    def placebo(self) -> Shop:
        """A walk over what followed what: all that behaviour alone can say, without the catalogue's categories.

        It has a seed of its own, since a generator that builds on the same walk would else draw the same users.
        """
        return replace(self, run=self.run.with_(seed=self.run.seed_for("placebo")))._drawn(
            "markov", structure="chain"
        )

    @cached_property
    def anywhere(self) -> Shop:
        """The placebo's walks, of which as many as the generator's begin at any item of the catalogue alike.

        Who begins anywhere touches items that nobody has had; this says what touching them is worth by itself.
        """
        share = max(float(getattr(one, "uniform", 0.0)) for one in self.fitted)
        rng, events = self.run.rng("anywhere"), self.placebo.table("events")
        owner = events.select(user_key(events).alias("owner"))["owner"]
        first = owner.is_first_distinct().to_numpy()
        at = np.flatnonzero(first)
        at = at[rng.random(len(at)) < share]
        items = self.train.table("items")["item_id"]
        drawn = items.gather(rng.integers(len(items), size=len(at)))
        return self.placebo.with_tables(
            events=events.with_columns(events["item_id"].scatter(at, drawn))
        )

    def _drawn(self, name: str, **settings: str) -> Shop:
        drawn: Shop = (
            SYNTHESIZERS.make(name, **settings)
            .fit(self.train, self.run)
            .sample(self.users, self.run)
        )
        return drawn


@dataclass(frozen=True, kw_only=True)
class Member:
    """One of several synthesizers of a generator."""

    synthesizer: str
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the synthesizer"""
    share: float = 1.0
    """Its part of the users, beside the shares of the others"""


@dataclass(frozen=True, kw_only=True)
class Generator:
    """How synthetic data is made, screened and mixed."""

    synthesizer: str = "markov"
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the synthesizer"""
    members: tuple[Member, ...] = ()
    """Several synthesizers that share the users between them; `synthesizer` is not used where there are any"""
    screens: tuple[str, ...] = SCREENS
    screen_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the screens, by the screen's name"""
    mixer: str = "ratio"
    mixer_settings: dict[str, Any] = field(default_factory=dict)

    def named(self) -> dict[str, Member]:
        """Return the members by name, a second one of the same synthesizer as "markov (2)"."""
        members = self.members or (Member(synthesizer=self.synthesizer, settings=self.settings),)
        found: dict[str, Member] = {}
        for member in members:
            before = sum(other.synthesizer == member.synthesizer for other in found.values())
            found[f"{member.synthesizer} ({before + 1})" if before else member.synthesizer] = member
        return found

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` where a synthesizer, a screen, a setting or a share is wrong."""
        made(self.screens, self.screen_settings)
        MIXERS.make(self.mixer, **self.mixer_settings)
        for name, member in self.named().items():
            SYNTHESIZERS.make(member.synthesizer, **member.settings)
            if not member.share > 0:
                raise SettingError(
                    f"The share of {name!r} is {member.share}: give it a number above 0, or leave it out."
                )

    def knows(self) -> frozenset[str]:
        """What its synthesizers draw on, all together."""
        return frozenset().union(*(one.draws_on() for one in self.made()))

    def made(self) -> list[Synthesizer]:
        """Return its synthesizers, not fitted."""
        return [
            SYNTHESIZERS.make(member.synthesizer, **member.settings)
            for member in self.named().values()
        ]

    def refuse_unpaid(self, look: Look, train: Shop) -> None:
        """Raise `RefusedError` where a synthesizer is private and `train` is not: nobody pays for this look at it.

        Asked before anything is fitted, and so before anything is spent.
        """
        if train.keeps != "private":
            for one in self.made():
                refuse_unpaid(one.kept(), look, one.origin)

    @property
    def supply(self) -> float:
        """Synthetic data that the mixer chooses from, in multiples of what it mixes in at one time."""
        mixer: Mixer = MIXERS.make(self.mixer, **self.mixer_settings)
        return mixer.supply

    def without(self, name: str) -> Generator:
        """Return the generator without one of its members; the others fill its place."""
        return replace(
            self, members=tuple(member for other, member in self.named().items() if other != name)
        )

    def pool(self, train: Shop, holdout: Shop | None, users: int, run: Run) -> Pool:
        """Fit on the training part and sample `users` shoppers that pass the screens, see `rejection.fill`.

        Only the leak screen sees the held-out part. Raises `LeakError` where it finds a leak, and `RefusedError` where
        no shopper passes, or where a private synthesizer would be looked over by real users; nothing is spent then.
        """
        self.refuse_unpaid("screens" if self.screens else "size", train)
        members = self.named().values()
        fitted = tuple(
            SYNTHESIZERS.make(m.synthesizer, **m.settings).fit(train, run) for m in members
        )
        whole = sum(member.share for member in members)

        def draw(n: int, run: Run, kept: pl.Series) -> Shop:
            sizes = [max(1, round(n * member.share / whole)) for member in members]
            drawn = [one.sample(size, run) for one, size in zip(fitted, sizes, strict=True)]
            return joined(drawn) if len(drawn) > 1 else drawn[0]

        screened = fill(
            draw, users, made(self.screens, self.screen_settings), (train, holdout), run
        )
        teachers = tuple(one for one in fitted if one.can_rank())
        return Pool(
            screened=screened, teachers=teachers, fitted=fitted, train=train, users=users, run=run
        )


def joined(shops: Iterable[Shop]) -> Shop:
    """Return the users of several shops of one catalogue as one shop, their ids made apart by their shop's number."""
    shops = list(shops)
    parts: dict[str, list[pl.LazyFrame]] = {}
    for number, shop in enumerate(shops):
        for table in ("events", "users"):
            if shop.has(table):
                keys = [name for name in ("user_id", "session_id") if name in shop.columns(table)]
                apart = [pl.format("{}:{}", pl.lit(number), name).alias(name) for name in keys]
                parts.setdefault(table, []).append(shop.scan(table).with_columns(*apart))
    whole = {table: pl.concat(frames, how="diagonal_relaxed") for table, frames in parts.items()}
    return shops[0].with_tables(**whole).keeping(worst_said([shop.keeps for shop in shops]))
