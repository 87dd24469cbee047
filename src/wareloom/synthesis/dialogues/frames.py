"""Dialogues as the rows of a shop's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from wareloom.shop.schema import SLOTS
from wareloom.synthesis.dialogues.spoken import Draft

COLUMNS: dict[str, Any] = {
    "dialogue_id": pl.String, "turn": pl.Int32, "role": pl.String, "text": pl.String, "intent": pl.String,
    "item_id": pl.String, "act": pl.String, "slots": SLOTS, "language": pl.String, "order_id": pl.String,
    "facts": pl.List(pl.String), "outcome": pl.String,
}  # fmt: skip


def frame_of(made: Sequence[Draft], origin: str, draw: str) -> pl.DataFrame:
    """Return the table dialogues of plans and their turns; ids carry the origin and the mark of the draw."""
    cells: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for number, (plan, turns, language) in enumerate(made):
        order = plan.world.order
        for place, turn in enumerate(turns):
            row = (
                f"{origin}/{number}-{draw}", place, turn.role, turn.text, turn.intent or None, order.item_id,
                turn.act, turn.slots or None, language, order.order_id, turn.facts or None, plan.outcome or None,
            )  # fmt: skip
            for name, value in zip(COLUMNS, row, strict=True):
                cells[name].append(value)
    frame = pl.DataFrame(cells, schema=COLUMNS)
    return frame.with_columns(origin=pl.lit(origin), weight=pl.lit(1.0))
