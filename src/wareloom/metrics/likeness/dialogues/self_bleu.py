"""How much the turns of a role repeat each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.language.runs import tokens
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure, difference
from wareloom.metrics.likeness.dialogues.samples import DialogueSample, DialogueTrio
from wareloom.metrics.likeness.measure import Figure

ORDER = 4


@dataclass(kw_only=True, eq=False)
class SelfBleu(DialogueMeasure):
    """Difference of self-BLEU (Zhu et al. 2018) from that of real dialogues, by role: each turn beside all others.

    BLEU-4 with the counts of the other turns as references, add-one smoothing above single words, and no penalty of
    length. Turns of fewer than four words are passed over.
    """

    turns: Size = 400
    """Turns of a role that are read, at most."""

    def compare(self, trio: DialogueTrio, run: Run | None = None) -> list[Figure] | str:
        found = []
        for role in trio.roles:

            def number(sample: DialogueSample, role: str = role) -> float:
                texts = [tokens(text, "") for text in sample.turns(role)[0]]
                return self_bleu([t for t in texts if len(t) >= ORDER][: self.turns])

            found.append(difference(f"{self.name}.{role}", number, trio, self.unit))
        return found or "no role has words on all sides"


def self_bleu(turns: Sequence[Sequence[str]]) -> float:
    """Return the mean BLEU-4 of each turn beside all others; 0 where there are fewer than two."""
    if len(turns) < 2:
        return 0.0
    grams = [
        [Counter(tuple(t[i : i + n]) for i in range(len(t) - n + 1)) for n in range(1, ORDER + 1)]
        for t in turns
    ]
    # The two highest counts of each run over all turns: what the others have at most.
    best: list[dict[tuple[str, ...], list[int]]] = [{} for _ in range(ORDER)]
    for own in grams:
        for n, counts in enumerate(own):
            for gram, number in counts.items():
                high = best[n].setdefault(gram, [0, 0])
                if number > high[0]:
                    high[0], high[1] = number, high[0]
                elif number > high[1]:
                    high[1] = number
    total = 0.0
    for own in grams:
        logs = 0.0
        for n, counts in enumerate(own):
            hits = 0
            for gram, number in counts.items():
                high = best[n][gram]
                hits += min(number, high[1] if number == high[0] else high[0])
            said, more = sum(counts.values()), 1 if n else 0
            share = (hits + more) / (said + more)
            logs += math.log(share) if share else -1e9
        total += math.exp(logs / ORDER)
    return total / len(turns)
