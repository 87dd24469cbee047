"""What attacks share that seek the users of SYNTH of whom a target is likeliest a changed copy."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Lt

from wareloom.attacks import Attack
from wareloom.core.settings import Positive, Size


@dataclass(kw_only=True, eq=False)
class Templated(Attack, ABC):
    """How a copy may differ from its template, and how many targets are looked at: each is held beside all of SYNTH."""

    slip: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Chance that a value of a copy is not its template's."""
    blur: Annotated[float, Gt(0), Lt(1)] = 0.4
    """Chance that an item of a copy is not about as popular."""
    width: Positive = 0.3
    """How far a copy's gaps are stretched: the standard deviation of the logarithm."""
    most: Size = 2_500
    """Targets of each part that are looked at, members and others; all where there are no more."""
