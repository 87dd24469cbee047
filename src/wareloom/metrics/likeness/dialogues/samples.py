"""What a measure of dialogues compares: real dialogues, other real ones, and as many synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.language.acts import act_of_label, act_of_words
from wareloom.language.runs import tokens
from wareloom.shop import Shop
from wareloom.shop.languages import language_of
from wareloom.shop.schema import AGENT, CUSTOMER, REAL

FEWEST = 20
"""Dialogues of each kind below which nothing can be said"""
MOST = 3_000
"""Dialogues of each kind that are drawn at most"""
NOTE = (
    "No held-out dialogues: the floor is taken between two halves of those of REAL, which the synthesizer may have "
    "seen both. Held-out dialogues make a sharper test."
)


@dataclass(frozen=True)
class Said:
    """One turn that has a text."""

    turn: int
    role: str
    text: str
    act: str
    """"" where nothing tells it"""
    slots: tuple[tuple[str, str, int, int], ...] = ()
    """Name, value, start and end"""


Dialogue = tuple[Said, ...]


@dataclass(frozen=True)
class DialogueSample:
    """Some dialogues, dealt into groups of equal size in the order in which they stand."""

    dialogues: tuple[Dialogue, ...]
    groups: int
    items: tuple[str, ...] = ()
    """Item of each dialogue, "" where none is named; empty where nothing is"""

    @cached_property
    def group(self) -> np.ndarray:
        """Group of each dialogue, int8 [dialogues]."""
        number = np.arange(len(self), dtype=np.int64)
        return (number * self.groups // max(1, len(self))).astype(np.int8)

    def turns(self, role: str) -> tuple[list[str], np.ndarray]:
        """Return the texts of a role, and the group of each: int8."""
        texts, groups = list[str](), list[int]()
        for dialogue, group in zip(self.dialogues, self.group.tolist(), strict=True):
            own = [said.text for said in dialogue if said.role == role]
            texts += own
            groups += [group] * len(own)
        return texts, np.array(groups, dtype=np.int8)

    def words(self, text: str) -> list[str]:
        """Return the words of a text; of Chinese its signs."""
        return tokens(text, "")

    def select(self, places: np.ndarray) -> DialogueSample:
        """Return the sample of some dialogues, in the given order."""
        items = tuple(self.items[i] for i in places.tolist()) if self.items else ()
        return DialogueSample(tuple(self.dialogues[i] for i in places.tolist()), self.groups, items)

    def shuffled(self, rng: np.random.Generator) -> DialogueSample:
        """Return the same dialogues with the texts of each role's turns in random order: what is said, incoherently."""
        made = []
        for dialogue in self.dialogues:
            turns = list(dialogue)
            for role in {said.role for said in dialogue}:
                places = [i for i, said in enumerate(dialogue) if said.role == role]
                for place, other in zip(places, rng.permutation(len(places)).tolist(), strict=True):
                    old = dialogue[place]
                    new = dialogue[places[other]]
                    turns[place] = Said(old.turn, role, new.text, new.act, new.slots)
            made.append(tuple(turns))
        return DialogueSample(tuple(made), self.groups, self.items)

    def __len__(self) -> int:
        return len(self.dialogues)


@dataclass(frozen=True)
class DialogueTrio:
    """Three samples of as many dialogues, and what stands behind them."""

    real: DialogueSample
    """The reference: held-out dialogues where there are such, else a half of the real ones"""
    again: DialogueSample
    """Other real dialogues; how far they are from `real` is the floor"""
    synthetic: DialogueSample
    training: DialogueSample
    """All real dialogues of REAL"""
    reference: str
    """What `real` is: "held out" or "halves of real" """
    sizes: dict[str, int]
    """Dialogues of each shop"""
    catalogue: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    """Title and price of SYNTH's items, by id"""
    policies: dict[str, object] = field(default_factory=dict)
    """What SYNTH says that its shop promises"""
    notes: list[str] = field(default_factory=list)
    """What one should know of the samples, in plain words"""

    @property
    def samples(self) -> tuple[DialogueSample, DialogueSample, DialogueSample]:
        """`real`, `again` and `synthetic`."""
        return self.real, self.again, self.synthetic

    def has(self, role: str) -> bool:
        """Whether all three samples have words of a role."""
        return all(
            any(said.role == role for d in sample.dialogues for said in d)
            for sample in self.samples
        )

    @property
    def roles(self) -> list[str]:
        """The roles of which all three samples have words."""
        return [role for role in (CUSTOMER, AGENT) if self.has(role)]


