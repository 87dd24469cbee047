"""Phrases of real customers and agents without what they say of one person: what words are made of."""

from __future__ import annotations

import html
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from wareloom.language.acts import (
    REQUEST,
    act_of_label,
    act_of_words,
    agent_act,
    goal_of,
)
from wareloom.language.personal import personal_data
from wareloom.language.runs import LEAST, tokens, window
from wareloom.language.safety import injected
from wareloom.shop import Shop
from wareloom.shop.languages import language_of
from wareloom.shop.schema import AGENT, CUSTOMER, REAL
from wareloom.shop.spans import Slot

HOLE, SHUT = "\ue000", "\ue001"
"""Stand round a slot's name in a phrase; no text that people write has them"""
PARTS = re.compile(f"{HOLE}([^{SHUT}]*){SHUT}")
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff\ue000\ue001]")
WORLD = {
    "order_id": "order.id", "order_number": "order.id", "order.id": "order.id", "invoice_id": "order.id",
    "zip": "order.postcode", "zipcode": "order.postcode", "current_zipcode": "order.postcode",
    "postcode": "order.postcode", "city": "order.city", "current_city": "order.city", "delivery_city": "order.city",
    "quantity": "order.quantity", "item_name": "item.title", "product": "item.title", "item": "item.title",
}  # fmt: skip
"""Slots whose value is a fact of the world"""
PERSONAL = re.compile(
    r"^((user|person|full|first|last)?_?name|ssn|password|e?mail(_?address)?|address|phone|tel|identity|account_(number|id)"
    r"|user_id|card.*|birth.*|new_(city|zipcode))$"
)
"""Slots that say who somebody is: phrases with them are not taken"""
UNKNOWN = frozenset({"number", "money", "date", "time", "site", "link", "organisation", "email"})
"""What a platform put for something that it took out: nobody knows what stood there"""
OFFERS = ("ask_goal", "ask_more")
"""What agents alone say: a customer's turn without an intent that reads so was taken for one by mistake"""
EMOJI = "emoji"
LONGEST = 300
"""Characters of a phrase"""


