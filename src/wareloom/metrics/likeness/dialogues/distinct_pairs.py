"""How varied the words of a role are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.language.runs import tokens
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure, difference
from wareloom.metrics.likeness.dialogues.samples import DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Figure


@dataclass(kw_only=True, eq=False)
class DistinctPairs(DialogueMeasure):
    """Difference of distinct-2 (Li et al. 2016) from that of real dialogues, by role: distinct pairs of words by pairs.

    The share falls with the number of words, so as many turns are read of each side.
    """

    turns: Size = 2_000
    """Turns of a role that are read, at most."""

    def compare(self, trio: DialogueTrio, run: Run | None = None) -> list[Figure] | str:
        found = []
        for role in trio.roles:
            size = min(self.turns, *(len(s.turns(role)[0]) for s in trio.samples))

            def number(sample: DialogueSample, role: str = role, size: int = size) -> float:
                # The jackknife leaves a group out: what is left is read as far.
                return distinct(sample.turns(role)[0][: int(size * 0.9)])

            found.append(difference(f"{self.name}.{role}", number, trio, self.unit))
        return found or "no role has words on all sides"


def distinct(texts: list[str]) -> float:
    """Return distinct pairs of neighbouring words by all pairs; 0 where there is none."""
    pairs = [pair for text in texts for pair in pairwise(tokens(text, ""))]
    return len(set(pairs)) / max(1, len(pairs))
