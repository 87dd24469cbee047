"""What learns from turns of dialogues: the base of classifiers of intents, taggers of slots, choosers of replies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from wareloom.core.run import Run
from wareloom.core.settings import Settings
from wareloom.shop import Shop

Asks = Literal["intents", "slots", "replies"]
"""What can be asked of turns: what a customer wants, which words say what, which reply an agent gave"""


@dataclass(kw_only=True, eq=False)
class TalkLearner(Settings, ABC):
    """Base of what learns from dialogues. Its fields are settings."""

    asks: ClassVar[Asks]
    """What it answers"""
    gradient: ClassVar[bool] = False
    """Whether it is taught by gradient updates, of which `Run.updates` sets the number"""

    @property
    def updates(self) -> int | None:
        """Gradient updates that the last training planned; None where it takes none."""
        found: int | None = vars(self).get("updates_")
        return found

    @property
    def steps(self) -> int | None:
        """The update whose weights were kept; None where it takes none."""
        found: int | None = vars(self).get("steps_")
        return found

    @property
    def rows(self) -> int:
        """Labelled turns that it learned from, or pairs."""
        found: int = vars(self)["rows_"]
        return found

    @abstractmethod
    def fit(self, shop: Shop, run: Run, held: Shop) -> Self:
        """Learn from the dialogues of `shop`; those of `held`, in none of what is learned from, choose and stop.

        Raises `InputError` where there is nothing to learn.
        """
