"""From a source's columns to a table's: names, event names, grades, maps. Shared by readers whose columns are not
fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from wareloom.errors import SchemaError, SettingError, near
from wareloom.preparing.door import ITEM, ROW, UNIT_PRICE, guarded
from wareloom.readers import Intake
from wareloom.readers._map import Entry
from wareloom.readers._names import EVENT_NAMES, LATER, USUAL, of_items, plain, recognise, table_of
from wareloom.readers._scan import TRACE, flat, pairs, trace
from wareloom.shop.schema import EVENTS, TABLES

EXTRAS = {"items": "attributes", "users": "attributes", "events": "context"}


def shaped(
    frame: pl.LazyFrame, name: str, entry: Entry | None, *, event: str, intake: Intake
) -> tuple[str, pl.LazyFrame] | None:
    """Return (table, frame with the schema's columns) for a file called `name`; None where no table is recognised.

    What `entry` says goes before usual names. Columns that are not used are noted in `intake`.
    """
    schema = frame.collect_schema()
    columns = [c for c in schema.names() if c not in TRACE]
    table = entry.table if entry else table_of(name, columns)
    if table is None or (table not in USUAL and entry is None):
        intake.not_recognised[name] = columns
        return None
    found = recognise(table, columns) if table in USUAL else {}
    if entry:
        _check_there(name, [*entry.columns.values(), *entry.extra], columns)
        mapped = set(entry.columns.values()) | set(entry.extra)
        found = {
            k: v for k, v in found.items() if v not in mapped and k not in entry.constants
        } | entry.columns
    _check_required(table, name, found, entry, columns)
    rest = [c for c in columns if c not in found.values()]
    later = [
        c
        for c in rest
        if table == "items" and plain(c) in LATER and not (entry and c in entry.extra)
    ]
    rest = [c for c in rest if c not in later]
    extra = (
        list(entry.extra) if entry and entry.extra else rest if table in ("items", "users") else []
    )
    if later:
        intake.left_out[name] = later
    about: dict[str, str] = {}
    told = set(found) | set(entry.constants if entry else ())
    if table == "events":
        about = {k: c for k, c in of_items(rest).items() if c not in extra}
        if about:
            intake.items_from_log[name] = about
        if "price" in about and "value" not in told:
            intake.value_from[name] = " × ".join(
                [about["price"], *([found["quantity"]] if "quantity" in found else [])]
            )
    if left := [c for c in rest if c not in extra and c not in about.values()]:
        intake.not_recognised[name] = left
    made = [_cells("items", k, c, schema[c]).alias(ITEM + k) for k, c in about.items()]
    if name in intake.value_from:
        made.append(pl.col(about["price"]).alias(UNIT_PRICE))
    made += [
        _cells(table, canonical, source, schema[source]) for canonical, source in found.items()
    ]
    made += [
        pl.lit(value).alias(canonical)
        for canonical, value in (entry.constants if entry else {}).items()
    ]
    if extra and table in EXTRAS:
        made.append(pairs(extra).alias(EXTRAS[table]))
    out = flat(frame, [*extra, *about.values()]).select(*made, *trace(frame))
    return table, _completed(table, out, event, entry.events if entry else {})


def _cells(table: str, canonical: str, source: str, dtype: pl.DataType) -> pl.Expr:
    """A column's cells: category codes are split at their dots."""
    cells = pl.col(source)
    if dtype == pl.String and canonical == "category" and plain(source) == "categorycode":
        cells = cells.str.replace_all(".", ">", literal=True)
    return cells.alias(canonical)


def joined(frames: Mapping[str, list[pl.LazyFrame]], intake: Intake) -> dict[str, pl.LazyFrame]:
    """Join the frames of each table one after the other.

    Where there is a table of items, what the log says of them is not used, and noted as not recognised.
    """
    tables = {table: pl.concat(found, how="diagonal_relaxed") for table, found in frames.items()}
    if "items" in tables:
        for name, about in intake.items_from_log.items():
            used = intake.value_from.get(name, "").partition(" × ")[0]
            left = [*intake.not_recognised.get(name, []), *(c for c in about.values() if c != used)]
            if left:
                intake.not_recognised[name] = left
        intake.items_from_log.clear()
    return tables


def _completed(
    table: str, frame: pl.LazyFrame, event: str, names: Mapping[str, str]
) -> pl.LazyFrame:
    """Give events their names and searches their ids."""
    there = frame.collect_schema().names()
    if table == "events":
        if "event" not in there:
            return frame.with_columns(pl.lit(event).alias("event"))
        return frame.with_columns(event_names(pl.col("event"), names).fill_null(event))
    if table == "searches" and "search_id" not in there:
        number = (
            pl.col(ROW).cast(pl.String)
            if ROW in there
            else pl.int_range(1, pl.len() + 1).cast(pl.String)
        )
        return frame.with_columns(("s" + number).alias("search_id"))
    return frame


def event_names(column: pl.Expr, names: Mapping[str, str] | None = None) -> pl.Expr:
    """Events by the schema's names; a name that is not known stays, and the door refuses it."""
    text = column.cast(pl.String).str.strip_chars()
    text = pl.when(text != "").then(text)
    told = _renamed(text, {name: name for name in EVENTS} | dict(names or {}))
    usual = _renamed(text.str.to_lowercase().str.replace_all(r"[\W_]+", ""), EVENT_NAMES)
    return pl.coalesce(told, usual, text)


def _renamed(text: pl.Expr, names: Mapping[str, str]) -> pl.Expr:
    """Rename values, null where there is no name; batch by batch, since the expression alone would not stream."""

    def rename(batch: pl.Series) -> pl.Series:
        return batch.replace_strict(dict(names), default=None, return_dtype=pl.String)

    return text.map_batches(rename, return_dtype=pl.String, is_elementwise=True)


def _check_there(name: str, wanted: Sequence[str], columns: list[str]) -> None:
    for column in wanted:
        if column not in columns:
            raise SchemaError(
                f"{name} lacks the column {column!r} that the map names.{near(column, columns)} "
                f"It has: {', '.join(columns)}."
            )


def _check_required(
    table: str, name: str, found: Mapping[str, str], entry: Entry | None, columns: list[str]
) -> None:
    """Raise `SchemaError` where a column without which the table is nothing was not found."""
    have = set(found) | set(entry.constants if entry else ())
    rules = TABLES[table]
    given = {"event", "search_id"}
    missing = [
        c for c, rule in rules.columns.items() if rule.required and c not in have and c not in given
    ]
    if table == "events" and "item_id" not in have:
        missing.append("item_id")
    if rules.any_of and not have & set(rules.any_of):
        missing.append(rules.any_of[0])
    for column in missing:
        looked = [column, *USUAL.get(table, {}).get(column, "").split()]
        close = near(column, columns) or next(
            (n for n in (near(word, columns) for word in looked) if n), ""
        )
        raise SchemaError(
            f"{name}, taken for {table}, lacks the column {column!r}. Looked for: {', '.join(looked)}. "
            f"It has: {', '.join(columns)}."
            f"{close} Name it in a map file: --set map=MAP.toml."
        )


def graded(frame: pl.LazyFrame, scale: str) -> pl.LazyFrame:
    """Map the column grade linearly from `scale` ("lo:hi"; found from the data where empty) to 0–3."""
    number = pl.col("grade").cast(pl.Float64, strict=False)
    if scale:
        low, mark, high = scale.partition(":")
        try:
            lo, hi = float(low), float(high)
        except ValueError:
            lo = hi = 0.0
        if not mark or not hi > lo:
            raise SettingError(
                f"grade_scale={scale!r} is not of the form lo:hi, for example --set grade_scale=1:5."
            )
    else:
        with guarded("the judgments"):
            finite = frame.select(number.filter(number.is_finite()).alias("grade"))
            lo, hi = (
                finite.select(pl.col("grade").min().alias("lo"), pl.col("grade").max().alias("hi"))
                .collect()
                .row(0)
            )
        if lo is None or hi <= lo:
            raise SchemaError(
                f"All grades are {lo}: their scale cannot be found. Say it, for example --set grade_scale=0:3."
            )
    mapped = (number - lo) / (hi - lo) * 3.0
    text = (
        pl.when(number.is_finite())
        .then(mapped.cast(pl.String))
        .otherwise(pl.col("grade").cast(pl.String))
    )
    return frame.with_columns(text.alias("grade"))
