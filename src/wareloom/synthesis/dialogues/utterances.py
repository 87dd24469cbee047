"""Utterances: of an intent from a few real ones, their phrases with other beginnings, slots and slips."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.language.titles import SMALL
from wareloom.shop import Shop
from wareloom.shop.keeps import Keeps
from wareloom.shop.languages import language_of
from wareloom.shop.schema import CUSTOMER, SLOTS
from wareloom.shop.spans import Slot, moved
from wareloom.synthesis import Condition, Counts, Of, Synthesizer
from wareloom.synthesis.dialogues.dice import Dice
from wareloom.synthesis.dialogues.phrases import LINKS, Phrase, delexicalised
from wareloom.synthesis.dialogues.tagged import tagged
from wareloom.synthesis.dialogues.values import new_value, values_by_slot
from wareloom.synthesis.draws import mark, new_ids
from wareloom.synthesis.queries._edits import slip

TRIES = 6
"""Draws until an utterance is none that is there"""
LONGEST_FRAME = 7
FRAMED, SLIPPED, BARE = 0.6, 0.15, 0.2
"""Shares of utterances that begin in another way, that have one slip more, and of those that begin in none"""
FOLLOWED = 4
"""Different words that follow a beginning of texts whose intents nobody knows"""
EDITED = 0.1
"""Share of words that each kind of edit changes: α of Wei and Zou (2019)"""
MARKED = 4
"""Texts whose slots a tagger marks for each labelled turn, at most"""


@dataclass(kw_only=True, eq=False)
class Utterances(Synthesizer):
    """Say again what customers said, in other words: one utterance a dialogue, with its intent and slots.

    Phrases are real ones with their slots taken out. A beginning that stands before requests of several intents, such
    as "can you help me to", is exchanged for another one or taken away; slots get values of other utterances, figures
    other figures, names nobody's; some words get a slip. It learns from customers' turns with an intent or a slot;
    turns without either lend beginnings alone.
    """

    keeps: ClassVar[Keeps] = "people"
    knows: ClassVar[frozenset[str]] = frozenset({"text"})
    of: ClassVar[Of] = "dialogues"
    counts: ClassVar[Counts] = "dialogues"
    takes: ClassVar[type[Condition]] = Condition

    lent: bool = True
    """Whether texts whose intents nobody knows lend beginnings."""
    pseudo_labels: Literal["none", "windows", "minilm"] = "none"
    """Taggers that mark slots in texts that nobody labelled, taught by the labelled ones; these are said again, too.
    They see words (windows), or what all-MiniLM-L6-v2 makes of them (extra `text`)."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn the phrases of customers' turns; raises `InputError` where none has an intent or a slot."""
        self._forget()
        rows = shop.table("dialogues") if shop.rows("dialogues") else pl.DataFrame()
        said = customers(rows) if len(rows) else []
        self.texts_ = pl.DataFrame(
            {
                "text": [one.text for one, _ in said],
                "intent": [one.intent for one, _ in said],
                "slots": pl.Series([list(one.slots) for one, _ in said], dtype=SLOTS),
                "told": pl.Series([told for _, told in said], dtype=pl.Boolean),
            }
        )
        if self.pseudo_labels != "none" and self.texts_["told"].any():
            self._mark(rows, run or Run())
        if not self.texts_["told"].any():
            raise InputError(
                f"The synthesizer {self.name!r} says again what customers said, and no customer's turn has an intent "
                "or a slot: label some turns of dialogues."
            )
        self.items_, self.meta_ = shop.table("items"), dict(shop.meta)
        self._fitted_on(shop)
        return self

    def _mark(self, rows: pl.DataFrame, run: Run) -> None:
        """Mark slots in some texts that nobody labelled, and count them among those that are said again."""
        rows = rows.filter((pl.col("role") == CUSTOMER) & pl.col("text").is_not_null())
        told = self.texts_["told"]
        rest = self.texts_.filter(~told & (self.texts_["text"].str.contains(r"\w")))
        # Whoever marks many texts says none of them more often than the labelled ones.
        order = run.rng(self.name, "marked").permutation(len(rest))[: MARKED * int(told.sum())]
        rest = rest[np.sort(order)]
        slots = tagged(rows.filter(told), rest["text"].to_list(), self.pseudo_labels, run)
        marked = rest.with_columns(slots=pl.Series(slots, dtype=SLOTS), told=True)
        self.texts_ = pl.concat([self.texts_, marked])

    def sample(self, n: int, run: Run | None = None, given: Condition | None = None) -> Shop:
        """Say `n` utterances, as many of each real one; returns the catalogue and a table dialogues."""
        self._checked(n, given)
        run = run or Run()
        rows = self.texts_.filter(pl.col("told"))
        cells = zip(rows["text"], rows["intent"], rows["slots"].to_list(), strict=True)
        real = [Utterance(text, intent, tuple(slots)) for text, intent, slots in cells]
        rng = run.rng(self.name, "utterances")
        order = np.concatenate([rng.permutation(len(real)) for _ in range(-(-n // len(real)))])[:n]
        beside = self.texts_.filter(~pl.col("told"))["text"].to_list() if self.lent else []
        # One talker knows all phrases; it says those of the order drawn.
        writer, dice = _Writer(real, beside), Dice(rng)
        said = _drawn([real[i] for i in order], 1, lambda one: writer.said(one, dice))
        frame = turns_of(said, new_ids(self.origin, n, mark(self, n, run, None)), self.origin)
        return self._stamped(Shop.trusted({"items": self.items_, "dialogues": frame}, self.meta_))


@dataclass(frozen=True)
class Utterance:
    """What a customer says, and what for."""

    text: str
    intent: str
    slots: tuple[Slot, ...] = field(default=())


def customers(rows: pl.DataFrame) -> list[tuple[Utterance, bool]]:
    """What customers said in a table dialogues, and whether anybody labelled it: with an intent, or with slots.

    An empty list of slots says that somebody looked and found none; nothing says that nobody looked.
    """
    rows = rows.filter((pl.col("role") == CUSTOMER) & pl.col("text").is_not_null())
    empty = [None] * len(rows)
    intents, slots = (
        rows[name].to_list() if name in rows.columns else empty for name in ("intent", "slots")
    )
    return [
        (Utterance(text, intent or "", tuple(own or ())), bool(intent) or own is not None)
        for text, intent, own in zip(rows["text"], intents, slots, strict=True)
    ]


def turns_of(
    said: Sequence[Utterance], ids: pl.Series, origin: str, language: str = ""
) -> pl.DataFrame:
    """Return utterances as a table dialogues, each a dialogue of one turn; `language`: as they read where empty."""
    language = language or language_of([one.text for one in said])
    cells: Mapping[str, Any] = {
        "dialogue_id": ids,
        "turn": pl.Series([0] * len(said), dtype=pl.Int32),
        "role": [CUSTOMER] * len(said),
        "text": [one.text for one in said],
        "intent": [one.intent or None for one in said],
        "item_id": pl.Series([None] * len(said), dtype=pl.String),
        "slots": pl.Series([list(one.slots) or None for one in said], dtype=SLOTS),
        "language": [language] * len(said),
        "origin": [origin] * len(said),
        "weight": pl.Series([1.0] * len(said), dtype=pl.Float32),
    }
    return pl.DataFrame(cells)


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
    """Return `times` edited copies of each real utterance: the control of easy data augmentation.

    Random swaps, deletions, slips, and insertions of a word of the same intent in the place of WordNet's synonyms (Wei
    and Zou 2019). Slots follow their words, as far as these are still there.
    """
    words: dict[str, list[str]] = defaultdict(list)
    for one in real:
        words[one.intent] += [w for w in one.text.split() if w.lower() not in SMALL]

    def edited(one: Utterance) -> Utterance:
        text = _edited(one.text, words[one.intent], rng)
        return Utterance(text, one.intent, tuple(moved(one.slots, one.text, text)))

    return _drawn(real, times, edited)


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
        self.values = values_by_slot([slot for one in real for slot in one.slots])
        self.frames, self.follow = _frames(
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
            value = new_value(part, self.values[part], dice)
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
        if link != "to":
            # "what do i" stands before "need to", "could i" does not: who was heard before that word may stand there.
            word = rest.split()[0].lower() if rest else ""
            others = [other for other in others if word in self.follow[other]]
        # Behind "to" the request stands by itself.
        if link == "to" and frame and dice.chance(BARE):
            return rest
        return f"{dice.one(others)} {rest}" if others else beginning

    def _without(self, beginning: str, link: str) -> str:
        low = beginning.lower()
        frame = next((f for f in self.frames.get(link, ()) if low.startswith(f + " ")), "")
        return low[len(frame) :].strip() if frame else ""


def _frames(
    beginnings: Sequence[tuple[str, str]], beside: Sequence[str]
) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
    """Beginnings that stand before requests of two intents or more, or before many words, by their last word.

    And the words that were heard behind each beginning.
    """
    intents: dict[str, set[str]] = defaultdict(set)
    follow: dict[str, set[str]] = defaultdict(set)
    heard: dict[str, set[str]] = defaultdict(set)
    for intent, text in beginnings:
        for frame, word in _starts(text):
            intents[frame].add(intent)
            heard[frame].add(word)
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
            heard[frame] |= follow[frame]
    return dict(found), heard


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
