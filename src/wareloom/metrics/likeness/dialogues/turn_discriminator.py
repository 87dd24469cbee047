"""Can single synthetic turns be told from real ones?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Le

from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.metrics.likeness.dialogues._signs import of_turn, told_apart
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure
from wareloom.metrics.likeness.dialogues.samples import DialogueTrio
from wareloom.metrics.likeness.measure import Figure
from wareloom.metrics.likeness.users.discriminators import spread


@dataclass(kw_only=True, eq=False)
class TurnDiscriminator(DialogueMeasure):
    """Area under the curve of a logistic regression that tells single synthetic turns from real ones; .5 if it cannot.

    It reads runs of 2 to 4 characters, role by role. Cross-validated (Lopez-Paz and Oquab 2017); the floor: turns of
    other real dialogues in the place of the synthetic ones. Equal turns are judged together. Interval: DeLong's.
    """

    unit: ClassVar[str] = "AUC"
    quick: ClassVar[Mapping[str, Any]] = {"turns": 80, "folds": 2}

    turns: Annotated[int, Ge(10)] = 3_000
    """Turns of each kind and role that are judged, at most."""
    folds: Annotated[int, Ge(2), Le(10)] = 4
    """Parts of which each in turn is judged by what was learned from the others."""
    ridge: Positive = 1.0
    """How much large weights are held back."""

    def compare(self, trio: DialogueTrio, run: Run | None = None) -> list[Figure] | str:
        run = run or Run()
        found = []
        for role in trio.roles:
            texts = [sample.turns(role)[0] for sample in trio.samples]
            size = min(self.turns, *map(len, texts))
            # A draw of its own for each side: the first turns of a dialogue are not to stand for all.
            drawn = [
                [own[i] for i in run.rng("compare", "turns", side).permutation(len(own))[:size]]
                for side, own in enumerate(texts)
            ]
            signs = [[of_turn(text) for text in own] for own in drawn]
            value, variance = self._told(drawn, signs, 2, run)
            floor, of_floor = self._told(drawn, signs, 1, run)
            ends, floor_ends = spread(value, variance), spread(floor, of_floor)
            found.append(
                Figure(
                    name=f"{self.name}.{role}",
                    value=value,
                    low=ends[0],
                    high=ends[1],
                    floor=floor,
                    floor_low=floor_ends[0],
                    floor_high=floor_ends[1],
                    unit=self.unit,
                    about={"turns": size, "distinct": [len(set(own)) for own in drawn]},
                )
            )
        return found or "no role has words on all sides"

    def _told(
        self, texts: list[list[str]], signs: list[Any], other: int, run: Run
    ) -> tuple[float, float]:
        bags = [*texts[0], *texts[other]]
        return told_apart(signs[0], signs[other], bags, self.folds, self.ridge, run)
