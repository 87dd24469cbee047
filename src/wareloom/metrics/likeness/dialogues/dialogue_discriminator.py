"""Can whole synthetic dialogues be told from real ones, and are they in order?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le

from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.metrics.likeness.dialogues._signs import of_dialogue, told_apart
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure
from wareloom.metrics.likeness.dialogues.samples import DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Figure
from wareloom.metrics.likeness.users.discriminators import spread


@dataclass(kw_only=True, eq=False)
class DialogueDiscriminator(DialogueMeasure):
    """Area under the curve of a logistic regression that tells whole synthetic dialogues from real ones.

    It reads words by role, in which third of the dialogue they stand, which word follows which turn, and how many turns
    there are, of the roles that have words on all sides. The floor: other real dialogues. `about.permuted` is a
    control: the same other real dialogues with each role's turns in random order. It is told from real ones by order
    alone; where it is told no better than the floor, the measure does not see order.
    """

    unit: ClassVar[str] = "AUC"
    quick: ClassVar[Mapping[str, Any]] = {"dialogues": 40, "folds": 2}

    dialogues: Annotated[int, Ge(10)] = 1_500
    """Dialogues of each kind that are judged, at most."""
    folds: Annotated[int, Ge(2), Le(10)] = 4
    """Parts of which each in turn is judged by what was learned from the others."""
    ridge: Positive = 1.0
    """How much large weights are held back."""

    def compare(self, trio: DialogueTrio, run: Run | None = None) -> list[Figure] | str:
        run, roles = run or Run(), frozenset(trio.roles)
        if not roles:
            return "no role has words on all sides"
        permuted = trio.again.shuffled(run.rng("compare", "permuted"))
        sides = [self._read(s, roles) for s in (*trio.samples, permuted)]
        (value, spread_value), (floor, spread_floor), (control, _) = (
            self._told(sides[0], sides[other], run) for other in (2, 1, 3)
        )
        ends, floor_ends = spread(value, spread_value), spread(floor, spread_floor)
        return [
            Figure(
                name=self.name,
                value=value,
                low=ends[0],
                high=ends[1],
                floor=floor,
                floor_low=floor_ends[0],
                floor_high=floor_ends[1],
                unit=self.unit,
                about={"dialogues": len(sides[0]), "permuted": control, "roles": sorted(roles)},
            )
        ]

    def _read(self, sample: DialogueSample, roles: frozenset[str]) -> list[Any]:
        return [of_dialogue(dialogue, roles) for dialogue in sample.dialogues[: self.dialogues]]

    def _told(self, real: list[Any], other: list[Any], run: Run) -> tuple[float, float]:
        bags = ["|".join(sorted(held)) for held in (*real, *other)]
        return told_apart(real, other, bags, self.folds, self.ridge, run)
