"""Nearest neighbour distance ratio, for comparison with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.attacks import Attack, Case
from wareloom.attacks._nearest import nearest
from wareloom.core.run import Run


@dataclass(kw_only=True, eq=False)
class Nndr(Attack):
    """Nearest neighbour distance ratio: how far the nearest in SYNTH is, beside the second nearest.

    By the Jaccard similarity of items; near 0 where one user alone is near. As `dcr`, it is no evidence of privacy.
    """

    evidence: ClassVar[bool] = False

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """One less the ratio; 0 where both are equally far."""
        near = nearest(case.targets.log, case.synth.log, np.ones(len(case.items)))
        return 1 - (1 - near.best) / np.maximum(1 - near.second, 1e-9)
