"""A language model behind agents' words: it chooses among sentences, or writes round facts that a grammar holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from wareloom.core.run import Run
from wareloom.language.models import Estimate, Sampling, TextModel, estimate
from wareloom.language.safety import as_data
from wareloom.shop.spans import Slot
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.phrases import HOLE, SHUT
from wareloom.synthesis.dialogues.plan import Plan
from wareloom.synthesis.dialogues.words import Turn, Writer

BETWEEN = 80
"""Characters that a model may write between two facts"""
CANDIDATES = 3
"""Ways to say a turn, of which a model chooses one"""
SEEN = 4
"""Turns before that a model is shown"""
ASKS = {
    "en": "Reply as a friendly customer-service agent, in one or two short sentences. Say just this, with each of its "
    "facts as it stands and in its order, and no other fact: {said}\nThe talk so far:\n{before}",
    "zh": "以友好的客服口吻回复，一到两句话。只说下面的内容，事实原样、按原来的顺序，不要添加别的事实：{said}\n"
    "之前的对话：\n{before}",
}
Draft = tuple[Plan, list[Turn], str]
"""A plan, its turns and its language"""


@dataclass(frozen=True)
class Told:
    """What became of agents' turns that a model was asked for."""

    asked: int
    taken: int


def grammar(turn: Turn) -> dict[str, object]:
    """Return the JSON schema of a reply that has all facts of a turn, in their order, and no other figure."""
    free = f"[^0-9\\n]{{0,{BETWEEN}}}"
    facts = [re.escape(slot["value"]) for slot in turn.slots]
    pattern = f"^{free}" + "".join(f"{fact}{free}" for fact in facts) + "$"
    reply = {"type": "string", "pattern": pattern}
    return {
        "type": "object",
        "properties": {"reply": reply},
        "required": ["reply"],
        "additionalProperties": False,
    }


def prompt_of(turns: Sequence[Turn], place: int, language: str) -> str:
    """Return what a model is asked for one agent's turn; what customers typed stands in it as data."""
    before = "\n".join(as_data(turn.text) for turn in turns[max(0, place - SEEN) : place])
    return ASKS[language].format(said=as_data(turns[place].text), before=before)


def read_reply(turn: Turn, answer: str) -> Turn | None:
    """Return the turn with a model's words and its facts where they stand in them; None where one lacks."""
    try:
        text = json.loads(answer)["reply"]
    except (ValueError, KeyError, TypeError):
        return None
    if not isinstance(text, str) or not text.strip():
        return None
    text, slots, last, shape = " ".join(text.split()), list[Slot](), 0, ""
    for slot in turn.slots:
        value = slot["value"]
        start = text.find(value, last)
        if start < 0:
            return None
        end = start + len(value)
        slots.append({"name": slot["name"], "value": value, "start": start, "end": end})
        shape += f"{text[last:start]}{HOLE}{slot['name']}{SHUT}"
        last = end
    return replace(turn, text=text, slots=slots, shape=shape + text[last:])


def written_by(
    model: TextModel,
    drafts: Sequence[Draft],
    refused: Callable[[Sequence[Turn], str], str],
    run: Run,
) -> tuple[list[Draft], Told]:
    """Let a model say agents' turns round their facts; a turn that the check refuses stays as it was.

    `refused` returns why turns of a language are not taken, "" where they are.
    """
    asked, taken, made = 0, 0, list[Draft]()
    for plan, turns, language in drafts:
        turns = list(turns)
        for place, turn in enumerate(turns):
            if turn.role != "agent" or not turn.slots:
                continue
            how = Sampling(max_tokens=160, temperature=0.7, schema=grammar(turn))
            answer = model.generate([prompt_of(turns, place, language)], run, settings=how)[0]
            asked += 1
            new = read_reply(turn, answer.text) if answer.finish == "stop" else None
            if new is not None and not refused(
                [*turns[:place], new, *turns[place + 1 :]], language
            ):
                turns[place] = new
                taken += 1
        made.append((plan, turns, language))
    return made, Told(asked, taken)


def need_of(model: TextModel, drafts: Sequence[Draft], run: Run) -> Estimate:
    """Return what `written_by` would ask at most."""
    prompts = [
        prompt_of(turns, place, language)
        for _, turns, language in drafts
        for place, turn in enumerate(turns)
        if turn.role == "agent" and turn.slots
    ]
    return estimate(model, prompts, Sampling(max_tokens=160), run)


def chosen_by(
    model: TextModel, drafts: Sequence[Draft], writer: Writer, dice: Dice, run: Run
) -> tuple[list[Draft], Told]:
    """Let a model choose the likeliest of a few ways to say each agent's turn; it writes nothing."""
    prompts, texts, places = list[str](), list[str](), list[tuple[int, int, Turn]]()
    for number, (plan, turns, _) in enumerate(drafts):
        for place, (step, turn) in enumerate(zip(plan.steps, turns, strict=True)):
            if turn.role != "agent":
                continue
            others = [writer.agent(step, plan.world, dice) for _ in range(CANDIDATES - 1)]
            before = "\n".join(t.text for t in turns[max(0, place - SEEN) : place])
            for one in {t.text: t for t in (turn, *others)}.values():
                prompts.append(f"{before}\n")
                texts.append(one.text)
                places.append((number, place, one))
    scores = model.score(prompts, texts, run)
    best: dict[tuple[int, int], tuple[float, Turn]] = {}
    for (number, place, one), score in zip(places, scores, strict=True):
        # By letter: a longer sentence is not worse for its length.
        mean = score / max(1, len(one.text))
        if (number, place) not in best or mean > best[number, place][0]:
            best[number, place] = (mean, one)
    made = [(plan, list(turns), language) for plan, turns, language in drafts]
    for (number, place), (_, one) in best.items():
        made[number][1][place] = one
    return made, Told(len(best), len(best))
