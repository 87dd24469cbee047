"""The arms of an experiment: what a ranker is trained on, and which arms are compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

REAL, REPEATED, NAIVE, PLACEBO = "real", "real, repeated", "real + naive", "real + placebo"
MIXED, SYNTHETIC = "real + synthetic", "synthetic only"
FEATURES, TEACHER, OWN = "real, features", "teacher", "real + own queries"
CONTROLS = (REAL, REPEATED, NAIVE)
"""What real + synthetic has to beat, each of them, before synthesis is said to help; and the placebo where there is
one."""
ARMS = (*CONTROLS, MIXED, SYNTHETIC)
"""The arms of every proof."""
WITHOUT_POOL = (REAL, FEATURES)
"""Arms that are trained on real data alone: synthetic data and its seed change nothing in what they are given."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which arms a proof has, and why it lacks the others."""

    controls: tuple[str, ...] = CONTROLS
    """What real + synthetic has to beat, all of them"""
    references: tuple[str, ...] = ()
    """Other uses of the same knowledge, shown beside"""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Reasons, by arm"""
    leader: str = REAL
    """The arm whose gradient updates every other arm takes"""

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms, the controls first."""
        every = (*self.controls, MIXED, SYNTHETIC, *self.references)
        return tuple(arm for arm in every if arm not in self.left_out)

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """Pairs (arm, against)."""
        beside = [pair for name in self.references for pair in ((name, REAL), (MIXED, name))]
        alone = [(SYNTHETIC, REAL)] if SYNTHETIC not in self.left_out else []
        return (*((MIXED, control) for control in self.controls), *alone, *beside)
