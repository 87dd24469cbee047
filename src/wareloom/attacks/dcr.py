"""Distance to the closest record, for comparison with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.attacks import Arena, Attack, Case
from wareloom.attacks._nearest import nearest
from wareloom.core.run import Run


@dataclass(kw_only=True, eq=False)
class Dcr(Attack):
    """Distance to the closest record: one less the Jaccard similarity of items to those of the nearest in SYNTH.

    Many who sell synthetic data show it. It is no evidence of privacy: shops that tell every member pass it (Yao et al.
    2025, The DCR Delusion, arXiv 2505.01524). Its figures stand here beside those of attacks.
    """

    evidence: ClassVar[bool] = False

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """The similarity to the nearest."""
        return nearest(case.targets.log, case.synth.log, np.ones(len(case.items))).best

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Mean distances of members and of others, and the shares of either that are repeated whole."""
        score, member = np.concatenate(list(scores)), np.concatenate(arena.truth)
        found = {}
        for name, whose in (("members", member), ("others", ~member)):
            found[f"mean distance of {name}"] = float(1 - score[whose].mean())
            found[f"repeated {name}"] = float((score[whose] == 1).mean())
        return found
