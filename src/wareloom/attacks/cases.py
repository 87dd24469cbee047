"""What an attacker is shown: targets, not whether they are members; SYNTH; and the histories of others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.attacks.people import People, joined, read_people, read_talks, refuse_members
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Shop
from wareloom.shop.categories import path_codes, telling_codes

FEWEST = 40
"""Members, and others, below which nothing can be said: each part has half of them"""
PARTS = 2
"""Parts of the targets: what is learned on one is judged on the other"""


@dataclass(frozen=True)
class Maker:
    """The generator that made SYNTH, as an attacker can make it anew: its name and its settings."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def sample(self, shop: Shop, n: int, run: Run) -> Shop:
        """Fit it to a shop, and draw `n` users."""
        made: Shop = SYNTHESIZERS.make(self.name, **self.settings).fit(shop, run).sample(n, run)
        return made


@dataclass(frozen=True)
class Case:
    """What an attacker works on: it knows the whole history of each target, and not whether SYNTH was made of it."""

    targets: People
    """In random order and without ids"""
    synth: People
    others: People
    """Users that are known not to be members, and are no targets: what people do of whom SYNTH knows nothing"""
    items: pl.DataFrame
    """The catalogue, a row an item, in the order of codes: item_id, and category, title, brand, price where known"""
    model: Path | None = None
    """The folder of the saved generator, for attacks that look into it"""
    generator: Maker | None = None
    """For attacks that fit it anew"""
    crowd: People | None = None
    """Users of the same draw that are no targets of this attack, members among them; nobody knows which"""

    @cached_property
    def category(self) -> np.ndarray | None:
        """Leaf category of each item, int32 [items], -1 unknown; None where none is known."""
        if "category" not in self.items.columns:
            return None
        codes = path_codes(self.items["category"])
        return codes if (codes >= 0).any() else None

    @cached_property
    def shelf(self) -> np.ndarray:
        """Category at the first level that tells items apart, int32 [items]; the leaf where none does."""
        assert self.category is not None
        codes = telling_codes(self.items["category"], self.others.log.counts())
        return self.category if codes is None else codes

    @cached_property
    def brands(self) -> list[np.ndarray]:
        """Brand of each item, int64 [items], each unknown one another; nothing where no brand is known."""
        if "brand" not in self.items.columns or not self.items["brand"].count():
            return []
        codes = self.items["brand"].rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
        return [np.where(codes > 0, codes, -1 - np.arange(len(codes)))]

    @property
    def timed(self) -> bool:
        """Whether times are known on all sides."""
        return self.targets.timed and self.synth.timed and self.others.timed


@dataclass(frozen=True)
class Arena:
    """The cases of an attack, and what no attacker is shown: which targets are members."""

    cases: tuple[Case, ...]
    truth: tuple[np.ndarray, ...]
    """bool [targets], of each case"""
    users: dict[str, int]
    behaved: bool
    """Whether there are events on all sides; else there are queries alone"""
    notes: list[str] = field(default_factory=list)
    shops: dict[str, Shop] = field(default_factory=dict)
    """REAL, SYNTH and the holdout, for attacks that plant users in them"""

    def narrowed(self, most: int) -> Arena:
        """The first `most` targets of each case, which stand in random order; all where there are no more."""
        if all(len(case.targets) <= most for case in self.cases):
            return self
        cases = tuple(
            replace(case, targets=case.targets.select(np.arange(min(most, len(case.targets)))))
            for case in self.cases
        )
        return replace(self, cases=cases, truth=tuple(truth[:most] for truth in self.truth))

    @property
    def lengths(self) -> tuple[np.ndarray, ...]:
        """Events of each target, or queries where there are no events: int64, of each case."""
        if self.behaved:
            return tuple(case.targets.log.lengths() for case in self.cases)
        return tuple(
            np.bincount(case.targets.asked["user"], minlength=len(case.targets))
            for case in self.cases
        )

    @classmethod
    def of(
        cls,
        real: Shop,
        synth: Shop,
        holdout: Shop,
        run: Run,
        model: Path | None = None,
        generator: Maker | None = None,
        *,
        talks: bool = False,
    ) -> Arena:
        """Deal members and holdout users into parts by the run's seed, as many of either.

        The users of one part of the holdout are the other part's `others`; those that are too many are in both.
        `talks`: users are dialogues, whatever else there is.
        Raises `InputError` where there are too few, or where the holdout has members, under whatever names.
        """
        shops = {"REAL": real, "SYNTH": synth, "the holdout": holdout}
        (members, fake, held), items, behaved = (
            (*read_talks(shops), False) if talks else read_people(shops, run)
        )
        notes = refuse_members(members.log, held.log)
        size = min(len(members), len(held))
        what = "dialogues" if members.said is not None else "users"
        if size < FEWEST:
            how = "" if members.said is not None else ": wareloom split SHOP --by user"
            raise InputError(
                f"An attack takes {FEWEST} members and {FEWEST} others or more; REAL has {len(members):,} {what}"
                f"{' with events' if behaved else ''}, the holdout {len(held):,}. Hold out more{how}."
            )
        if size < 1000:
            notes.append(
                f"With {size:,} {what} of either sort, told “at one false alarm in a thousand” is told at none."
            )
        inside, outside = (
            run.rng("attack", name).permutation(len(side))
            for name, side in (("members", members), ("holdout", held))
        )
        cases, truth = [], []
        for part in range(PARTS):
            taken, mine = inside[:size][part::PARTS], outside[:size][part::PARTS]
            both = joined(members.select(taken), held.select(mine))
            order = run.rng("attack", "order", part).permutation(len(both))
            rest = np.setdiff1d(np.arange(len(held)), mine)
            targets, others = both.select(order).nameless(), held.select(rest)
            cases.append(Case(targets, fake, others, items, model, generator))
            truth.append(order < len(taken))
        users = {"real": len(members), "holdout": len(held), "synthetic": len(fake)}
        users |= {"members": size, "others": size}
        return cls(tuple(cases), tuple(truth), users, behaved, notes, shops)
