"""Dialogues cut as a log's are that ends before its dialogues do."""

from __future__ import annotations

from collections.abc import Mapping

from wareloom.synthesis.dialogues.dice import Dice, Weighed
from wareloom.synthesis.dialogues.plan import Planner
from wareloom.synthesis.dialogues.spoken import Draft


def cuts_of(planners: Mapping[str, Planner]) -> dict[str, Weighed[int]]:
    """Turns of customers after which dialogues are cut, by language, where the log shows no ends."""
    lengths = {name: planner.chain.lengths for name, planner in planners.items()}
    return {
        name: Weighed(range(len(own)), own.tolist()) for name, own in lengths.items() if len(own)
    }


def cut(draft: Draft, at: Weighed[int] | None, dice: Dice) -> Draft:
    """Cut a dialogue behind what the agent says to a turn of its customer; how it ends is not known then."""
    if at is None:
        return draft
    plan, turns, language = draft
    own = [place for place, turn in enumerate(turns) if turn.role == "customer"]
    last = dice.weighed(at)
    if last >= len(own):
        return draft
    stop = own[last]
    plan.steps, plan.outcome = plan.steps[:stop], ""
    return plan, turns[:stop], language
