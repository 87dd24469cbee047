"""The arms of an experiment: what real + synthetic data is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

REAL, REPEATED, NAIVE, PLACEBO = "real", "real, repeated", "real + naive", "real + placebo"
ANYWHERE = "real + anywhere"
MIXED, SYNTHETIC = "real + synthetic", "synthetic only"
DIRECT, BEHAVIOUR_LABELS = "real, direct labels", "real, behaviour labels"
FEATURES, FEATURES_MIXED = "real, features", "real + synthetic, features"
FEATURES_NAIVE = "real + naive, features"
TEACHER, OWN = "teacher", "real + own queries"
CONTROLS = (REAL, REPEATED, NAIVE)
"""What real + synthetic has to beat, each of them, before synthesis is said to help; and the placebo, and walks that
begin anywhere, where there are such."""
ARMS = (*CONTROLS, MIXED, SYNTHETIC)
"""The arms of every proof."""
WITHOUT_POOL = (REAL, FEATURES)
"""Arms that are trained on real data alone: synthetic data and its seed change nothing in what they are given."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which arms a proof has, and why it lacks the others."""

    controls: tuple[str, ...] = CONTROLS
    """What real + synthetic has to beat, all of them"""
    rows: str = ""
    """The arm that has the same knowledge without synthetic rows; rows help where it is beaten, too"""
    instead: str = ""
    """The reference that needs no synthesis at all, such as an encoder taught by others: where it is not beaten, it is
    what to take"""
    references: tuple[str, ...] = ()
    """Other uses of the same knowledge, shown beside"""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Reasons, by arm"""
    leader: str = REAL
    """The arm whose gradient updates every other arm takes"""
    weighed: tuple[str, ...] = (MIXED,)
    """Arms whose ratio is chosen on the validation part, `MIXED` first; all others take its ratio"""
    further: tuple[tuple[str, str], ...] = ()
    """More pairs (arm, against) to compare"""

    @property
    def arms(self) -> tuple[str, ...]:
        """All arms, the controls first."""
        rows = (self.rows,) if self.rows else ()
        every = (*self.controls, MIXED, SYNTHETIC, *rows, *self.references)
        return tuple(arm for arm in every if arm not in self.left_out)

    def ratio_of(self, arm: str) -> str:
        """The arm whose ratio an arm takes."""
        like = DIRECT if arm == BEHAVIOUR_LABELS else arm
        return like if like in self.weighed else MIXED

    @property
    def comparisons(self) -> tuple[tuple[str, str], ...]:
        """Pairs (arm, against)."""
        others = (*((self.rows,) if self.rows else ()), *self.references)
        beside = [pair for name in others for pair in ((name, REAL), (MIXED, name))]
        alone = [(SYNTHETIC, REAL)] if SYNTHETIC not in self.left_out else []
        decisive = ((MIXED, control) for control in self.controls)
        return (*decisive, *alone, *beside, *self.further)
