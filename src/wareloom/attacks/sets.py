"""Has somebody in the synthetic shop the items that somebody had?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.attacks import Attack, Case
from wareloom.attacks._nearest import nearest
from wareloom.core.run import Run


@dataclass(kw_only=True, eq=False)
class Sets(Attack):
    """Tells members by the user of SYNTH that has most items in common with them, rare ones counted more.

    The score is the Jaccard similarity, each item weighed by the logarithm of how few of other people have it, less
    that of the nearest of other people.
    """

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Two scores: how similar the nearest is, and how much more so than the nearest of other people."""
        people = len(case.others)
        having = np.bincount(case.others.log.item, minlength=len(case.items))
        weight = np.log((people + 2.0) / (np.minimum(having, people) + 1.0))
        fake, others = (
            nearest(case.targets.log, side.log, weight).best for side in (case.synth, case.others)
        )
        return np.column_stack([fake, fake - others])