def has_dialogues(shop: Shop) -> bool:
    """Whether a shop has a dialogue."""
    return bool(shop.rows("dialogues"))


def gathered_dialogues(
    real: Shop, synthetic: Shop, holdout: Shop | None, groups: int, run: Run, most: int = MOST
) -> DialogueTrio:
    """Read the dialogues of the shops and draw the samples by the run's seed.

    Raises `InputError` where there are fewer than `FEWEST` of a kind.
    """
    whole, fake = _sample(real, groups, made=False), _sample(synthetic, groups, made=True)
    held = None
    if holdout is not None and has_dialogues(holdout):
        held = _sample(holdout, groups, made=False)
    size = min(len(fake), min(len(whole), len(held)) if held else len(whole) // 2, most)
    sizes = {"real": len(whole), "synthetic": len(fake)} | ({"holdout": len(held)} if held else {})
    if size < FEWEST:
        told = ", ".join(f"{number:,} {name}" for name, number in sizes.items())
        raise InputError(
            f"A comparison takes {FEWEST} dialogues of a kind or more, and without a holdout twice as many real ones. "
            f"There are {told}."
        )
    order = run.rng("compare", "real dialogues").permutation(len(whole))
    first = 0 if held else size
    drawn = whole.select(order[:size])
    if held:
        drawn = held.select(run.rng("compare", "held dialogues").permutation(len(held))[:size])
    made = run.rng("compare", "synthetic dialogues").permutation(len(fake))[:size]
    policies = synthetic.meta.get("policies")
    return DialogueTrio(
        real=drawn,
        again=whole.select(order[first : first + size]),
        synthetic=fake.select(made),
        training=whole,
        reference="held out" if held else "halves of real",
        sizes=sizes,
        catalogue=_catalogue(synthetic),
        policies=dict(policies) if isinstance(policies, dict) else {},
        notes=[] if held else [NOTE],
    )


def _catalogue(shop: Shop) -> dict[str, tuple[str, float | None]]:
    items = shop.table("items")
    empty = [None] * len(items)
    titles, prices = (
        items[c].to_list() if c in items.columns else empty for c in ("title", "price")
    )
    rows = zip(items["item_id"].to_list(), titles, prices, strict=True)
    return {item: (title or "", price) for item, title, price in rows}


def _sample(shop: Shop, groups: int, *, made: bool) -> DialogueSample:
    """The dialogues of a shop, of real rows or, where there are any, of those that were `made`."""
    if not has_dialogues(shop):
        return DialogueSample((), groups)
    rows = shop.table("dialogues")
    own = rows.filter((pl.col("origin") != REAL) if made else (pl.col("origin") == REAL))
    rows = (own if len(own) else rows).sort("dialogue_id", "turn")
    names = ("dialogue_id", "turn", "role", "text", "act", "intent", "slots", "item_id")
    cells = [rows[c].to_list() if c in rows.columns else [None] * len(rows) for c in names]
    held: dict[str, list[tuple[object, ...]]] = {}
    items: dict[str, str] = {}
    for row in zip(*cells, strict=True):
        held.setdefault(row[0], []).append(row)
        items.setdefault(row[0], row[7] or "")
    found = {name: _dialogue(own_rows) for name, own_rows in held.items()}
    kept = [name for name, dialogue in found.items() if dialogue]
    return DialogueSample(
        tuple(found[name] for name in kept), groups, tuple(items[name] for name in kept)
    )


def _dialogue(rows: Sequence[tuple[object, ...]]) -> Dialogue:
    texts = [str(row[3]) for row in rows if row[3]]
    language = language_of(texts)
    found = []
    for _, turn, role, text, act, intent, slots, _ in rows:
        if not text:
            continue
        told = str(act or (act_of_label(str(intent)) if intent else "") or "")
        if not told and role == CUSTOMER:
            told = act_of_words(str(text), language) or ""
        spans = tuple(
            (s["name"], s["value"], s["start"], s["end"])
            for s in slots or ()  # type: ignore[attr-defined]
        )
        found.append(Said(int(turn), str(role), str(text), told, spans))  # type: ignore[call-overload]
    return tuple(found)
