"""Turns of dialogues as learners take them: tokens with their slots, and replies with what was said before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.shop.schema import AGENT, CUSTOMER
from wareloom.shop.spans import Slot

TOKEN = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|[^\w\s]")
"""A word or figure, one Chinese sign, or one mark"""
OUTSIDE = ""
"""The label of a token of no slot"""
EMOJI = "emoji"
"""Slots that are codes of emoji"""
EARLIER = 4
"""Messages before the last one that count, at most"""


@dataclass(frozen=True)
class Turns:
    """Turns cut into tokens, with the slot of each token."""

    texts: list[str]
    spans: list[list[tuple[int, int]]]
    labels: list[list[str]]

    @classmethod
    def of(cls, shop: Shop, most: int = 0, run: Run | None = None) -> Turns:
        """The customers' turns of a shop that have a token; `most` of them, drawn by the run's seed, where not 0."""
        rows = shop.table("dialogues")
        rows = rows.filter((pl.col("role") == CUSTOMER) & pl.col("text").is_not_null())
        slots = rows["slots"].to_list() if "slots" in rows.columns else [None] * len(rows)
        both = [(text, own or ()) for text, own in zip(rows["text"], slots, strict=True)]
        both = [(text, own) for text, own in both if TOKEN.search(text)]
        if most and len(both) > most:
            order = (run or Run()).rng("turns").permutation(len(both))[:most]
            both = [both[i] for i in np.sort(order)]
        spans = [[match.span() for match in TOKEN.finditer(text)] for text, _ in both]
        labels = [labelled(own, slots) for own, (_, slots) in zip(spans, both, strict=True)]
        return cls([text for text, _ in both], spans, labels)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def flat(self) -> list[str]:
        """The labels of all tokens, turn after turn."""
        return [label for own in self.labels for label in own]


def labelled(spans: Sequence[tuple[int, int]], slots: Sequence[Slot]) -> list[str]:
    """The slot that each token begins in; `OUTSIDE` where it begins in none."""
    return [
        next((s["name"] for s in slots if s["start"] <= start < s["end"]), OUTSIDE)
        for start, _ in spans
    ]


def codes(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Places of labels among classes, those behind the last for labels that are none of them: int64 [tokens]."""
    every = [*classes, *sorted(set(labels) - set(classes))]
    place = {name: code for code, name in enumerate(every)}
    return np.array([place[label] for label in labels], dtype=np.int64)


@dataclass(frozen=True)
class Exchange:
    """What was said before an agent's reply, and the reply."""

    dialogue: str
    last: str
    """The last message before it"""
    before: str
    """Messages before that one"""
    reply: str
    final: bool
    """Whether it ends the dialogue"""

    @property
    def context(self) -> str:
        """All that was said before, as one text."""
        return f"{self.before} {self.last}".strip()


def worded(text: str, slots: Sequence[Slot]) -> str:
    """A text without its codes of emoji."""
    for slot in sorted(slots, key=lambda one: -int(one["start"])):
        if slot["name"] == EMOJI:
            text = f"{text[: slot['start']]} {text[slot['end'] :]}"
    return " ".join(text.split())


def exchanges(shop: Shop) -> list[Exchange]:
    """The replies of a shop's agents that follow a message; an agent's turns in a row are one reply.

    Codes of emoji, which are slots, are no words, and a turn of nothing else is none.
    """
    rows = shop.table("dialogues").filter(pl.col("text").is_not_null())
    rows = rows.sort("dialogue_id", "turn", maintain_order=True)
    slots = rows["slots"].to_list() if "slots" in rows.columns else [None] * len(rows)
    texts_ = [worded(text, own or ()) for text, own in zip(rows["text"], slots, strict=True)]
    rows = rows.with_columns(text=pl.Series(texts_, dtype=pl.String)).filter(pl.col("text") != "")
    found = list[Exchange]()
    for (name,), own in rows.group_by("dialogue_id", maintain_order=True):
        said, replies = list[tuple[str, str]](), list[Exchange]()
        for role, text in own.select("role", "text").iter_rows():
            if said and role == said[-1][0] == AGENT:
                said[-1] = (role, f"{said[-1][1]} {text}")
            else:
                said.append((role, text))
        texts = [text for _, text in said]
        for at, (role, text) in enumerate(said):
            if role == AGENT and at:
                before = " ".join(texts[max(0, at - 1 - EARLIER) : at - 1])
                final = at == len(said) - 1
                replies.append(Exchange(str(name), texts[at - 1], before, text, final))
        found += replies
    return found
