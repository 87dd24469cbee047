"""Does the synthetic shop repeat what somebody said, or an agent said to somebody?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from wareloom.attacks import Arena, Attack, Case, People
from wareloom.attacks._said import Likelihood, common, said_of
from wareloom.core.run import Run
from wareloom.language.runs import window
from wareloom.shop.languages import language_of


@dataclass(kw_only=True, eq=False)
class Dialogues(Attack):
    """Tells members by the turns of their dialogues, repeated in SYNTH as they were, in part, or nearly so.

    A target is a dialogue, with all its turns. Three scores: the longest run of tokens that SYNTH has, beyond the
    longest that other people's dialogues have at that place; the turn that models of runs of four tokens (Witten and
    Bell 1991), of SYNTH and of others, hold to be SYNTH's most; and the same over the whole dialogue, token by token.
    Chinese is read sign by sign.
    """

    reads: ClassVar[Literal["events", "queries", "dialogues"]] = "dialogues"

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Three scores: by the longest run, by the likeliest turn, and by all turns together."""
        mine, fake, others = (
            said_of(side.turns) for side in (case.targets, case.synth, case.others)
        )
        if not (len(mine) and len(fake) and len(others)):
            return "one side has no turn with a word"
        users = len(case.targets)
        beyond = common(mine, fake) - common(mine, others)
        best = np.full(users, -np.inf)
        np.maximum.at(best, mine.owner, beyond.astype(np.float64))
        gain = Likelihood(fake).of(mine) - Likelihood(others).of(mine)
        # A turn ends where one token is left.
        ends = np.flatnonzero(mine.left == 1)
        sums = np.diff(np.concatenate([[0.0], np.cumsum(gain)[ends]]))
        likeliest = np.full(users, -np.inf)
        np.maximum.at(likeliest, mine.owner[ends], sums)
        length = np.maximum(np.bincount(mine.owner, minlength=users), 1)
        whole = np.bincount(mine.owner, weights=gain, minlength=users) / length
        # Who said nothing that has a word tells nothing.
        silent = ~np.isfinite(best)
        for scores in (best, likeliest, whole):
            scores[silent] = np.median(scores[~silent]) if (~silent).any() else 0.0
        return np.column_stack([best, likeliest, whole])

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Of members' dialogues and of others', the share with a run of 12 words (20 Chinese signs) that SYNTH has.

        That of others is the floor: what people say alike. With it, the longest such run of a member.
        """
        found: dict[str, float] = {}
        longest = 0
        for name, whose in (("members", True), ("others", False)):
            number = copied = 0
            for case, truth in zip(arena.cases, arena.truth, strict=True):
                mine = said_of(case.targets.turns)
                reach = np.zeros(len(case.targets), dtype=np.int64)
                np.maximum.at(reach, mine.owner, common(mine, said_of(case.synth.turns)))
                own = reach[truth == whose]
                number, copied = number + len(own), copied + int((own >= _size(case.targets)).sum())
                longest = max(longest, int(own.max(initial=0))) if whose else longest
            found[f"dialogues of {name} with a copied run"] = copied / max(1, number)
        return found | {"longest run of a member": float(longest)}


def _size(people: People) -> int:
    """Tokens from which on a run is no phrase that everybody says, in the language of most turns."""
    return window(language_of(people.turns["text"].head(200)))
