"""Whom was SYNTH made of, told by many generators that were made with and without each target?"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from wareloom.attacks import Arena, Attack, Case, Outcome, People, outcome
from wareloom.attacks._remaking import coded, histories, ordered, scored, shop_of
from wareloom.attacks._shadowing import best_told, normal
from wareloom.attacks.combining import combined
from wareloom.attacks.people import joined
from wareloom.core.family import ATTACKS
from wareloom.core.files import beside
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.shop.item_sets import distinct


@dataclass(kw_only=True, eq=False)
class Shadow(Attack):
    """Tells members by what all other attacks say of generators made with a target, and of generators made without it.

    The same generator, with the same settings, is fitted on random halves of users whose histories are known, each
    target in half of them. The scores of all other attacks on what each made say how a target looks when it was in, and
    when it was not; SYNTH is judged by the ratio of the likelihoods, calibrated a target: Carlini and others,
    “Membership inference attacks from first principles” (2022), with means that are drawn towards those of all targets
    as far as their noise says (James and Stein). Where calibration loses more by noise than it gains, one regression
    for all targets is taken, or a single attack's features: whatever tells most of generators that it did not learn
    from. Nothing is learned of who is a member of SYNTH.

    Features are kept in the run's cache: a stopped attack goes on, and several processes with one cache share the work.
    """

    refits: ClassVar[bool] = True
    slow: ClassVar[bool] = True
    quick: ClassVar[Mapping[str, Any]] = {"generators": 4, "features": "rhythm sets"}

    generators: Size = 32
    """Generators that are made; an even number is used, each target in half of them."""
    targets: Size = 200
    """Targets, half of them those with the rarest items, the others drawn at random."""
    features: str = ""
    """Attacks, with blanks, whose scores are looked at; all on events that look at SYNTH alone where none are named."""

    def attack(self, arena: Arena, run: Run) -> Outcome | str:
        """Look at so many targets as `targets` says; the others are those that generators are fitted on beside them."""
        if why := self._lacks(arena):
            return why
        case, truth = arena.cases[0], arena.truth[0]
        chosen = self._chosen(case)
        rest = np.setdiff1d(np.arange(len(case.targets)), chosen)
        crowd = case.targets.select(rest)
        narrow = replace(case, targets=case.targets.select(chosen), crowd=crowd)
        found = self.score(narrow, run)
        if isinstance(found, str):
            return found
        parts = [np.arange(half, len(chosen), 2) for half in range(2)]
        lengths = narrow.targets.log.lengths()
        return outcome(
            self.name,
            combined([self._finite(found, narrow)[part] for part in parts], []),
            [truth[chosen[part]] for part in parts],
            [lengths[part] for part in parts],
            about={"generators": float(2 * (self.generators // 2)), "targets": float(len(chosen))},
        )

    def _chosen(self, case: Case) -> np.ndarray:
        """The targets that are looked at: int64, codes. They stand in random order, so the first are a random draw."""
        log, size = case.targets.log, min(self.targets, len(case.targets))
        width = len(log.items)
        own = distinct(log.user.astype(np.int64) * width + log.item)
        known = np.log(case.others.log.counts() + 1.0)[own % width]
        rare = np.bincount(own // width, weights=known) / np.bincount(own // width)
        rarest = np.argsort(rare, kind="stable")[: size // 2]
        others = np.setdiff1d(np.arange(len(case.targets)), rarest)
        return np.sort(np.concatenate([rarest, others[: size - len(rarest)]]))

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """One score, of those that `best_told` tries the one that told most of the generators that were made here."""
        if case.generator is None:
            return "it fits the generator anew, and none was named"
        targets, place = ordered(case.targets)
        known, spare = self._reference(case, run)
        pool = spare if case.crowd is None else ordered(joined(spare, case.crowd))[0]
        told = replace(case, targets=targets, others=known, model=None, crowd=None)
        count, codes = max(2, 2 * (self.generators // 2)), histories(targets)
        coins = np.stack([_coins(codes, run, g) for g in range(count)])
        key = self._key(told, pool, run)
        shadows = self._shadows(told, pool, coins, key, run)
        truth = scored(self._features(), told, run)
        same = [n for n in truth if all(n in s and s[n].shape == truth[n].shape for s in shadows)]
        if not same:
            return "no other attack can be made"
        real = {name: normal(truth[name]) for name in same}
        many = {name: np.stack([normal(s[name]) for s in shadows]) for name in same}
        return best_told(real, many, coins)[place]

    def _features(self) -> list[str]:
        if self.features.strip():
            return self.features.split()
        made = {name: ATTACKS.load(name) for name in ATTACKS.names()}
        plain = (n for n, c in made.items() if not (c.white_box or c.refits or c.slow))
        return [name for name in plain if made[name].reads == "events"]

    def _reference(self, case: Case, run: Run) -> tuple[People, People]:
        """Halves of the others: those that attacks compare with, and those that generators are fitted on."""
        others, _ = ordered(case.others)
        order = run.rng("attack", "shadow", "others").permutation(len(others))
        return tuple(others.select(np.sort(order[half::2])) for half in range(2))  # type: ignore[return-value]

    def _key(self, case: Case, pool: People, run: Run) -> str:
        """A digest of all that decides the features."""
        assert case.generator is not None
        said = [
            case.generator.name,
            case.generator.settings,
            self._features(),
            run.seed,
            len(case.synth),
        ]
        digest = hashlib.blake2b(
            json.dumps(said, sort_keys=True, default=str).encode(), digest_size=16
        )
        for people in (case.targets, case.others, pool):
            digest.update(histories(people).tobytes())
        return digest.hexdigest()

    def _shadows(
        self, case: Case, pool: People, coins: np.ndarray, key: str, run: Run
    ) -> list[dict[str, np.ndarray]]:
        """The features of each generator, from the cache where they are there; another process begins elsewhere."""
        found: dict[int, dict[str, np.ndarray]] = {}
        start = os.getpid() if run.cache is not None else 0
        with run.task("shadow", len(coins)) as advance:
            for number in range(len(coins)):
                g = (start + number) % len(coins)
                path = None if run.cache is None else Path(run.cache) / "shadow" / f"{key}-{g}.npz"
                found[g] = self._kept(path) or self._made(case, pool, coins[g], g, path, run)
                advance()
        return [found[g] for g in range(len(coins))]

    def _kept(self, path: Path | None) -> dict[str, np.ndarray]:
        if path is None or not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as held:
            return dict(held)

    def _made(
        self, case: Case, pool: People, coin: np.ndarray, g: int, path: Path | None, run: Run
    ) -> dict[str, np.ndarray]:
        """Fit a generator with the targets that the coin takes and half of the pool, and look at what it made."""
        assert case.generator is not None
        seeded = run.with_(seed=run.seed_for("attack", "shadow", g))
        beside_ = pool.select(np.flatnonzero(_coins(histories(pool), run, g)))
        shop = shop_of(joined(case.targets.select(np.flatnonzero(coin)), beside_), case.items)
        made = coded(case.generator.sample(shop, len(case.synth), seeded), case.synth.log, run)
        found = scored(self._features(), replace(case, synth=made), run)
        if path is not None:
            with beside(path) as partial, partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **found)
        return found


def _coins(codes: np.ndarray, run: Run, g: int) -> np.ndarray:
    """Whether each user is in generator g, bool: by its history, so that its place says nothing.

    Each is in one of the generators 2i and 2i + 1.
    """
    salt = np.uint64(run.seed_for("attack", "shadow", "coin", g // 2))
    z = (codes ^ salt) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    found: np.ndarray = ((z ^ (z >> np.uint64(32))) & np.uint64(1)) == g % 2
    return found
