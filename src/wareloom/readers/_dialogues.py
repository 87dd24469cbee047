"""What readers of dialogues share: the columns that they bring, and a catalogue without an item."""

from __future__ import annotations

from typing import Any

import polars as pl

from wareloom.readers._scan import TRACE
from wareloom.shop.schema import SLOTS

DIALOGUES: dict[str, Any] = {
    "dialogue_id": pl.String,
    "turn": pl.String,
    "role": pl.String,
    "text": pl.String,
    "intent": pl.String,
    "slots": SLOTS,
    TRACE[0]: pl.Int64,
    TRACE[1]: pl.String,
    TRACE[2]: pl.String,
}
"""Columns of a row of a dialogue, and where it stood"""


def no_items() -> pl.LazyFrame:
    """Return a catalogue without an item: dialogues alone are something to learn from."""
    return pl.LazyFrame(schema={"item_id": pl.String, "title": pl.String})
