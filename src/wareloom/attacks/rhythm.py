"""Is somebody's rhythm in the synthetic shop: hours and weekdays, gaps, sessions?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt

from wareloom.attacks import Attack, Case, People
from wareloom.attacks._templates import Shares, Traits, copies, shares
from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.shop.log import NO_TIME

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
WEEK = 7 * DAY


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
        sides = [traits(side) for side in (case.targets, case.synth, case.others)]
        return np.column_stack([*self._ratios(sides, [0, 1]), *self._ratios(sides, [1])])

    def _ratios(self, sides: list[Traits], sorts: list[int]) -> list[np.ndarray]:
        kept = [s._replace(fine=s.fine[:, sorts], coarse=s.coarse[:, sorts]) for s in sides]
        told = shares(*kept[::2])
        return ratios(kept, told, self.slip, self.width)


def ratios(sides: list[Traits], told: Shares, slip: float, width: float) -> list[np.ndarray]:
    """Likelihood of targets as copies of SYNTH's users over that as copies of others': of all, and of the best."""
    mine, fake, others = sides
    by_fake, by_others = (copies(mine, s, told, slip=slip, width=width) for s in (fake, others))
    return [a - b for a, b in zip(by_fake, by_others, strict=True)]


def traits(people: People) -> Traits:
    """Of each event: when in the week (minute; hour of the day), and whether a session begins."""
    log = people.log
    known = log.time != NO_TIME
    time = np.where(known, log.time, 0)
    minute = np.where(known, time % WEEK // MINUTE, -1)
    hour = np.where(known, time % DAY // HOUR, -1)
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1]] = True
    begins = first | np.append(True, np.diff(log.session) != 0)
    fine = np.stack([minute, begins.astype(np.int64)], axis=1)
    coarse = np.stack([hour, begins.astype(np.int64)], axis=1)
    return Traits(log.offsets, fine, coarse, gaps(people))


def gaps(people: People) -> np.ndarray:
    """Logarithm of the microseconds since the event before, float64 [events]: -1 for none, NaN where unknown."""
    log = people.log
    gap = np.diff(log.time, prepend=log.time[:1]).astype(np.float64)
    there = log.time != NO_TIME
    both = there & np.append(False, there[:-1])
    both[log.offsets[:-1]] = False
    found = np.where(gap > 0, np.log(np.maximum(gap, 1.0)), -1.0)
    return np.where(both, found, np.nan)
