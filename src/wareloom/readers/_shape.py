"""From a source's columns to a table's: names, event names, grades, maps. Shared by readers whose columns are not
fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import polars as pl

from wareloom.errors import SchemaError, near
from wareloom.preparing.door import ITEM, ROW, UNIT_PRICE
from wareloom.preparing.nothing import EMPTY
from wareloom.preparing.values import LIST
from wareloom.readers import Intake
from wareloom.readers._cells import is_email, path_of_list, who
from wareloom.readers._header import UNNAMED
from wareloom.readers._lines import Lines
from wareloom.readers._map import Entry
from wareloom.readers._names import (
    ANONYMOUS,
    EVENT_NAMES,
    LATER,
    USUAL,
    of_items,
    plain,
    recognise,
    table_of,
)
from wareloom.readers._near import NEARBY, fitting, suggest
from wareloom.readers._nested import reached
from wareloom.readers._products import variants
from wareloom.readers._rows import by_day, chosen, spread
from wareloom.readers._scan import TRACE, flat, pairs, trace
from wareloom.readers._talk import talks
from wareloom.shop.schema import EVENTS, TABLES

EXTRAS = {"items": "attributes", "users": "attributes", "events": "context"}
IDS = ("user_id", "session_id", "item_id", "search_id")
PATHS = (
    ("department", "aisle"),
    ("department", "commoditydesc", "subcommoditydesc"),
    ("category1", "category2", "category3"),
    ("category1", "category2"),
    ("maincategory", "subcategory"),
)
"""Columns that are the levels of one category, the widest first"""
CLICKED = ("clicked", "点击")
"""How the name of a column begins whose items were clicked"""


def shaped(
    frame: pl.LazyFrame,
    name: str,
    entry: Entry | None,
    *,
    event: str,
    intake: Intake,
    alone: bool = True,
) -> tuple[str, pl.LazyFrame] | None:
    """Return (table, frame with the schema's columns) for a file called `name`; None where no table is recognised.

    What `entry` says goes before usual names; where the file is not this table `alone`, only what it names becomes an
    attribute. Columns that are not used are noted in `intake`.
    """
    if entry:
        frame = chosen(reached(frame, entry, name), entry, name, intake)
    columns = [c for c in frame.collect_schema().names() if c not in TRACE]
    table = entry.table if entry else table_of(name, columns)
    if table is None or (table not in USUAL and entry is None):
        intake.not_recognised[name] = columns
        return None
    found = _found(table, columns, entry, name, intake.logged)
    if table == "dialogues":
        frame, found = talks(frame, found, columns, name, intake)
    told = set(found) | set(entry.constants if entry else ())
    used: set[str] = set()
    if table == "items":
        frame = variants(frame, columns, name, intake)
    if table == "events":
        frame = spread(frame, found, columns)
        lines = Lines(frame, name, found, columns)
        lines.mend(
            entry.drop if entry else None, valued=entry is not None and "value" in entry.columns
        )
        frame, found, used = lines.frame, lines.found, lines.used
        if "time" not in told:
            frame = by_day(frame, found, columns, name, intake)
        for sentence in lines.said:
            intake.say(sentence)
        for what, n in lines.skipped.items():
            intake.skipped[what] = intake.skipped.get(what, 0) + n
        told = set(found) | set(entry.constants if entry else ())
    hint = suggest(frame, table, name, told, columns, found, intake) if table in NEARBY else ""
    _check_required(table, name, found, entry, columns, hint)
    anonymous = _anonymous(frame, table, found, entry, columns)
    if anonymous:
        used = used | {anonymous}
        intake.say(f"{name}: where {found['user_id']} is empty, {anonymous} stands for it.")
    sheet = Sheet(frame, name, table, found, entry, anonymous, alone)
    return table, _built(sheet, columns, used, event, intake)


def _anonymous(
    frame: pl.LazyFrame,
    table: str,
    found: Mapping[str, str],
    entry: Entry | None,
    columns: Sequence[str],
) -> str:
    """The column of visitors who are not logged in, where that of users is empty for some; empty where none is."""
    user = found.get("user_id", "")
    said = entry is not None and "user_id" in entry.columns
    if table not in ("events", "searches") or not user or said or plain(user) in ANONYMOUS:
        return ""
    other = next((c for c in columns if plain(c) in ANONYMOUS and c not in found.values()), "")
    if not other:
        return ""
    text = pl.col(user).cast(pl.String).str.strip_chars()
    empty = text.is_null() | text.is_in(EMPTY)
    return other if frame.select(empty.any()).collect(engine="streaming").item() else ""


@dataclass(frozen=True)
class Sheet:
    """One file whose table and columns are known."""

    frame: pl.LazyFrame
    name: str
    table: str
    found: dict[str, str]
    """Source column by the schema's column"""
    entry: Entry | None
    anonymous: str = ""
    """The column that stands where that of users is empty"""
    alone: bool = True
    """Whether the file is this table and no other"""


def _found(
    table: str,
    columns: Sequence[str],
    entry: Entry | None,
    name: str,
    logged: Mapping[str, Set[str]],
) -> dict[str, str]:
    """The columns that are known by their names, or that the map names."""
    found = recognise(table, columns) if table in USUAL else {}
    if entry:
        _check_there(name, entry.paths, list(columns))
        mapped = set(entry.columns.values()) | set(entry.extra)
        found = {
            k: v for k, v in found.items() if v not in mapped and k not in entry.constants
        } | entry.columns
    if table == "items" and "title" not in found and not entry and "description" in found:
        found["title"] = found.pop("description")
    key = {"users": "user_id", "items": "item_id"}.get(table, "")
    used = logged.get(key, set())
    if key in found and not (entry and key in entry.columns) and plain(found[key]) not in used:
        # Of several columns of ids the one that the log knows, too, is the key.
        found[key] = next((c for c in columns if plain(c) in used), found[key])
    return found


def _built(
    sheet: Sheet, columns: Sequence[str], used: Set[str], event: str, intake: Intake
) -> pl.LazyFrame:
    """The frame with the schema's columns; what is not used is noted."""
    name, table, found, entry = sheet.name, sheet.table, sheet.found, sheet.entry
    taken = set(found.values()) | used
    of_file = intake.columns.setdefault(name, {})
    of_file |= {source: f"{table}.{column}" for column, source in found.items()}
    if table == "events" and "user_id" in found:
        taken |= {_address(columns) or ""}
    rest = [c for c in columns if c not in taken]
    kept = set(entry.extra) if entry else set()
    later = [c for c in rest if table == "items" and plain(c) in LATER and c not in kept]
    if later:
        intake.left_out[name] = later
    gone = set(later) | {c for c in rest if UNNAMED.match(c) and c not in kept}
    extra: list[str] = []
    if entry and entry.extra:
        extra = list(entry.extra)
    elif table in ("items", "users") and sheet.alone:
        extra = [c for c in rest if c not in gone]
    about, valued = _about(sheet, rest, extra, intake)
    using = {*extra, *about.values(), *later}
    if left := [c for c in rest if c not in using]:
        intake.not_recognised[name] = left
    made = sheet_cells(sheet, columns, about, valued)
    if extra and table in EXTRAS:
        made.append(pairs(extra).alias(EXTRAS[table]))
    frame = flat(sheet.frame, [*extra, *about.values()])
    out = frame.select(*made, *trace(frame))
    return _completed(table, out, kind_of(found, event), entry.events if entry else {})


def kind_of(found: Mapping[str, str], event: str) -> str:
    """The kind of events of which no column says it: `event`, but clicks where their item's column is called so."""
    clicked = plain(found.get("item_id", "")).startswith(CLICKED)
    return "select_item" if clicked and event == "purchase" else event


def _about(
    sheet: Sheet, rest: Sequence[str], extra: Sequence[str], intake: Intake
) -> tuple[dict[str, str], bool]:
    """What a log, or judgments, say of their items: source column by column of items; whether the price is a value."""
    if sheet.table not in ("events", "judgments"):
        return {}, False
    told = set(sheet.found) | set(sheet.entry.constants if sheet.entry else ())
    about = {
        k: c for k, c in of_items(rest, sheet.frame.collect_schema()).items() if c not in extra
    }
    if about:
        intake.items_from_log[sheet.name] = about
        of_file = intake.columns.setdefault(sheet.name, {})
        of_file |= {c: f"items.{k}" for k, c in about.items() if c not in of_file}
    valued = sheet.table == "events" and "price" in about and "value" not in told
    if valued:
        quantity = sheet.found.get("quantity")
        intake.value_from[sheet.name] = " × ".join(
            [about["price"], *([quantity] if quantity else [])]
        )
    return about, valued


def sheet_cells(
    sheet: Sheet, columns: Sequence[str], about: Mapping[str, str], valued: bool
) -> list[pl.Expr]:
    """The cells of the schema's columns."""
    schema = sheet.frame.collect_schema()
    email = _address(columns)
    made = [_cells("items", k, c, schema[c]).alias(ITEM + k) for k, c in about.items()]
    if valued:
        made.append(pl.col(about["price"]).cast(pl.String).alias(UNIT_PRICE))
    levels = _levels(sheet, columns)
    for canonical, source in sheet.found.items():
        cells = _cells(sheet.table, canonical, source, schema[source])
        if canonical == "user_id":
            cells = _nobody(
                sheet.table,
                who(source, email if source != email else None, schema[source]),
                schema[source],
            )
            if sheet.anonymous:
                cells = pl.coalesce(cells.cast(pl.String), pl.col(sheet.anonymous).cast(pl.String))
        if canonical in ("category", "price"):
            cells = pl.coalesce(cells, *_instead(sheet, canonical, columns))
        if canonical == "category" and levels:
            cells = pl.concat_list([pl.col(c).cast(pl.String) for c in levels]).list.drop_nulls()
        made.append(cells.alias(canonical))
    constants = sheet.entry.constants if sheet.entry else {}
    return [*made, *(pl.lit(value).alias(canonical) for canonical, value in constants.items())]


def _address(columns: Sequence[str]) -> str | None:
    """The column of addresses, by which guests are told apart."""
    return next((c for c in columns if is_email(c)), None)


def _levels(sheet: Sheet, columns: Sequence[str]) -> list[str]:
    """The columns that are the levels of the category, where several are."""
    if sheet.table != "items" or (sheet.entry and "category" in sheet.entry.columns):
        return []
    there = {plain(c): c for c in columns}
    path = next((p for p in PATHS if set(p) <= set(there)), ())
    if sheet.found.get("category") not in [there[level] for level in path]:
        return []
    return [there[level] for level in path]


def _instead(sheet: Sheet, canonical: str, columns: Sequence[str]) -> list[pl.Expr]:
    """Cells that stand where those of a column are empty: Google's own category (no number), the regular price."""
    there = {plain(c): c for c in columns}
    chosen = plain(sheet.found.get(canonical, ""))
    made: list[pl.Expr] = []
    if (canonical, chosen) == ("category", "producttype") and "googleproductcategory" in there:
        text = pl.col(there["googleproductcategory"]).cast(pl.String).str.strip_chars()
        made.append(pl.when(text.str.contains(r"\D")).then(text))
    if (canonical, chosen) == ("price", "saleprice") and "regularprice" in there:
        made.append(pl.col(there["regularprice"]))
    return made


def _nobody(table: str, cells: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Users of a log, null where words say that there is none."""
    if dtype != pl.String or table != "events":
        return cells
    return pl.when(~cells.str.strip_chars().is_in(EMPTY)).then(cells)


def _cells(table: str, canonical: str, source: str, dtype: pl.DataType) -> pl.Expr:
    """A column's cells: ids without the apostrophe of spreadsheets, of several categories the first."""
    cells = pl.col(source)
    if dtype == pl.String and canonical in IDS:
        # Spreadsheets are told by an apostrophe that digits are text.
        cells = (
            pl.when(cells.str.starts_with("'"))
            .then(cells.str.replace(r"^'(\d)", "$1"))
            .otherwise(cells)
        )
    if dtype == pl.String and canonical == "category":
        cells = _one_path(path_of_list(cells), plain(source))
    if dtype == pl.String and canonical == "image":
        # Of several pictures the first.
        cells = cells.str.strip_prefix(LIST).str.extract(
            r"^\s*(.*?)\s*(?:,\s*https?://.*|\x1f.*)?$", 1
        )
    return cells.alias(canonical)


def _one_path(cells: pl.Expr, name: str) -> pl.Expr:
    """Of several paths of categories the first: codes are split at their dots, paths in feeds lie behind commas."""
    if name == "categorycode":
        return cells.str.replace_all(".", ">", literal=True)
    listed = cells.str.starts_with(LIST) & cells.str.contains(">", literal=True)
    first = cells.str.strip_prefix(LIST).str.split(LIST).list.first()
    cells = pl.when(listed).then(first).otherwise(cells)
    if name in ("producttype", "categories"):
        several = cells.str.contains(r">[^>,]*,[^>]*>")
        cells = pl.when(several).then(cells.str.extract(r"^([^>]*>[^,]*),", 1)).otherwise(cells)
    return cells


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
    table: str,
    name: str,
    found: Mapping[str, str],
    entry: Entry | None,
    columns: list[str],
    hint: str = "",
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
        looked = list(dict.fromkeys([column, *USUAL.get(table, {}).get(column, "").split()]))
        rest = [c for c in columns if c not in found.values()]
        close = fitting(column, rest) or ""
        close = f" Did you mean {close!r}?" if close else ""
        raise SchemaError(
            f"{name}, taken for {table}, lacks the column {column!r}. Looked for: {', '.join(looked[:12])}"
            f"{' …' if len(looked) > 12 else ''}. It has: {', '.join(columns[:60])}{' …' if len(columns) > 60 else ''}."
            f"{close}{hint} Name it in a map file: --set map=MAP.toml."
        )
