"""The fourth stage: a check. What agents say is resolved to facts, or the dialogue is not taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np

from wareloom.language.runs import copied, tokens
from wareloom.shop.spans import fits
from wareloom.synthesis.dialogues.words import Turn
from wareloom.synthesis.dialogues.world import CITIES, MONTHS, MOVES, STATE_WORDS, STATES

FIGURES = re.compile(r"\d")
_STATES = {
    "en": re.compile(
        r"\b(?<!not )(?<!until )(?:is|are|was|has been|have been|been) (?:now |already )?("
        + "|".join((*STATES, "refunded", "sent", "lost"))
        + r")\b"
    ),
    "zh": re.compile("已(?:经)?(下单|付款|发货|签收|退货|取消|退款|寄出|丢失)"),
}
_WORDS = {
    "en": re.compile(
        r"\b("
        + "|".join((*(m for m in MONTHS if m != "May"), *CITIES["en"], "PayPal", "credit card"))
        + r")\b"
    ),
    "zh": re.compile("|".join((*CITIES["zh"], "微信", "支付宝", "银行卡"))),
}
"""Days, places and ways to pay: claims without a figure"""
FIXED = ("order.id", "item.title", "item.price", "order.placed", "order.due", "order.delivered")
"""Facts that do not change within a dialogue"""
LOOP = 4
"""Tokens from which on a turn that is said twice is a loop"""
_NEXT = {state: {after for before, after in MOVES.values() if state in before} for state in STATES}


def unresolved(turn: Turn, language: str, products: frozenset[str] = frozenset()) -> list[str]:
    """Return what an agent's turn claims that no fact of it says: numbers, days, prices, states, places, products.

    A fact counts where the turn names its key and the world has it so. `products`: runs of three words of all titles.
    """
    rest = turn.text
    known = sorted(
        {turn.truth[key] for key in turn.facts if key in turn.truth}, key=len, reverse=True
    )
    for value in known:
        edge = r"(?<![\d.])" if value[:1].isdigit() else ""
        shut = r"(?![\d])(?!\.\d)" if value[-1:].isdigit() else ""
        rest = re.sub(edge + re.escape(value) + shut, "\u2588", rest)
    found = [
        f"{slot['name']}={slot['value']}"
        for slot in turn.slots
        if turn.truth.get(slot["name"]) != slot["value"]
    ]
    found += re.findall(r"\S*\d\S*", rest) if FIGURES.search(rest) else []
    found += [m[0] for m in _STATES[language].finditer(rest)]
    found += [m[0] for m in _WORDS[language].finditer(rest)]
    if products:
        found += [run for run in triples(rest, language) if run in products]
    return found


def triples(text: str, language: str) -> set[str]:
    """Return the runs of three words of a text, of four signs in Chinese."""
    words, size = tokens(text, language), 4 if language == "zh" else 3
    return {" ".join(words[i : i + size]) for i in range(len(words) - size + 1)}


def contradictions(turns: Iterable[Turn]) -> list[str]:
    """Return facts that agents' turns say in two ways, and states that cannot follow each other."""
    said: dict[str, str] = {}
    states: list[str] = []
    found = []
    for turn in turns:
        if turn.role != "agent":
            continue
        for slot in turn.slots:
            name, value = slot["name"], slot["value"]
            if name in FIXED or name.startswith("policy."):
                if said.setdefault(name, value) != value:
                    found.append(f"{name}: {said[name]}, then {value}")
            elif name == "order.state":
                states.append(value)
    return found + broken_states(states)


def broken_states(said: Sequence[str]) -> list[str]:
    """Return pairs of states, as people say them, of which the second cannot come after the first."""
    plain = {word: state for words in STATE_WORDS.values() for state, word in words.items()}
    codes = [plain[word] for word in said if word in plain]
    found = []
    for first, second in pairwise(codes):
        reached, open_ = {first}, [first]
        while open_:
            for after in _NEXT[open_.pop()] - reached:
                reached.add(after)
                open_.append(after)
        if second not in reached:
            found.append(f"{first}, then {second}")
    return found


def loops(turns: Iterable[Turn], language: str) -> list[str]:
    """Return what an agent says twice: turns of `LOOP` tokens or more that are alike."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for turn in turns:
        if turn.role != "agent":
            continue
        own = tuple(tokens(turn.text, language))
        if len(own) >= LOOP and own in seen:
            found.append(turn.text)
        seen.add(own)
    return found


def check(
    turns: Sequence[Turn],
    language: str,
    runs: np.ndarray,
    products: frozenset[str],
    personal: Callable[[Turn], bool],
) -> str:
    """Return why a dialogue is not taken: "facts", "contradiction", "loop", "copy", "personal", "span"; "" if it is.

    `personal` says whether a turn holds personal data.
    """
    for turn in turns:
        if not turn.text or not all(fits(slot, turn.text) for slot in turn.slots):
            return "span"
        if turn.role == "agent" and unresolved(turn, language, products):
            return "facts"
    if contradictions(turns):
        return "contradiction"
    if loops(turns, language):
        return "loop"
    if any(copied(turn.text, language, runs) for turn in turns):
        return "copy"
    if any(personal(turn) for turn in turns):
        return "personal"
    return ""
