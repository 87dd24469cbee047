"""Does somebody in the synthetic shop choose what somebody chose, in a row?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.attacks import Attack, Case
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.shop import Log
from wareloom.shop.item_sets import distinct
from wareloom.shop.runs import run_codes


@dataclass(kw_only=True, eq=False)
class Runs(Attack):
    """Tells members by the most surprising run of items that a user of SYNTH has in common with them.

    How surprising a run is, is the sum over its items of the logarithm of one over their share among other people. The
    score is that of the most surprising one, less that of the most surprising one in common with other people.
    """

    longest: Size = 20
    """Items in a row beyond which a run is no more surprising."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Two scores: how surprising the run is, and how much more so than that in common with other people."""
        counts = case.others.log.counts() + 0.5
        surprise = -np.log(counts / counts.sum())
        fake, others = (
            shared(case.targets.log, side.log, surprise, self.longest)
            for side in (case.synth, case.others)
        )
        return np.column_stack([fake, fake - others])


def shared(mine: Log, among: Log, surprise: np.ndarray, longest: int) -> np.ndarray:
    """The most surprising run of items that each user shares with one of `among`: float64 [users], 0 for none."""
    user = mine.user
    sums = np.concatenate([[0.0], np.cumsum(surprise[mine.item])])
    best = np.zeros(len(mine.users))
    still = np.arange(len(mine))
    for length in range(1, longest + 1):
        codes = run_codes(mine.item, mine.offsets, length)[still]
        still, codes = still[codes != 0], codes[codes != 0]
        theirs = run_codes(among.item, among.offsets, length)
        known = distinct(theirs[theirs != 0])
        if not len(known) or not len(still):
            break
        place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        still = still[known[place] == codes]
        np.maximum.at(best, user[still], sums[still + length] - sums[still])
    return best
