"""Do synthetic dialogues repeat real ones?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wareloom.core.run import Run
from wareloom.language.runs import LEAST as FEW
from wareloom.language.runs import copied, runs_of, tokens
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure
from wareloom.metrics.likeness.dialogues.samples import Dialogue, DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Figure, wilson
from wareloom.shop.languages import language_of
from wareloom.shop.schema import CUSTOMER

LEAST = 3
"""Turns of a customer from which on a dialogue can be said to be a copy: "hi", "bye" is nobody's own"""
WORDY = {"en": 8, "zh": 12}
"""Tokens of a turn from which on it can be near another by more than chance"""
NEAR = 0.5
"""Share of a turn's pairs of tokens that one real turn has, in order, from which on they are near"""
FREQUENT = 200
"""Real turns that have a pair, above which it finds no turn: what so many say is nobody's own"""


@dataclass(kw_only=True, eq=False)
class DialogueCopies(DialogueMeasure):
    """Shares of synthetic turns and dialogues that REAL has; the floor: real ones that it does not hold.

    `near`: of turns with eight words (twelve Chinese signs) or more, those of whose pairs of neighbouring words half
    stand in one real turn, which fewer than five real dialogues have word for word: a copy with words exchanged.
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
        known_turns = _Turns(source)
        near = [known_turns.near(sample) for sample in sides]
        found = {"near": near, "runs": runs, "whole": whole}
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


class _Turns:
    """Real turns that fewer than `FEW` dialogues have, found by the pairs of tokens that they have."""

    def __init__(self, sample: DialogueSample) -> None:
        places: dict[tuple[str, ...], set[int]] = {}
        for place, dialogue in enumerate(sample.dialogues):
            language = _language(dialogue)
            for said in dialogue:
                words = tuple(tokens(said.text, language))
                if len(words) >= WORDY.get(language, WORDY["en"]):
                    places.setdefault(words, set()).add(place)
        self.turns: dict[tuple[str, str], list[int]] = {}
        few = [words for words, own in places.items() if len(own) < FEW]
        for number, words in enumerate(few):
            for pair in set(pairwise(words)):
                self.turns.setdefault(pair, []).append(number)

    def near(self, sample: DialogueSample) -> np.ndarray:
        """Whether each long turn is near one of them: bool [long turns]."""
        found = []
        for dialogue in sample.dialogues:
            language = _language(dialogue)
            for said in dialogue:
                words = tokens(said.text, language)
                if len(words) >= WORDY.get(language, WORDY["en"]):
                    found.append(self._is_near(set(pairwise(words))))
        return np.array(found, dtype=bool)

    def _is_near(self, pairs: set[tuple[str, str]]) -> bool:
        shared = Counter[int]()
        for pair in pairs:
            own = self.turns.get(pair, ())
            if len(own) <= FREQUENT:
                shared.update(own)
        return bool(shared) and max(shared.values()) >= NEAR * len(pairs)
