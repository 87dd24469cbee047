"""How often customers refuse, interrupt and leave: what plans are held to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

CLOSED = frozenset({"thank", "bye", "reject", "confirm"})
"""Acts after which a dialogue may be over"""


def rates(talks: Sequence[Sequence[str]], turns: Sequence[Sequence[int]]) -> dict[str, float]:
    """Return refusals and interruptions a turn, and the share of dialogues that are left open.

    Dialogues of one turn show none of it. Left open is one whose last act is no thanks, farewell, refusal or consent.
    """
    pairs = [pair for pair in zip(talks, turns, strict=True) if len(pair[0]) > 1]
    talks, turns = [talk for talk, _ in pairs], [own for _, own in pairs]
    acts = [act for talk in talks for act in talk]
    follow = [b == a + 1 for own in turns for a, b in pairwise(own)]
    return {
        "refusal": acts.count("reject") / max(1, len(acts)),
        "interruption": sum(follow) / max(1, len(follow)),
        "abandon": sum(talk[-1] not in CLOSED for talk in talks if talk) / max(1, len(talks)),
    }
