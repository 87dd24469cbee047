"""Are the facts that agents say right?"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from wareloom.core.run import Run
from wareloom.metrics.likeness.dialogues.measure import DialogueMeasure
from wareloom.metrics.likeness.dialogues.samples import Dialogue, DialogueTrio, Said
from wareloom.metrics.likeness.measure import Figure, wilson
from wareloom.shop.schema import AGENT

FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
STATES = {
    "placed": 0, "已下单": 0, "paid": 1, "已付款": 1, "shipped": 2, "已发货": 2, "delivered": 3, "已签收": 3,
    "returned": 4, "已退货": 4, "cancelled": 5, "已取消": 5,
}  # fmt: skip
AFTER = {0: {0, 1, 2, 3, 4, 5}, 1: {1, 2, 3, 4, 5}, 2: {2, 3, 4}, 3: {3, 4}, 4: {4}, 5: {5}}
"""States that can come after a state"""
CHANGES = ("order.state", "order.city", "order.quantity", "order.total", "ticket.id")
"""Facts that an agent's own doing changes"""
OFFERS = {"order.city": "said.new_city", "order.quantity": "said.new_quantity"}
"""By what is done, what was offered before: once it is done, something else may be offered"""


@dataclass(kw_only=True, eq=False)
class DialogueFacts(DialogueMeasure):
    """Share of synthetic agents' turns with a fact that is wrong, by machine, from the sample alone.

    Wrong is a number that is part of no slot; a price or product that is not the catalogue's; a policy that is not the
    sample's (`policies` in its `shop.json`); a fact that changed within the dialogue, or an offer that was not taken
    up; a state that cannot follow the one before. The floor is 0: real agents' turns have no slots to be held to.
    Interval: Wilson's. A sentence that is wrong without a number or a slot is not found.
    """

    def compare(self, trio: DialogueTrio, run: Run | None = None) -> list[Figure] | str:
        run, sample = run or Run(), trio.synthetic
        turns = [s for d in sample.dialogues for s in d if s.role == AGENT]
        if not any(said.slots for said in turns):
            return "no agent of SYNTH says a fact: its slots are empty"
        wrong = [flag for place in range(len(sample)) for flag in self._wrong(trio, place)]
        low, high = wilson(sum(wrong), len(wrong))
        return [
            Figure(
                name=self.name,
                value=float(np.mean(wrong)),
                low=low,
                high=high,
                floor=0.0,
                floor_low=0.0,
                floor_high=0.0,
                unit=self.unit,
                about={"turns": len(wrong), "wrong": sum(wrong)},
            )
        ]

    def _wrong(self, trio: DialogueTrio, place: int) -> list[bool]:
        sample = trio.synthetic
        title, price = (
            trio.catalogue.get(sample.items[place], ("", None)) if sample.items else ("", None)
        )
        return wrong_turns(sample.dialogues[place], title, price, trio.policies)


def wrong_turns(
    dialogue: Dialogue, title: str, price: float | None, policies: dict[str, object]
) -> list[bool]:
    """Return for each agent's turn whether a fact of it is wrong."""
    known: dict[str, str] = {}
    state, found = -1, []
    for said in dialogue:
        if said.role != AGENT:
            continue
        bad = _loose(said)
        for name, value, _, _ in said.slots:
            if name == "order.state":
                now = STATES.get(value, -1)
                bad |= now < 0 or (state >= 0 and now not in AFTER[state])
                state = now
            elif name == "item.title":
                bad |= not " ".join(title.split()).startswith(value)
            elif name == "item.price":
                bad |= price is None or not _is(value, price)
            elif name.startswith("policy."):
                bad |= not _promised(name.removeprefix("policy."), value, policies)
            elif name in OFFERS and known.get(OFFERS[name]) == value:
                del known[OFFERS[name]]
            elif name not in CHANGES:
                bad |= known.setdefault(name, value) != value
        found.append(bad)
    return found


def _loose(said: Said) -> bool:
    """Whether a figure stands in no slot."""
    spans = [(start, end) for _, _, start, end in said.slots]
    return any(
        not any(start <= m.start() and m.end() <= end for start, end in spans)
        for m in FIGURE.finditer(said.text)
    )


def _is(value: str, number: float) -> bool:
    figures = FIGURE.findall(value)
    return len(figures) == 1 and abs(float(figures[0].replace(",", "")) - number) < 0.005


def _promised(name: str, value: str, policies: dict[str, object]) -> bool:
    """Whether a policy is the sample's; where the sample names none, nothing can be said against it."""
    if not policies:
        return True
    held = policies.get(name)
    if isinstance(held, list):
        others = policies.get(f"{name}_zh")
        said = [", ".join(map(str, held))]
        said += ["、".join(map(str, others))] if isinstance(others, list) else []
        return value in said
    if isinstance(held, int | float):
        return _is(value, float(held))
    return value == held
