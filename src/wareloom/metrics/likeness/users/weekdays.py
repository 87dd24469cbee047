"""On which days of the week things happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wareloom.metrics.likeness._turns import DAY, Turns
from wareloom.metrics.likeness.measure import Counted


@dataclass(kw_only=True, eq=False)
class Weekdays(Turns, Counted):
    """Wasserstein distance round the week between days of events, in days."""

    unit: ClassVar[str] = "days"
    turn: ClassVar[int] = 7 * DAY
    cells: ClassVar[int] = 7
    length: ClassVar[float] = 7.0
    axis: ClassVar[str] = "day of the week, 0 Monday, UTC"
