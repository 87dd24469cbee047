"""The third stage: words. Customers speak in real phrases with other slots in them, agents in sentences of facts."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.language.acts import REQUEST
from wareloom.shop.spans import Slot
from wareloom.synthesis.dialogues.agent import Move
from wareloom.synthesis.dialogues.dice import Dice, Weighed
from wareloom.synthesis.dialogues.phrases import HOLE, SHUT, WORLD, Phrase, frames_of, is_open
from wareloom.synthesis.dialogues.plan import Step
from wareloom.synthesis.dialogues.world import World
from wareloom.synthesis.queries._edits import slip

FACT = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)+)\}")
NAMES = {
    "zh": {
        "order_id": "订单号", "zip": "邮编", "zipcode": "邮编", "postcode": "邮编", "city": "城市", "quantity": "数量",
        "product": "商品名称", "item_name": "商品名称",
    },
    "en": {"order_id": "order number", "current_city": "city", "current_zipcode": "zip code",
        "datacategoryvalues": "data plan"},
}  # fmt: skip
"""What agents call a slot that they ask for"""
PLAIN = {"en": ("{}", "it is {}", "order number {}"), "zh": ("{}", "订单号{}", "订单号是{}")}
"""How customers give an order's number where the log has no phrase for it"""


@dataclass
class Turn:
    """One turn in words."""

    role: str
    act: str
    text: str
    intent: str = ""
    slots: list[Slot] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    """Keys of the facts that it relies on"""
    truth: Mapping[str, str] = field(default_factory=dict)
    """All that was true when an agent said it"""
    shape: str = ""
    """The text with names in the place of what is the world's own"""


@cache
def shipped() -> dict[str, Any]:
    """What the file of replies holds."""
    return tomllib.loads(Path(__file__).with_name("replies.toml").read_text(encoding="utf-8"))


def says_order(phrase: Phrase) -> str:
    """Return "order" where a phrase has the number of an order, else ""."""
    return "order" if any(WORLD.get(name) == "order.id" for name in phrase.names) else ""


@dataclass(frozen=True)
class Edits:
    """How customers' phrases are changed."""

    typos: float = 0.04
    """Chance of a slip in a phrase of a customer who types carelessly"""
    frames: float = 0.3
    """Chance that a request begins in another way"""


