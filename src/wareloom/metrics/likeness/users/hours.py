"""When in the day things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wareloom.metrics.likeness._turns import DAY, Turns
from wareloom.metrics.likeness.measure import Counted


@dataclass(kw_only=True, eq=False)
class Hours(Turns, Counted):
    """Wasserstein distance round the clock between times of day, in hours; by quarters of an hour."""

    unit: ClassVar[str] = "hours"
    turn: ClassVar[int] = DAY
    cells: ClassVar[int] = 96
    length: ClassVar[float] = 24.0
    axis: ClassVar[str] = "hour of the day, UTC"
