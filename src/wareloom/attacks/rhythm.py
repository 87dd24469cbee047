"""Is somebody's rhythm in the synthetic shop: hours and weekdays, gaps, sessions?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt

from wareloom.attacks import Attack, Case
from wareloom.attacks._templates import Traits, weighed
from wareloom.attacks._times import times
from wareloom.core.run import Run
from wareloom.core.settings import Positive


@dataclass(kw_only=True, eq=False)
class Rhythm(Attack):
    """Tells members by when they came: minute of the week and hour of the day of each event, gaps, sessions.

    Each user of SYNTH may be a changed copy of the target, moved by days or weeks, its gaps stretched. The likelihood
    of the target as such a copy, over all users of SYNTH, is divided by that over other people. What was chosen is not
    looked at. Two more scores look at gaps and sessions alone.
    """

    slip: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Chance that a time of a copy is not its template's."""
    width: Positive = 0.3
    """How far a copy's gaps are stretched: the standard deviation of the logarithm."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Four scores: mean and best likelihood, by clock and gaps, and by gaps alone."""
        if not case.timed:
            return "not all sides have times"
        sides = [times(side) for side in (case.targets, case.synth, case.others)]
        return np.column_stack([*self._ratios(sides, [0, 1]), *self._ratios(sides, [1])])

    def _ratios(self, sides: list[Traits], sorts: list[int]) -> list[np.ndarray]:
        kept = [s._replace(fine=s.fine[:, sorts], coarse=s.coarse[:, sorts]) for s in sides]
        return weighed(kept, [self.slip] * (len(sorts) + 1), self.width)
