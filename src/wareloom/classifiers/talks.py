"""What learns from turns of dialogues, by name: classifiers of intents, taggers of slots, choosers of replies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from wareloom.core.outside import imported
from wareloom.core.run import Run
from wareloom.core.settings import Settings, configure
from wareloom.errors import SettingError, near
from wareloom.shop import Shop

Asks = Literal["intents", "slots", "replies"]
"""What can be asked of turns: what a customer wants, which words say what, which reply an agent gave"""
ENCODER = "minilm"
"""The learner on what was learned of other texts"""
LEARNERS: dict[Asks, dict[str, str]] = {
    "intents": dict.fromkeys(("words", ENCODER), "intents:IntentClassifier"),
    "slots": dict.fromkeys(("tagger", ENCODER), "slots:SlotTagger"),
    "replies": {
        "dual_encoder": "replies:DualEncoder",
        "neighbours": "answered:ReplyNeighbours",
    },
}
"""What learns each, by name: file and class"""


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


def learner(asks: Asks, label: str, values: dict[str, Any]) -> TalkLearner:
    """Make the learner that a label such as "tagger (wide)" names; raises `SettingError` for one of anything else."""
    name, known = label.partition(" (")[0], LEARNERS[asks]
    if name not in known:
        raise SettingError(
            f"{name!r} learns no {asks}.{near(name, known)} There {'are' if len(known) > 1 else 'is'} "
            f"{', '.join(known)}."
        )
    # Those that need torch are imported where they are asked for.
    cls = imported("learner", f"wareloom.classifiers.{known[name]}")
    made: TalkLearner = configure(cls, values | ({"seen": ENCODER} if name == ENCODER else {}))
    return made