@dataclass(frozen=True)
class Phrase:
    """One phrase: text and slots in turn, the first and last text."""

    parts: tuple[str, ...]
    """Text at even places, names of slots at odd ones"""

    @classmethod
    def of(cls, template: str) -> Phrase:
        """Part a template at its holes."""
        return cls(tuple(PARTS.split(template)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its slots, in order."""
        return self.parts[1::2]


@dataclass
class Talk:
    """One real dialogue, as far as it shows what customers and agents do."""

    language: str
    acts: list[str] = field(default_factory=list)
    turns: list[int] = field(default_factory=list)
    intents: list[str] = field(default_factory=list)
    templates: list[str] = field(default_factory=list)
    """Of customers' turns"""
    replies: list[tuple[str, str]] = field(default_factory=list)
    """Of agents' turns that say no facts: act and text"""
    texts: list[str] = field(default_factory=list)
    """All texts as they stand"""
    customers: int = 0
    """Turns of the customer that have a text, whether or not their act is told"""


def talks_of(shops: Iterable[Shop], language: str = "") -> list[Talk]:
    """Read the real dialogues of shops, turn by turn; those of one language where one is named."""
    found = []
    for shop in shops:
        if not shop.rows("dialogues"):
            continue
        rows = shop.table("dialogues")
        rows = rows.filter(pl.col("origin") == REAL) if (rows["origin"] == REAL).any() else rows
        rows = rows.sort("dialogue_id", "turn", maintain_order=True)
        columns = ["dialogue_id", "turn", "role", "text", "intent", "act", "slots", "language"]
        cells = [rows[c].to_list() if c in rows.columns else [None] * len(rows) for c in columns]
        last, own = None, list[tuple[object, ...]]()
        for row in zip(*cells, strict=True):
            if row[0] != last and own:
                found.append(_talk(own))
                own = []
            last = row[0]
            own.append(row)
        if own:
            found.append(_talk(own))
    return [talk for talk in found if language in ("", talk.language)]


def _talk(rows: Sequence[tuple[object, ...]]) -> Talk:
    texts = [str(row[3]) for row in rows if row[3]]
    said = next((str(row[7]) for row in rows if row[7] in ("en", "zh")), None)
    talk = Talk(said or language_of(texts), texts=texts)
    for _, turn, role, text, intent, act, slots, _ in rows:
        if not text:
            continue
        if role == CUSTOMER:
            talk.customers += 1
            template = delexicalised(str(text), slots or ())  # type: ignore[arg-type]
            done = act or (act_of_label(str(intent)) if intent else None)
            done = str(done) if done else act_of_words(str(text), talk.language)
            if done is None or (not intent and agent_act(template, talk.language) in OFFERS):
                continue
            label = str(intent or (goal_of("", str(text)) if done == REQUEST else ""))
            talk.acts.append(done)
            talk.turns.append(int(turn))  # type: ignore[call-overload]
            talk.intents.append(label)
            talk.templates.append(template)
        elif role == AGENT:
            plain = PARTS.sub("", delexicalised(str(text), slots or ()))  # type: ignore[arg-type]
            if (done := agent_act(plain, talk.language)) and not re.search(r"\d", plain):
                talk.replies.append((done, " ".join(plain.split())))
    return talk


def delexicalised(text: str, slots: Iterable[Slot]) -> str:
    """Return a text with holes in the place of its slots; emoji codes go, unseen signs and blanks at ends, too."""
    made, last = "", 0
    for slot in sorted(slots, key=lambda one: one["start"]):
        if slot["start"] < last:
            continue
        hole = "" if slot["name"] == EMOJI else f"{HOLE}{slot['name']}{SHUT}"
        made += _plain(text[last : slot["start"]]) + hole
        last = slot["end"]
    return re.sub(r"\s+", " ", made + _plain(text[last:])).strip()


def _plain(text: str) -> str:
    """Text without unseen signs and entities."""
    return UNSEEN.sub("", html.unescape(text) if "&" in text else text)


def values_of(shops: Iterable[Shop]) -> dict[str, dict[str, int]]:
    """Return what customers say in slots that are no facts of a world and name nobody, by slot.

    A value that `LEAST` dialogues have stands as it is; of figures the number alone is kept, as "#####".
    """
    held: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for shop in shops:
        if not shop.has("dialogues", "slots"):
            continue
        rows = shop.table("dialogues").filter(pl.col("role") == CUSTOMER)
        for dialogue, slots in zip(rows["dialogue_id"], rows["slots"].to_list(), strict=True):
            for slot in slots or ():
                if is_open(slot["name"]):
                    value = re.sub(r"^\d+$", lambda m: "#" * len(m[0]), slot["value"])
                    held[slot["name"]][value].add(dialogue)
    found = {}
    for name, values in held.items():
        known = {v: len(d) for v, d in sorted(values.items()) if len(d) >= LEAST}
        known = {v: n for v, n in known.items() if "#" in v or not personal_data(v)}
        if known:
            found[name] = known
    return found


def is_open(name: str) -> bool:
    """Whether a slot is neither a fact of a world, nor says who somebody is, nor was taken out."""
    return not (name in WORLD or name in UNKNOWN or name == EMOJI or PERSONAL.match(name))


def bank_of(talks: Sequence[Talk], values: Mapping[str, object], seen_in: int) -> pl.DataFrame:
    """Return the phrases that may be said again: columns language, act, intent, template, dialogues, times.

    Left out are phrases with personal data, orders to a model, slots that nothing can be put into, phrases of fewer
    than `seen_in` dialogues, and runs of 12 tokens that fewer than `LEAST` dialogues have.
    """
    where: dict[tuple[str, str, str, str], set[int]] = defaultdict(set)
    times = Counter[tuple[str, str, str, str]]()
    for number, talk in enumerate(talks):
        for act, intent, template in zip(talk.acts, talk.intents, talk.templates, strict=True):
            key = (talk.language, act, intent, template)
            where[key].add(number)
            times[key] += 1
    shared: dict[tuple[str, str], set[int]] = defaultdict(set)
    for key, own in where.items():
        shared[key[0], key[3]] |= own
    rows = []
    good: dict[tuple[str, str], bool] = {}
    for key in sorted(where):
        language, act, intent, template = key
        number = len(shared[language, template])
        if number < seen_in or len(template) > LONGEST or not re.search(r"\w", template):
            continue
        known = good.get((language, template))
        if known is None:
            known = good[language, template] = _usable(template, language, number, values)
        if known:
            rows.append((*key, number, times[key]))
    types = dict.fromkeys(("language", "act", "intent", "template"), pl.String)
    schema = {**types, "dialogues": pl.Int64, "times": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _usable(template: str, language: str, dialogues: int, values: Mapping[str, object]) -> bool:
    phrase = Phrase.of(template)
    if not all(name in WORLD or name in values for name in phrase.names):
        return False
    plain = " ".join(phrase.parts[::2])
    # What is not marked as a slot and has figures may be anybody's number.
    if re.search(r"\d{3}|\[[^\]]*x\]|https?:|@", plain):
        return False
    if dialogues < LEAST and len(tokens(plain, language)) >= window(language):
        return False
    return not injected(plain) and not personal_data(plain)


def replies_of(talks: Sequence[Talk]) -> pl.DataFrame:
    """Return what agents say in `LEAST` dialogues or more without a fact: columns language, act, text, dialogues."""
    where: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    for number, talk in enumerate(talks):
        for act, text in talk.replies:
            where[talk.language, act, text].add(number)
    rows = [
        (*key, len(own))
        for key, own in sorted(where.items())
        if len(own) >= LEAST
        and 4 <= len(key[2]) <= 60
        and not re.search(r"[\[\]<>]|https?:", key[2])
        and not personal_data(key[2])
    ]
    schema = dict.fromkeys(("language", "act", "text"), pl.String) | {"dialogues": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def frames_of(bank: pl.DataFrame) -> dict[str, list[str]]:
    """Return beginnings of English requests that stand before requests of three intents or more, by their last word.

    "can you help me to" and "i want to" can be exchanged: both end in "to".
    """
    intents: dict[str, set[str]] = defaultdict(set)
    rows = bank.filter((pl.col("language") == "en") & (pl.col("act") == REQUEST))
    for intent, template in rows.select("intent", "template").iter_rows():
        words = template.split(" ")
        for size in range(1, min(7, len(words) - 1)):
            if HOLE in words[size - 1]:
                break
            intents[" ".join(words[:size])].add(intent)
    found: dict[str, list[str]] = defaultdict(list)
    for frame, own in sorted(intents.items()):
        if len(own) >= 3 and frame.rsplit(" ", 1)[-1] in LINKS and len(frame.split(" ")) > 1:
            found[frame.rsplit(" ", 1)[-1]].append(frame)
    return {last: frames for last, frames in found.items() if len(frames) > 1}


LINKS = frozenset({"to", "i", "me", "with", "about", "for", "help", "can"})
"""Last words of beginnings that can be exchanged"""
