"""What a person asks of advice: how long it may take, and for which job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le

from wareloom.core.settings import Settings, Size


@dataclass(frozen=True, kw_only=True)
class AdviceSettings(Settings):
    """What is asked."""

    minutes: Annotated[float, Gt(0), Le(100_000)] = 30.0
    """Minutes that all of it may take, a tenth more at most; what does not fit is left out and named."""
    job: Literal["recommendation", "search", "both"] = "recommendation"
    """What the shop wants to be better at."""
    other_shops: tuple[str, ...] = ()
    """Folders of other shops that may teach this one."""
    split: Literal["auto", "time", "leave-last-out"] = "auto"
    """How events are held out: at one date for everybody, or each user's last one. Auto takes a date where it asks
    enough shoppers."""
    most_events: Size = 1_000_000
    """Events that are worked on at most; of a larger log a sample of users is taken, and that is said."""
