"""Cells of slots as they come from outside: lists of structs, or JSON of such, held to the text beside them."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from wareloom.shop.schema import SLOTS
from wareloom.shop.spans import Slot, fits

NOTHING = ("", "[]", "null", "none", "nan")
"""What JSON of no slots looks like, without capitals"""


def slot_cells(cells: pl.Series) -> pl.Series:
    """Read the slots of rows; `cells`: structs of slots and text. A cell of which one slot is wrong is null.

    Spans count in the text as it stands in the shop, without white space at its ends; a span that counts from before
    such white space is moved.
    """
    rows = zip(
        cells.struct.field("slots").to_list(), cells.struct.field("text").to_list(), strict=True
    )
    return pl.Series([_read(slots, text) for slots, text in rows], dtype=SLOTS)


def _read(cell: Any, text: Any) -> list[Slot] | None:
    if cell is None:
        return None
    if isinstance(cell, str):
        if cell.strip().lower() in NOTHING:
            return []
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    if not isinstance(cell, list):
        return None
    whole = "" if text is None else str(text)
    before = len(whole) - len(whole.lstrip())
    made = [_slot(one, whole.strip(), before) for one in cell]
    return None if None in made else [slot for slot in made if slot is not None]


def _slot(one: Any, text: str, before: int) -> Slot | None:
    if not isinstance(one, dict):
        return None
    start, end = one.get("start"), one.get("end")
    if not isinstance(start, int) or not isinstance(end, int) or isinstance(start, bool):
        return None
    slot = {
        "name": None if one.get("name") is None else str(one["name"]),
        "value": None if one.get("value") is None else str(one["value"]),
        "start": start,
        "end": end,
    }
    if fits(slot, text):
        return slot
    slot |= {"start": start - before, "end": end - before}
    return slot if before and fits(slot, text) else None
