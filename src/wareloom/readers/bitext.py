"""Bitext's customer-service utterances: one utterance a row, with its intent and at most one entity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from wareloom.readers import Intake
from wareloom.readers._dialogues import TurnsByLine
from wareloom.readers._scan import TRACE
from wareloom.readers._text import Piece
from wareloom.shop.schema import CUSTOMER
from wareloom.shop.spans import Slot

HEAD = ("utterance", "intent", "entity_type", "entity_value", "start_offset", "end_offset")
BESIDE = ("category", "tags")


@dataclass(kw_only=True, eq=False)
class Bitext(TurnsByLine):
    """Bitext's utterances: utterance, intent, entity_type, entity_value, start_offset, end_offset; written, not logged.

    Each utterance is a dialogue of one turn, the customer's. Its entity is a slot whose value is as the text has it
    (the source writes "Platinum" for "platinum"); an entity whose span says something else is left out, and counted.
    """

    example: ClassVar[dict[str, str]] = {
        "bitext.csv": (
            ",".join((*HEAD, *BESIDE))
            + "\ncancel order 77,cancel_order,order_id,77,13,15,ORDER,B\n"
            "pay by card,check_payment_methods,,,,,PAYMENT,B\n"
        ),
    }

    head = HEAD

    def _turns(self, rows: pl.DataFrame, piece: Piece, intake: Intake) -> list[tuple[Any, ...]]:
        found, lost = list[tuple[Any, ...]](), 0
        stem = piece.name.rpartition(".")[0]
        for row in rows.iter_rows(named=True):
            place = tuple(row[name] for name in TRACE)
            slot = _slot(row)
            lost += bool(row["entity_type"]) and slot is None
            name = f"{stem}-{place[0]}"
            told = (name, "0", CUSTOMER, row["utterance"], row["intent"], slot and [slot])
            found.append((*told, *place))
        if lost:
            intake.say(
                f"{piece.name}: {lost:,} entities are not what stands at their offsets, and were left out."
            )
        return found


def _slot(row: dict[str, Any]) -> Slot | None:
    """The entity of a row as a slot; None where there is none at its offsets."""
    text, name = row["utterance"] or "", row["entity_type"]
    try:
        start, end = int(row["start_offset"]), int(row["end_offset"])
    except (TypeError, ValueError):
        return None
    value = text[start:end] if 0 <= start < end else ""
    if not name or not value or value.casefold() != (row["entity_value"] or "").casefold():
        return None
    return {"name": name, "value": value, "start": start, "end": end}
