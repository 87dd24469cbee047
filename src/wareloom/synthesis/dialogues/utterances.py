"""Utterances of an intent from a few real ones: their phrases with other beginnings, slots and slips."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from wareloom.language.titles import SMALL
from wareloom.shop.spans import Slot
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.phrases import LINKS, PERSONAL, Phrase, delexicalised
from wareloom.synthesis.queries._edits import slip

TRIES = 6
"""Draws until an utterance is none that is there"""
LONGEST_FRAME = 7
NOBODY = ("Sam Miller", "Alex Brown", "Kim Lee", "Jo Green", "Max Hill")
"""Stand in the place of people's names: nobody's own is said again"""
FRAMED, SLIPPED, BARE = 0.6, 0.15, 0.2
"""Shares of utterances that begin in another way, that have one slip more, and of those that begin in none"""
FOLLOWED = 4
"""Different words that follow a beginning of texts whose intents nobody knows"""
EDITED = 0.1
"""Share of words that each kind of edit changes: α of Wei and Zou (2019)"""


@dataclass(frozen=True)
class Utterance:
    """What a customer says, and what for."""

    text: str
    intent: str
    slots: tuple[Slot, ...] = field(default=())


def made_utterances(
    real: Sequence[Utterance],
    times: int,
    rng: np.random.Generator,
    beside: Sequence[str] = (),
) -> list[Utterance]:
    """Return `times` new utterances for each real one, of its intent.

    Phrases are real ones with their slots taken out. A beginning that stands before requests of two intents or more,
    such as "can you help me to", is exchanged for another one or taken away; slots get values of other utterances,
    figures other figures, names nobody's; some words get a slip. Spans of slots are exact by the way they are made.
    `beside`: texts whose intents nobody knows, which lend beginnings.
    """
    dice, writer = Dice(rng), _Writer(real, beside)
    return _drawn(real, times, lambda one: writer.said(one, dice))


def edited_utterances(
    real: Sequence[Utterance], times: int, rng: np.random.Generator
) -> list[Utterance]:
    """Return `times` edited copies of each real utterance, without its slots: the control of easy data augmentation.

    Random swaps, deletions, slips, and insertions of a word of the same intent in the place of WordNet's synonyms (Wei
    and Zou 2019).
    """
    words: dict[str, list[str]] = defaultdict(list)
    for one in real:
        words[one.intent] += [w for w in one.text.split() if w.lower() not in SMALL]
    return _drawn(
        real, times, lambda one: Utterance(_edited(one.text, words[one.intent], rng), one.intent)
    )


def _drawn(
    real: Sequence[Utterance], times: int, draw: Callable[[Utterance], Utterance]
) -> list[Utterance]:
    """New utterances, none of them a real one; after `TRIES` draws one may be."""
    there, made = {(one.text.lower(), one.intent) for one in real}, list[Utterance]()
    for one in real:
        for _ in range(times):
            for _ in range(TRIES):
                new = draw(one)
                if new.text.strip() and (new.text.lower(), new.intent) not in there:
                    break
            there.add((new.text.lower(), new.intent))
            made.append(new if new.text.strip() else one)
    return made


class _Writer:
    """Says phrases in other ways."""

    def __init__(self, real: Sequence[Utterance], beside: Sequence[str]) -> None:
        self.phrases = {
            (one.text, one.intent): Phrase.of(delexicalised(one.text, one.slots)) for one in real
        }
        self.values: dict[str, list[str]] = defaultdict(list)
        for one in real:
            for slot in one.slots:
                self.values[slot["name"]].append(slot["value"])
        self.frames = _frames(
            [(intent, p.parts[0]) for (_, intent), p in self.phrases.items()], beside
        )
        every = sorted((f for own in self.frames.values() for f in own), key=len, reverse=True)
        self.starts = every
        # What stands behind "to" is a verb: a request that begins with one can get a beginning.
        self.verbs = {
            rest.split()[0]
            for phrase in self.phrases.values()
            if (rest := self._without(phrase.parts[0], "to"))
        }

    def said(self, one: Utterance, dice: Dice) -> Utterance:
        """Say an utterance in another way."""
        parts = list(self.phrases[one.text, one.intent].parts)
        if dice.chance(FRAMED):
            parts[0] = self._begun(parts[0], dice)
        if dice.chance(SLIPPED):
            parts = _slipped(parts, dice)
        text, slots = "", list[Slot]()
        for place, part in enumerate(parts):
            if place % 2 == 0:
                text += part
                continue
            value = self._value(part, dice)
            slots.append(
                {"name": part, "value": value, "start": len(text), "end": len(text) + len(value)}
            )
            text += value
        return Utterance(text, one.intent, tuple(slots))

    def _begun(self, beginning: str, dice: Dice) -> str:
        """Another beginning before the same request, or none."""
        low = beginning.lower()
        frame = next((f for f in self.starts if low.startswith(f + " ")), "")
        rest = beginning[len(frame) :].lstrip()
        link = frame.rsplit(" ", 1)[-1]
        if not frame:
            if not rest or rest.split()[0].lower() not in self.verbs or "to" not in self.frames:
                return beginning
            link = "to"
        others = [other for other in self.frames[link] if other != frame]
        # Behind "to" the request stands by itself.
        if link == "to" and frame and dice.chance(BARE):
            return rest
        return f"{dice.one(others)} {rest}" if others else beginning

    def _without(self, beginning: str, link: str) -> str:
        low = beginning.lower()
        frame = next((f for f in self.frames.get(link, ()) if low.startswith(f + " ")), "")
        return low[len(frame) :].strip() if frame else ""

    def _value(self, name: str, dice: Dice) -> str:
        if PERSONAL.match(name):
            return dice.one(NOBODY)
        value = dice.one(self.values[name])
        return re.sub(r"\d+", lambda m: dice.digits(len(m[0])), value)


def _frames(beginnings: Sequence[tuple[str, str]], beside: Sequence[str]) -> dict[str, list[str]]:
    """Beginnings that stand before requests of two intents or more, or before many words, by their last word."""
    intents: dict[str, set[str]] = defaultdict(set)
    follow: dict[str, set[str]] = defaultdict(set)
    for intent, text in beginnings:
        for frame, _ in _starts(text):
            intents[frame].add(intent)
    for text in beside:
        for frame, word in _starts(text):
            follow[frame].add(word)
    shared = {frame for frame, own in intents.items() if len(own) >= 2}
    shared |= {frame for frame, own in follow.items() if len(own) >= FOLLOWED}
    found: dict[str, list[str]] = defaultdict(list)
    for frame in sorted(shared):
        last = frame.rsplit(" ", 1)[-1]
        if last in LINKS and " " in frame:
            found[last].append(frame)
    return dict(found)


def _starts(text: str) -> list[tuple[str, str]]:
    """Beginnings of a text, each with the word that follows."""
    words = text.lower().split()
    sizes = range(1, min(LONGEST_FRAME + 1, len(words)))
    return [(" ".join(words[:size]), words[size]) for size in sizes]


def _slipped(parts: list[str], dice: Dice) -> list[str]:
    """One slip in one word, never in a slot."""
    places = [
        (at, word.start(), word.end())
        for at in range(0, len(parts), 2)
        for word in re.finditer(r"[A-Za-z]{4,}", parts[at])
    ]
    if not places:
        return parts
    at, start, end = dice.one(places)
    changed = parts[at][:start] + slip(parts[at][start:end], dice.rng) + parts[at][end:]
    return [*parts[:at], changed, *parts[at + 1 :]]


def _edited(text: str, words: Sequence[str], rng: np.random.Generator) -> str:
    """Swap, delete, slip or insert; one kind of edit each time, at α of the words, once at least."""
    said, kind = text.split(), int(rng.integers(4))
    for _ in range(max(1, round(EDITED * len(said)))):
        place = int(rng.integers(len(said))) if said else 0
        if kind == 0 and len(said) > 1:
            other = int(rng.integers(len(said)))
            said[place], said[other] = said[other], said[place]
        elif kind == 1 and len(said) > 1:
            said.pop(place)
        elif kind == 2 and words:
            said.insert(place, words[int(rng.integers(len(words)))])
        elif said:
            said[place] = slip(said[place], rng)
    return " ".join(said)
