"""Do synthetic dialogues repeat real ones?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.language.acts import language_of
from wareloom.language.runs import copied, runs_of
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure
from wareloom.metrics.likeness.dialogues.samples import Dialogue, DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Figure, wilson
from wareloom.shop.schema import CUSTOMER

LEAST = 3
"""Turns of a customer from which on a dialogue can be said to be a copy: "hi", "bye" is nobody's own"""


@dataclass(kw_only=True, eq=False)
class DialogueCopies(DialogueMeasure):
    """Shares of synthetic turns and dialogues that REAL has: `runs` and `whole`; the floor: real ones it does not hold.

    `runs`: turns with a run of 12 words (20 Chinese signs) that fewer than five real dialogues have. `whole`: dialogues
    whose customer says exactly what a real one says, of three turns or more. Intervals: Wilson's.
    """

    def compare(self, trio: DialogueTrio, run: Run | None = None) -> list[Figure] | str:
        held = trio.reference == "held out"
        source = trio.training if held else trio.again
        own = runs_of((_language(d), [said.text for said in d]) for d in source.dialogues)
        known = {_customers(d) for d in source.dialogues}
        sides = (trio.synthetic, trio.real)
        runs = [_runs(sample, own) for sample in sides]
        whole = [
            np.array(
                [_customers(d) in known for d in sample.dialogues if len(_customers(d)) >= LEAST]
            )
            for sample in sides
        ]
        found = {"runs": runs, "whole": whole}
        return [
            self._figure(name, *pair) for name, pair in found.items() if all(map(len, pair))
        ] or "no dialogue has three turns of a customer"

    def _figure(self, name: str, fake: np.ndarray, real: np.ndarray) -> Figure:
        ends = [wilson(int(each.sum()), len(each)) for each in (fake, real)]
        return Figure(
            name=f"{self.name}.{name}",
            value=float(fake.mean()),
            low=ends[0][0],
            high=ends[0][1],
            floor=float(real.mean()),
            floor_low=ends[1][0],
            floor_high=ends[1][1],
            unit=self.unit,
            about={"looked at": len(fake), "found": int(fake.sum())},
        )


def _language(dialogue: Dialogue) -> str:
    return language_of(said.text for said in dialogue)


def _customers(dialogue: Dialogue) -> tuple[str, ...]:
    return tuple(said.text.casefold() for said in dialogue if said.role == CUSTOMER)


def _runs(sample: DialogueSample, own: np.ndarray) -> np.ndarray:
    """Whether each turn has a run that is some real dialogue's own: bool [turns]."""
    return np.array(
        [copied(said.text, _language(d), own) for d in sample.dialogues for said in d], dtype=bool
    )
