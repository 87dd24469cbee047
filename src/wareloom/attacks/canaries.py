"""Are planted users found in the synthetic shop, and what does that say of its privacy at least?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt, Lt

from wareloom.attacks import Arena, Attack, Case, Outcome
from wareloom.attacks._remaking import scored
from wareloom.attacks.cases import FEWEST
from wareloom.attacks.combining import combined
from wareloom.attacks.people import read_people
from wareloom.attacks.planting import canaries, with_some
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import InputError
from wareloom.privacy.audit import one_run
from wareloom.shop import Shop

LEARNED = 5
"""One of so many planted users is for learning how to weigh scores; the bound is of the others"""


@dataclass(kw_only=True, eq=False)
class Canaries(Attack):
    """Plants users that nobody is like, each in by a coin, and looks which of them SYNTH was made of.

    The coins are thrown where a generator is named: REAL with those that fell in is what it is fitted on, and its
    sample is attacked instead of SYNTH. Or the users were planted before (`wareloom.attacks.planting`): then `planted`
    is the shop of all of them, and REAL has those that are in. How many coins are guessed right gives a lower bound on
    ε from one run (Steinke, Nasr and Jagielski 2023, theorem 5.2). Scores are weighed as a fifth of the coins says, and
    the bound is of the others: a guess may know of other users' coins.
    """

    slow: ClassVar[bool] = True
    quick: ClassVar[Mapping[str, Any]] = {"features": "sets runs"}

    number: Size = 1000
    """Users that are planted, where a generator is named."""
    planted: str = ""
    """Folder of the shop of all users that were planted before; none where empty."""
    features: str = "sets runs pairs items rhythm pattern"
    """Attacks, with blanks, whose scores are looked at."""
    delta: Annotated[float, Gt(0), Lt(1)] = 1e-6
    """δ at which the lower bound on ε holds."""

    def attack(self, arena: Arena, run: Run) -> Outcome | str:
        """Plant users, or read who was planted, and attack with these as targets."""
        generator, shops = arena.cases[0].generator, arena.shops
        if self.planted:
            everyone = Shop.open(self.planted)
            names = everyone.table("events")["user_id"].unique(maintain_order=True)
            inside = names.is_in(shops["REAL"].table("events")["user_id"].implode()).to_numpy()
            synth = shops["SYNTH"]
        elif generator is not None:
            everyone = canaries(shops["REAL"], self.number, run)
            real, inside = with_some(shops["REAL"], everyone, run)
            more = 1 + inside.sum() / arena.users["real"]
            synth = generator.sample(real, round(arena.users["synthetic"] * more), run)
        else:
            return "no users were planted, and no generator is named to plant them in"
        if min(inside.sum(), (~inside).sum()) < FEWEST:
            raise InputError(
                f"Of {len(inside):,} planted users {inside.sum():,} are in REAL; {FEWEST} in and {FEWEST} out are the "
                "least that says anything. Plant more, each by a coin (wareloom.attacks.planting)."
            )
        return super().attack(self._arena(everyone, synth, inside, arena, run), run)

    def _arena(
        self, everyone: Shop, synth: Shop, inside: np.ndarray, arena: Arena, run: Run
    ) -> Arena:
        """Planted users as targets, in a small part and a large one."""
        shops = {"REAL": everyone, "SYNTH": synth, "the holdout": arena.shops["the holdout"]}
        (planted, fake, held), items, behaved = read_people(shops, run)
        names = everyone.table("events")["user_id"].unique(maintain_order=True)
        truth = inside[names.to_frame("n").with_row_index().sort("n")["index"].to_numpy()]
        order = run.rng("attack", "canaries", "order").permutation(len(planted))
        parts = np.split(order, [max(len(order) // LEARNED, 2)])
        cases = tuple(
            Case(planted.select(part).nameless(), fake, held, items, arena.cases[0].model)
            for part in parts
        )
        return Arena(cases, tuple(truth[part] for part in parts), arena.users, behaved, shops=shops)

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """The scores of the attacks that are named."""
        found = scored(self.features.split(), case, run)
        return np.column_stack(list(found.values())) if found else "none of the attacks can be made"

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """How many were planted and are in, and the lower bound on ε."""
        one = combined(list(scores), list(arena.truth)).even[-1]
        coins = np.concatenate(arena.truth)
        bound = one_run(one, arena.truth[-1], self.delta)
        return {"planted": float(len(coins)), "in": float(coins.sum()), "epsilon at least": bound}
