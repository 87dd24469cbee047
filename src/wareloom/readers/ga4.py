"""Google Analytics 4: the BigQuery export as JSON lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.door import FILE, ROW, guarded
from wareloom.readers import Intake, Reader
from wareloom.readers._text import Piece, first_line, known, pieces
from wareloom.shop.schema import EVENTS

LEVELS = ("item_category", "item_category2", "item_category3", "item_category4", "item_category5")
ITEM = ("item_id", "item_name", "item_brand", "price", "quantity", "item_list_index", *LEVELS)
VALUE = pl.Struct({"string_value": pl.String, "int_value": pl.String})
SCHEMA: dict[str, Any] = {
    "event_name": pl.String,
    "event_timestamp": pl.String,
    "user_pseudo_id": pl.String,
    "event_params": pl.List(pl.Struct({"key": pl.String, "value": VALUE})),
    "items": pl.List(pl.Struct(dict.fromkeys(ITEM, pl.String))),
}
SEARCHES = ("search", "view_search_results")


@dataclass(kw_only=True, eq=False)
class Ga4(Reader):
    """Google Analytics 4's BigQuery export as JSON lines (events_*.json).

    Events of the kinds that a shop knows are kept, one row for each of their items; other kinds are counted as
    skipped. A user is a
    user_pseudo_id, a session that and ga_session_id. Events with a search_term become searches. Items are those of
    the events.
    """

    example: ClassVar[dict[str, str]] = {
        "events_20210101.json": (
            '{"event_name": "purchase", "event_timestamp": "1609459200000000", '
            '"user_pseudo_id": "P", "event_params": [], "items": [{"item_id": "G1", '
            '"item_name": "Mug", "price": 9.5, "quantity": "2"}]}\n'
        ),
    }

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file's first line has event_name, event_timestamp and user_pseudo_id."""
        return any(_fits(piece) for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return items, events, and searches where there are any."""
        found = [p for p in pieces(source) if _fits(p)]
        if not found:
            raise SourceError(
                f"{source} holds no JSON lines with event_name, event_timestamp and user_pseudo_id."
            )
        log = pl.concat([self._log(piece, intake) for piece in found])
        with guarded(source):
            kinds = dict(log.group_by("event_name").len().sort("event_name").collect().iter_rows())
        kept = [*EVENTS, *SEARCHES]
        intake.skipped |= {
            f"event {name}": int(n)
            for name, n in kinds.items()
            if name not in kept and name is not None
        }
        log = log.filter(pl.col("event_name").is_null() | pl.col("event_name").is_in(kept))
        is_search = pl.col("event_name").is_in(SEARCHES)
        number = pl.concat_str(
            pl.lit("s"), pl.col(FILE).str.extract(r"(\d+)").fill_null(""), pl.lit("."), pl.col(ROW)
        )
        log = log.with_columns(
            search_id=pl.when(is_search & pl.col("query").is_not_null()).then(number)
        )
        searched = log.filter(is_search & pl.col("query").is_not_null())
        base = [ROW, FILE, "user_id", "session_id", "time"]
        rows = log.explode("items", empty_as_null=True).unnest("items")
        event = pl.when(is_search).then(pl.lit("search")).otherwise("event_name")
        events = rows.select(
            *base,
            "item_id",
            "quantity",
            "price",
            "search_id",
            event=event,
            position="item_list_index",
        ).with_columns(
            value=pl.col("price").cast(pl.Float64, strict=False)
            * pl.col("quantity").cast(pl.Float64, strict=False)
        )
        tables = {"events": events.drop("price"), "items": _items(rows)}
        if any(name in kinds for name in SEARCHES):
            tables["searches"] = searched.select(*base, "search_id", "query")
        return tables

    def _log(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        text = intake.text(piece, encoding=self.encoding)
        frame = pl.scan_ndjson(text.path, schema=SCHEMA, row_index_name=ROW, row_index_offset=1)
        session = pl.concat_str(
            "user_pseudo_id", _param("ga_session_id", "int_value"), separator="."
        )
        return frame.select(
            pl.col(ROW).cast(pl.Int64),
            pl.lit(piece.name).alias(FILE),
            "event_name",
            "items",
            user_id="user_pseudo_id",
            session_id=session,
            time="event_timestamp",
            query=_param("search_term", "string_value"),
        )


def _param(key: str, kind: str) -> pl.Expr:
    """The value of one of an event's parameters, null where it has none."""
    field = pl.element().struct
    wanted = pl.col("event_params").list.eval(
        field.field("value").struct.field(kind).filter(field.field("key") == key)
    )
    return wanted.list.first()


def _items(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The items of the events, each as it was seen first."""
    good = rows.filter(pl.col("item_id").is_not_null()).unique(
        "item_id", keep="first", maintain_order=True
    )
    return good.select(
        "item_id",
        "price",
        title="item_name",
        brand="item_brand",
        category=pl.concat_list(LEVELS).list.drop_nulls(),
    )


def _fits(piece: Piece) -> bool:
    line = first_line(piece)
    return all(f'"{name}"' in line for name in ("event_name", "event_timestamp", "user_pseudo_id"))
