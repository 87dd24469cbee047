"""Google Analytics 4: the BigQuery export as JSON lines or Parquet."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.door import BROKEN, FILE, ROW, guarded
from wareloom.readers import Intake, Reader
from wareloom.readers._joins import first_of_each
from wareloom.readers._json import as_lines
from wareloom.readers._scan import PARQUET, columns_of
from wareloom.readers._text import LONGEST_LINE, Piece, Text, known, pieces, start_of
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
    "ecommerce": pl.Struct({"transaction_id": pl.String}),
}
NEEDED = ("event_name", "event_timestamp", "user_pseudo_id")
NOTHING = ("", "(not set)", "(not provided)", "(data not available)")
"""How Google Analytics writes that there is nothing"""
PLACE = "_place"
SEARCHES = ("search", "view_search_results")


@dataclass(kw_only=True, eq=False)
class Ga4(Reader):
    """Google Analytics 4's BigQuery export as JSON lines (events_*.json) or Parquet.

    Events of the kinds that a shop knows are kept, one row for each of their items; other kinds are counted as
    skipped. A user is a user_pseudo_id, a session that and ga_session_id. Events with a search_term become searches.
    Items are those of the events. "(not set)" is nothing; of purchases under one transaction_id the first counts.
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
        """Whether a file's first line, or its Parquet columns, have event_name, event_timestamp and user_pseudo_id."""
        return any(_fits(piece) for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return items, events, and searches where there are any."""
        found = [p for p in pieces(source) if _fits(p)]
        if not found:
            raise SourceError(f"{source} holds no JSON lines or Parquet with {', '.join(NEEDED)}.")
        logs, kinds, bought = [], Counter[str](), []
        for place, piece in enumerate(found):
            one, names, purchases = self._log(piece, intake)
            logs.append(one.with_columns(pl.lit(place, pl.Int32).alias(PLACE)))
            kinds.update({name: n for name, n in names.iter_rows() if name is not None})
            bought.append(purchases.with_columns(pl.lit(place, pl.Int32).alias(PLACE)))
        log = _once(pl.concat(logs, how="diagonal"), pl.concat(bought), intake)
        kept = [*EVENTS, *SEARCHES]
        intake.skipped |= {
            f"event {name}": int(n) for name, n in sorted(kinds.items()) if name not in kept
        }
        broken = log.filter(pl.col(BROKEN).is_not_null()).select(ROW, FILE, BROKEN)
        log = log.filter(
            pl.col(BROKEN).is_null()
            & (pl.col("event_name").is_null() | pl.col("event_name").is_in(kept))
        )
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
        words = ("item_id", "item_name", "item_brand", *LEVELS)
        rows = rows.with_columns(_said(pl.col(word)).alias(word) for word in words)
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
            * pl.col("quantity").cast(pl.Float64, strict=False).fill_null(1)
        )
        events = pl.concat([events.drop("price"), broken], how="diagonal")
        tables = {"events": events, "items": _items(rows)}
        if any(name in kinds for name in SEARCHES):
            tables["searches"] = searched.select(*base, "search_id", "query")
        return tables

    def _log(self, piece: Piece, intake: Intake) -> tuple[pl.LazyFrame, pl.DataFrame, pl.DataFrame]:
        """The events of a file, how many there are of each kind, and the purchases with their transactions."""
        if piece.name.lower().endswith(PARQUET):
            frame = _log_of(_typed(intake.parquet(piece)), piece.name)
            with guarded(piece.name):
                return frame, *_told(frame)
        listed = start_of(piece, self.encoding).lstrip()[:1] == "["
        text = intake.text(
            piece, encoding=self.encoding, longest=sys.maxsize if listed else LONGEST_LINE
        )
        if listed:
            text = as_lines(text, intake.folder)
        frame = _log_of(_scanned(text.path), piece.name)
        try:
            return frame, *_told(frame)
        except pl.exceptions.PolarsError:
            frame = _log_of(_mended(text, intake), piece.name)
        with guarded(piece.name):
            return frame, *_told(frame)


def _log_of(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Rows of the export as events with their items still together."""
    if BROKEN not in frame.collect_schema():
        frame = frame.with_columns(pl.lit(None, pl.String).alias(BROKEN))
    session = pl.concat_str("user_pseudo_id", _param("ga_session_id", "int_value"), separator=".")
    return frame.select(
        pl.col(ROW).cast(pl.Int64),
        pl.lit(name).alias(FILE),
        BROKEN,
        "event_name",
        "items",
        user_id="user_pseudo_id",
        session_id=session,
        time="event_timestamp",
        query=_param("search_term", "string_value"),
        transaction=_said(
            pl.coalesce(
                pl.col("ecommerce").struct.field("transaction_id"),
                _param("transaction_id", "string_value"),
            )
        ),
    )


def _told(log: pl.LazyFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Kinds of events with their numbers, and purchases with their transactions, in one pass."""
    bought = (pl.col("event_name") == "purchase") & pl.col("transaction").is_not_null()
    kinds, purchases = pl.collect_all(
        [
            log.group_by("event_name").len(),
            log.filter(bought).select(ROW, "transaction"),
        ]
    )
    return kinds, purchases


def _mended(text: Text, intake: Intake) -> pl.LazyFrame:
    """Events of JSON lines some of which are no objects: those have a defect and nothing else."""
    mended = intake.folder / f"{len(list(intake.folder.iterdir())):04d}-mended-{text.name}"
    wrong: dict[int, str] = {}
    with text.path.open(encoding="utf-8") as file, mended.open("w", encoding="utf-8") as out:
        for number, line in enumerate((line for line in file if line.strip()), start=1):
            try:
                good, why = isinstance(json.loads(line), dict), "no JSON object"
            except (ValueError, RecursionError) as error:
                good, why = False, f"no JSON object ({error})"
            if not good:
                wrong[number] = why
            out.write(line if good else "{}\n")
    frame = _scanned(mended)
    row = pl.col(ROW).cast(pl.Int64)
    return frame.with_columns(
        row.replace_strict(wrong, default=None, return_dtype=pl.String).alias(BROKEN)
    )


def _scanned(path: Path) -> pl.LazyFrame:
    # Without the list the path would be a pattern.
    return pl.scan_ndjson([path], schema=SCHEMA, row_index_name=ROW, row_index_offset=1)


def _typed(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Columns of a Parquet file as `SCHEMA` has them; what the file lacks is null."""
    there = frame.collect_schema()
    made = [
        _as(pl.col(n), there[n], t) if n in there else pl.lit(None, t) for n, t in SCHEMA.items()
    ]
    return frame.select(ROW, *(cells.alias(n) for cells, n in zip(made, SCHEMA, strict=True)))


def _as(cells: pl.Expr, have: Any, want: Any) -> pl.Expr:
    """Nested cells as the type that is wanted, field by field."""
    if isinstance(want, pl.List) and isinstance(have, pl.List):
        return cells.list.eval(_as(pl.element(), have.inner, want.inner))
    if isinstance(want, pl.Struct) and isinstance(have, pl.Struct):
        fields = {f.name: f.dtype for f in have.fields}
        parts = [
            (
                _as(cells.struct.field(f.name), fields[f.name], f.dtype)
                if f.name in fields
                else pl.lit(None, f.dtype)
            ).alias(f.name)
            for f in want.fields
        ]
        return pl.struct(parts)
    return pl.lit(None, want) if have.is_nested() or want.is_nested() else cells.cast(want)


def _once(log: pl.LazyFrame, bought: pl.DataFrame, intake: Intake) -> pl.LazyFrame:
    """The log without purchases that were sent again under one transaction_id."""
    again = bought.sort(PLACE, ROW).filter(~pl.col("transaction").is_first_distinct())
    if again.is_empty():
        return log
    intake.skipped["purchases sent again under one transaction_id"] = len(again)
    return log.join(
        again.select(PLACE, ROW).lazy(), on=[PLACE, ROW], how="anti", maintain_order="left"
    )


def _said(cells: pl.Expr) -> pl.Expr:
    """Cells without the words for nothing."""
    text = cells.str.strip_chars()
    return pl.when(~text.is_in(NOTHING)).then(cells)


def _param(key: str, kind: str) -> pl.Expr:
    """The value of one of an event's parameters, null where it has none."""
    field = pl.element().struct
    wanted = pl.col("event_params").list.eval(
        field.field("value").struct.field(kind).filter(field.field("key") == key)
    )
    return wanted.list.first()


def _items(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The items of the events: of each the first of what is said of it."""
    made = rows.select(
        "item_id",
        "price",
        title="item_name",
        brand="item_brand",
        category=pl.when(pl.any_horizontal(pl.col(LEVELS).is_not_null())).then(
            pl.concat_list(LEVELS).list.drop_nulls()
        ),
    )
    return first_of_each(made, "item_id")


def _fits(piece: Piece) -> bool:
    if piece.name.lower().endswith(PARQUET):
        return not piece.packed and set(NEEDED) <= columns_of(piece.path)
    start = start_of(piece)
    # A first line that is broken is no reason to call the file something else; an array may have many lines.
    lines = [start] if start.lstrip()[:1] == "[" else start.split("\n")[:3]
    return any(all(f'"{name}"' in line for name in NEEDED) for line in lines)
