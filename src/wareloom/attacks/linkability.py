"""Are two halves of somebody's history joined through the synthetic shop?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.attacks import Arena, Case, People
from wareloom.attacks._control import beyond_control
from wareloom.attacks._matching import (
    Guess,
    Half,
    Matches,
    Seen,
    halves,
    in_order,
    matches,
    weeks,
    when,
)
from wareloom.attacks._templated import Templated
from wareloom.attacks._templates import Traits, shares
from wareloom.attacks.pattern import beside, slips_of, traits_of
from wareloom.core.run import Run
from wareloom.core.settings import Size


@dataclass(kw_only=True, eq=False)
class Linkability(Templated):
    """Joins the earlier and the later half of a history where both have the same user of SYNTH among their nearest.

    Who holds two lists of people, such as one year's buyers and the next year's, and does not know who is who, asks
    SYNTH: the users of whose halves each half is likeliest a changed copy of (see `pattern`) are looked up, and two
    halves with one of them in common are said to be one person's. How often that is right of members is held beside how
    often it is right of people that SYNTH cannot know: Giomi, Boenisch, Wehmeyer and Tasnadi (PETS 2023).
    """

    neighbours: Size = 5
    """Users of SYNTH that are looked up for each half."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Two scores: whether the halves are joined, and how much likelier that is than that they are not."""
        mine, fake = (halves(in_order(side, case)) for side in (case.targets, case.synth))
        if not all(len(side) for half in (*mine, *fake) for side in [half.people]):
            return "nobody has two events"
        found = [self._looked_up(case, *sides) for sides in zip(mine, fake, strict=True)]
        first, second = found
        best = np.full(len(case.targets), -np.inf)
        for other in range(self.neighbours):
            same = (first.place == second.place[:, [other]]) & (first.place >= 0)
            same &= np.minimum(first.gain, second.gain[:, [other]]) > 0
            gain = np.where(same, first.gain + second.gain[:, [other]], -np.inf)
            np.maximum(best, gain.max(axis=1), out=best)
        # Either half is likelier a copy of that user than not, and both are, of all users there are.
        best = np.maximum(best - np.log(len(case.synth)), 0.0)
        return np.column_stack([best > 0, best])

    def _looked_up(self, case: Case, mine: Half, fake: Half) -> Matches:
        """The nearest users of SYNTH, by codes among all of them, of one half of each target."""
        people = [mine.people, fake.people]
        sides, slips = self._traits(case, people)
        seen = [Seen(side, weeks(one)) for side, one in zip(sides, people, strict=True)]
        guess = Guess(slips, self.width)
        found = matches(seen[0], seen[1], shares(sides[0]), guess, self.neighbours)
        place = np.full((len(case.targets), self.neighbours), -1, dtype=np.int64)
        gain = np.full(place.shape, -np.inf)
        place[mine.users] = np.where(found.place >= 0, fake.users[found.place], -1)
        gain[mine.users] = found.gain
        return Matches(place, gain)

    def _traits(self, case: Case, people: list[People]) -> tuple[list[Traits], list[float]]:
        popular = np.log2(1.0 + case.others.log.counts())
        sides = [traits_of(side, case, popular) for side in people]
        slips = [*slips_of(case, self.slip, self.blur), self.slip]
        if not case.timed:
            return sides, slips
        both = [beside(side, when(one)) for side, one in zip(sides, people, strict=True)]
        return both, [*slips, self.slip, self.blur, self.slip]

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Shares of members and of others joined rightly, and the risk beyond the control."""
        joined, truth = np.concatenate([s[:, 0] for s in scores]), np.concatenate(arena.truth)
        return beyond_control("joined", joined[truth] > 0, joined[~truth] > 0)
