"""How long dialogues and their turns are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.language.runs import tokens
from wareloom.metrics.likeness.dialogues.measure import CountedDialogues
from wareloom.metrics.likeness.dialogues.samples import DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Counts, counted
from wareloom.stats.distances import cumulative, kolmogorov_smirnov


@dataclass(kw_only=True, eq=False)
class DialogueLength(CountedDialogues):
    """Kolmogorov-Smirnov distance between numbers of turns, and of words a turn, by role; and the means."""

    def count(
        self, samples: Sequence[DialogueSample], trio: DialogueTrio
    ) -> dict[str, Counts] | str:
        number, found = samples[0].groups, dict[str, Counts]()
        for role in trio.roles:
            turns = [
                np.array(
                    [sum(said.role == role for said in d) for d in sample.dialogues],
                    dtype=np.int64,
                )
                for sample in samples
            ]
            found[f"turns_{role}"] = counted(turns, [s.group for s in samples], number)
            texts = [sample.turns(role) for sample in samples]
            words = [
                np.array([len(tokens(t, "")) for t in own], dtype=np.int64) for own, _ in texts
            ]
            found[f"words_{role}"] = counted(words, [of for _, of in texts], number)
        return found or "no role has words on all sides"

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return kolmogorov_smirnov(a, b)

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return float(a @ counts.support / a.sum())

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        return cumulative(a, b, counts.support, "linear", figure.replace("_", " of a "))
