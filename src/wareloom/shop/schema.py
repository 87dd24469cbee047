"""What a shop's tables hold: columns, types, keys, foreign keys and what a value may be.

Times are naive and mean UTC, to the microsecond. Every row also carries `origin` ("real", or synthesizer@version) and
`weight` (1 unless said). A table stores only the columns its source knows; a column that is absent is unknown
throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from wareloom.errors import SchemaError

VERSION = 1
TIME = pl.Datetime("us")
MAP = pl.List(pl.Struct({"name": pl.String, "value": pl.String}))
"""A map from name to value, in the order of the source (Parquet's own layout of a map)."""
SLOTS = pl.List(
    pl.Struct({"name": pl.String, "value": pl.String, "start": pl.Int32, "end": pl.Int32})
)
"""Parts of a text that say something, such as an order's number: `value` is the text from `start` up to and without
`end`, both counted in characters from 0."""

REAL = "real"
PROVENANCE: dict[str, Any] = {"origin": pl.String(), "weight": pl.Float32()}

CATALOGUE = ("items", "images")
"""The tables that say what is sold; all others say what people did"""

IMPRESSION = "view_item_list"
EVENTS = (
    IMPRESSION,
    "select_item",
    "view_item",
    "add_to_wishlist",
    "add_to_cart",
    "begin_checkout",
    "purchase",
    "search",
)
"""The kinds of event, by their Google Analytics 4 names, in the order of the funnel ("search" stands apart)."""
CUSTOMER, AGENT = "customer", "agent"
"""The roles of dialogues. A turn of an agent that nobody saw has no text: it is unknown, not empty."""
INTERACTIONS = (
    "select_item",
    "view_item",
    "add_to_wishlist",
    "add_to_cart",
    "begin_checkout",
    "purchase",
)
"""The kinds that say that somebody chose an item."""


PURPOSES = ("product", "training")
"""What a picture is for: to show a product, or for training alone; a real one, which says nothing, shows a product."""


@dataclass(frozen=True)
class Column:
    """One column: its type, and whether a row without it is rejected."""

    dtype: Any
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    """Values outside [minimum, maximum] are impossible and are rejected."""
    values: tuple[str, ...] = ()
    """Where not empty, the only values there are."""
    unless: tuple[str, str] | None = None
    """Another column and its value, (column, value): a row that has it may lack this one, though it is required."""


@dataclass(frozen=True)
class Table:
    """One table: its columns, its key (unique), and which columns point to which other table's key."""

    columns: dict[str, Column]
    key: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str], ...] = ()
    """Pairs (column, table): the column's values are keys of that table, where that table is given."""
    any_of: tuple[str, ...] = ()
    """A row must fill at least one of these."""

    def dtypes(self) -> dict[str, Any]:
        """Type by column, provenance included."""
        return {name: column.dtype for name, column in self.columns.items()} | PROVENANCE


_ID = Column(pl.String())
_KEY = Column(pl.String(), required=True)

TABLES: dict[str, Table] = {
    "items": Table(
        {
            "item_id": _KEY,
            "title": Column(pl.String()),
            "description": Column(pl.String()),
            "category": Column(pl.List(pl.String)),
            "brand": Column(pl.String()),
            "price": Column(pl.Float64(), minimum=0.0),
            "attributes": Column(MAP),
            "image": Column(pl.String()),
            "launched_at": Column(TIME),
        },
        key=("item_id",),
    ),
    "users": Table({"user_id": _KEY, "attributes": Column(MAP)}, key=("user_id",)),
    "events": Table(
        {
            "user_id": _ID,
            "session_id": _ID,
            "item_id": _ID,
            "event": Column(pl.String(), required=True, values=EVENTS),
            "time": Column(TIME),
            "position": Column(pl.Int32(), minimum=0),
            "quantity": Column(pl.Float64()),
            "value": Column(pl.Float64()),
            "rating": Column(pl.Float64()),
            "propensity": Column(pl.Float64(), minimum=0.0, maximum=1.0),
            "search_id": _ID,
            "context": Column(MAP),
            "since": Column(pl.Float32(), minimum=0.0, maximum=1.0),
            "until": Column(pl.Float32(), minimum=0.0, maximum=1.0),
        },
        foreign=(("item_id", "items"), ("user_id", "users"), ("search_id", "searches")),
        any_of=("user_id", "session_id"),
    ),
    "searches": Table(
        {
            "search_id": _KEY,
            "user_id": _ID,
            "session_id": _ID,
            "query": Column(pl.String(), required=True),
            "time": Column(TIME),
            "results": Column(pl.List(pl.String)),
        },
        key=("search_id",),
        foreign=(("user_id", "users"),),
    ),
    "judgments": Table(
        {
            "query": Column(pl.String(), required=True),
            "item_id": _KEY,
            "grade": Column(pl.Float64(), required=True, minimum=0.0, maximum=3.0),
            "source": Column(pl.String()),
        },
        foreign=(("item_id", "items"),),
    ),
    "dialogues": Table(
        {
            "dialogue_id": _KEY,
            "turn": Column(pl.Int32(), required=True, minimum=0),
            "role": Column(pl.String(), required=True),
            "text": Column(pl.String(), required=True, unless=("role", AGENT)),
            "intent": Column(pl.String()),
            "item_id": _ID,
            "act": Column(pl.String()),
            "slots": Column(SLOTS),
            "language": Column(pl.String()),
            "order_id": _ID,
            "facts": Column(pl.List(pl.String)),
            "outcome": Column(pl.String()),
        },
        key=("dialogue_id", "turn"),
        foreign=(("item_id", "items"),),
    ),
    "images": Table(
        {
            "item_id": _KEY,
            "image_id": _ID,
            "image": Column(pl.Binary(), required=True),
            "mixed_item_id": _ID,
            "mixed_weight": Column(pl.Float32(), minimum=0.0, maximum=1.0),
            "purpose": Column(pl.String(), values=PURPOSES),
        },
        foreign=(("item_id", "items"), ("mixed_item_id", "items")),
    ),
    "soft_labels": Table(
        {
            "user_id": _ID,
            "session_id": _ID,
            "place": Column(pl.Int32(), required=True, minimum=0),
            "item_id": _KEY,
        },
        foreign=(("item_id", "items"),),
        any_of=("user_id", "session_id"),
    ),
}
"""Soft labels are items that could have stood at a place of a user's log (0 is the first event) instead of the item
that did, each with its weight: what a ranker is taught beside the events, never a part of a history.

What a picture shows is its item's category; one that was mixed of two has `mixed_weight` of the other item's."""


def conform(name: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Cast `frame` to the types of table `name`, put its columns in order and add provenance where it lacks it.

    For frames that Wareloom made itself; what comes from outside goes through `wareloom.preparing.door`.
    """
    types = TABLES[name].dtypes()
    present = frame.collect_schema().names()
    if unknown := [column for column in present if column not in types]:
        raise SchemaError(
            f"The table {name!r} has no column {unknown[0]!r}; it may have {', '.join(types)}."
        )
    missing = [
        pl.lit(value, dtype=types[key]).alias(key)
        for key, value in (("origin", REAL), ("weight", 1.0))
        if key not in present
    ]
    return frame.with_columns(missing).select(
        pl.col(c).cast(t) for c, t in types.items() if c in present or c in PROVENANCE
    )