class Writer:
    """Puts plans into words."""

    def __init__(
        self,
        bank: pl.DataFrame,
        replies: pl.DataFrame,
        values: Mapping[str, Mapping[str, int]],
        edits: Edits,
    ) -> None:
        self.edits = edits
        self.values = {
            name: Weighed(list(own), [float(n) for n in own.values()])
            for name, own in values.items()
        }
        self.phrases: dict[tuple[str, ...], Weighed[Phrase]] = {}
        groups: dict[tuple[str, ...], list[tuple[Phrase, float]]] = defaultdict(list)
        for language, act, intent, template, _, times in bank.iter_rows():
            phrase = Phrase.of(template)
            names = tuple(sorted(set(phrase.names)))
            key = (language, act, *names)
            if act == REQUEST:
                key = (language, act, intent, says_order(phrase))
            groups[key].append((phrase, float(times)))
        for key, own in groups.items():
            own = [(phrase, weight) for phrase, weight in own if any(phrase.parts)]
            self.phrases[key] = Weighed([p for p, _ in own], [w for _, w in own])
        self.frames = frames_of(bank)
        self.starts = sorted(
            (f for own in self.frames.values() for f in own), key=len, reverse=True
        )
        self.replies: dict[tuple[str, str], list[str]] = defaultdict(list)
        for language in ("en", "zh"):
            for case, sentences in shipped()[language].items():
                self.replies[language, case] += sentences
        for language, act, text, _ in replies.iter_rows():
            self.replies[language, act].append(text)

    def has(self, language: str, act: str) -> bool:
        """Return whether there is a phrase of an act, a shipped one at least."""
        return bool((language, act) in self.phrases or shipped()["customer"][language].get(act, []))

    def orders(self, language: str) -> dict[str, float]:
        """Return the share of each intent's requests that say the order's number."""
        found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for key, own in self.phrases.items():
            if key[:2] == (language, REQUEST):
                found[key[2]][key[3] == "order"] += own.sums[-1]
        return {name: said / (plain + said) for name, (plain, said) in found.items()}

    def turns(self, steps: Sequence[Step], world: World, dice: Dice) -> list[Turn]:
        """Put a plan's steps into words; the labels are exact by the way they are made."""
        used: set[str] = set()
        return [
            self._customer(step, world, dice)
            if step.role == "customer"
            else self._agent(step, world, used, dice)
            for step in steps
        ]

    def agent(self, step: Step, world: World, dice: Dice) -> Turn:
        """Put one agent's step into words, whatever was said before."""
        return self._agent(step, world, set(), dice)

    def _customer(self, step: Step, world: World, dice: Dice) -> Turn:
        language = world.customer.language
        phrase = self._phrase(step, language, dice)
        parts = list(phrase.parts)
        if step.act == REQUEST and language == "en" and dice.chance(self.edits.frames):
            parts[0] = self._framed(parts[0], dice)
        if world.customer.casual and dice.chance(self.edits.typos):
            parts = _slipped(parts, dice)
        text, slots, facts, shape = "", list[Slot](), list[str](), ""
        for place, part in enumerate(parts):
            if place % 2 == 0:
                text += part
                shape += part
                continue
            value, key = self._value(part, step, world, dice)
            slots.append(
                {"name": part, "value": value, "start": len(text), "end": len(text) + len(value)}
            )
            text += value
            shape += f"{HOLE}{part}{SHUT}"
            if key:
                facts.append(key)
        return Turn("customer", step.act, text, step.intent, slots, facts, shape=shape)

    def _phrase(self, step: Step, language: str, dice: Dice) -> Phrase:
        if step.act == REQUEST:
            say = "order" if step.wants else ""
            for kind in (say, "", "order"):
                found = self.phrases.get((language, REQUEST, step.intent, kind))
                if found:
                    return dice.weighed(found)
        elif step.act == "provide":
            wants = tuple(sorted(step.wants))
            found = self.phrases.get((language, "provide", *wants))
            if found is None and wants == ("order_id",):
                found = self.phrases.get((language, "provide", "order_number"))
                mine = dice.one(PLAIN[language])
                if found is None or dice.chance(0.3):
                    return Phrase((mine.partition("{}")[0], "order_id", mine.partition("{}")[2]))
            if found:
                return dice.weighed(found)
            holes = [part for name in wants for part in (" ", name)]
            return Phrase(("", *holes[1:], ""))
        found = self.phrases.get((language, step.act))
        if found:
            return dice.weighed(found)
        return Phrase((dice.one(shipped()["customer"][language][step.act]),))

    def _framed(self, beginning: str, dice: Dice) -> str:
        """Exchange the beginning of a request for another one that ends in the same word."""
        low = beginning.lower()
        frame = next((f for f in self.starts if low.startswith(f.lower() + " ")), None)
        if frame is None:
            return beginning
        return dice.one(self.frames[frame.rsplit(" ", 1)[-1]]) + beginning[len(frame) :]

    def _value(self, name: str, step: Step, world: World, dice: Dice) -> tuple[str, str]:
        """What stands in a customer's slot, and the fact that it is."""
        key = WORLD.get(name, "")
        if key == "order.id" and step.wrong:
            return step.wrong, ""
        if key:
            return world.facts().get(key, world.order.order_id), key
        value = world.said.get(name) if is_open(name) else None
        if value is None:
            value = str(dice.weighed(self.values[name])) if name in self.values else "?"
            value = re.sub("#+", lambda m: dice.digits(len(m[0])), value)
            world.said[name] = value
        return value, f"said.{name}"

    def _agent(self, step: Step, world: World, used: set[str], dice: Dice) -> Turn:
        language = world.customer.language
        text, slots, facts, shape = "", list[Slot](), list[str](), ""
        for move in step.moves:
            sentence = self._sentence(move, language, step.facts, used, dice)
            if text and language == "en":
                text, shape = f"{text} ", f"{shape} "
            last = 0
            for hole in FACT.finditer(sentence):
                before, key = sentence[last : hole.start()], hole[1]
                value = step.facts[key]
                text += before
                slots.append(
                    {"name": key, "value": value, "start": len(text), "end": len(text) + len(value)}
                )
                text += value
                shape += f"{before}{HOLE}{key}{SHUT}"
                facts.append(key)
                last = hole.end()
            text += sentence[last:]
            shape += sentence[last:]
        keys = list(dict.fromkeys(facts))
        return Turn("agent", step.act, text, "", slots, keys, step.facts, shape)

    def _sentence(
        self, move: Move, language: str, truth: Mapping[str, str], used: set[str], dice: Dice
    ) -> str:
        case = f"{move.act}.{move.kind}" if move.kind else move.act
        known = self.replies[language, case]
        fit = [s for s in known if all(key in truth for key in FACT.findall(s))]
        fresh = [s for s in fit if s not in used] or fit
        sentence = dice.one(fresh)
        used.add(sentence)
        if move.names:
            called = [NAMES[language].get(n, n.replace("_", " ")) for n in move.names]
            joint = "和" if language == "zh" else " and "
            sentence = sentence.replace("{names}", joint.join(called))
        return sentence


def _slipped(parts: list[str], dice: Dice) -> list[str]:
    """One slip of the hand in one word of a phrase, never in a slot."""
    places = [
        (at, word.start(), word.end())
        for at in range(0, len(parts), 2)
        for word in re.finditer(r"[A-Za-z]{4,}", parts[at])
    ]
    if not places:
        return parts
    at, start, end = dice.one(places)
    rng: np.random.Generator = dice.rng
    changed = slip(parts[at][start:end], rng)
    return [*parts[:at], parts[at][:start] + changed + parts[at][end:], *parts[at + 1 :]]
