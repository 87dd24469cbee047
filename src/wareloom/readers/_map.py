"""The map file: how the columns of a source are called, where they have no usual names."""

from __future__ import annotations

import dataclasses
import fnmatch
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wareloom.errors import SchemaError, SettingError, SourceError, near
from wareloom.shop.schema import EVENTS, TABLES

PLAIN = ("file", "query", "table", "each")
"""Keys whose values are text"""
MAPS = ("attributes", "context")
"""Columns that take a list of the source's"""
OF_QUERIES = ("time_format", "decimal")
"""What may be said of how the cells of a query are written"""
TABS = ("tab", "\\t")
"""Words for the separator that is hard to write"""
KEYS = (
    "file",
    "query",
    "table",
    "columns",
    "constants",
    "events",
    "each",
    "keep",
    "drop",
    "time_format",
    "decimal",
    "encoding",
    "separator",
    "quote",
    "escape",
    "skip",
)


class NothingTaken(SchemaError):
    """A file of which a map takes nothing; no fault where other files of the same entry have something."""


@dataclass(frozen=True)
class Form:
    """How one file is written; empty (and 0) is found from the file."""

    encoding: str = "utf-8"
    separator: str = ""
    quote: str = '"'
    """The sign around fields; "none" where such signs mean nothing"""
    escape: str = ""
    """A backslash where it stands before a quote sign inside a field; "none" where a backslash means nothing"""
    skip: int = 0
    """Lines before the header"""
    time_format: str = ""
    decimal: str = ""
    """"," or ".": the sign before the decimals"""

    @property
    def quoted(self) -> bool:
        """Whether signs may stand around fields."""
        return self.quote not in ("", "none")

    def check(self, where: str) -> None:
        """Raise `SettingError` for what cannot be meant."""
        for name, value, words in (
            ("separator", self.separator, TABS),
            ("quote", self.quote, ("none",)),
        ):
            if value not in ("", *words) and (len(value.encode()) > 1 or value in "\n\r\0"):
                raise SettingError(
                    f"{where}: {name}={value!r} has to be one plain character, or {' or '.join(words)}."
                )
        if self.escape not in ("", "none", "\\"):
            raise SettingError(
                f"{where}: escape={self.escape!r} is not known; give a backslash or none."
            )
        if self.decimal not in ("", ",", "."):
            raise SettingError(f"{where}: decimal={self.decimal!r} is not known; give ',' or '.'.")
        if self.skip < 0:
            raise SettingError(f"{where}: skip={self.skip} is less than 0; give a number of lines.")


@dataclass(frozen=True)
class Entry:
    """What a map says of one file (or one SQL query)."""

    file: str
    table: str
    query: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    """Source column by the schema's column"""
    extra: tuple[str, ...] = ()
    """Source columns kept in the table's map: attributes of items and users, context of events"""
    constants: dict[str, str] = field(default_factory=dict)
    """Values of columns that the source lacks"""
    events: dict[str, str] = field(default_factory=dict)
    """Event of the schema by the source's name"""
    each: str = ""
    """The path of a list whose elements become rows"""
    keep: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Values by column: rows that have no such value are passed over"""
    drop: dict[str, tuple[str, ...]] | None = None
    """Values by column: rows that have such a value are passed over; None leaves that to the reader"""
    form: dict[str, Any] = field(default_factory=dict)
    """What it says of how the file is written, fields of `Form`"""

    @property
    def paths(self) -> tuple[str, ...]:
        """Columns that it names."""
        return tuple(
            dict.fromkeys((*self.columns.values(), *self.extra, *self.keep, *(self.drop or ())))
        )


def load(path: str) -> list[Entry]:
    """Read a map file; `path` may be empty, then the map is. Raises `SettingError` at an entry that cannot be meant.

    The file is TOML with one `[[table]]` for each file:

        [[table]]
        file = "orders*.csv"                    # a pattern for the file's name (for SQL: query = "select ...")
        table = "events"                        # items, users, events, searches, judgments, dialogues
        columns = { user_id = "cust", item_id = "art", context = ["device", "shop"] }
        constants = { event = "purchase" }
        events = { "in den Korb" = "add_to_cart" }
        each = "properties.products"            # a list in each record: its elements become rows
        keep = { type = ["track"] }             # only rows with these values; drop = { … } passes rows over
        time_format = "%d.%m.%Y"                # also decimal, encoding, separator, quote, escape, skip: of this file

    Columns may be dotted paths into nested records: user_id = "context.user.id".
    """
    if not path:
        return []
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"The map file {path} is not there.") from None
    except OSError as error:
        raise SourceError(f"The map file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"The map file {path} is not valid TOML: {error}.") from error
    _known(path, content, ("table",), "the top")
    entries = content.get("table")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingError(
            f"The map file {path} has no [[table]] entry; give one for each file, with file, table and columns."
        )
    made: list[Entry] = []
    for number, raw in enumerate(entries, start=1):
        entry = _entry(path, number, raw)
        if entry in made:
            raise SettingError(
                f"{path}, [[table]] number {number} says the same as number {made.index(entry) + 1}: its rows would "
                "count twice. Take one out."
            )
        made.append(entry)
    return made


def _entry(path: str, number: int, raw: dict[str, Any]) -> Entry:
    where = f"[[table]] number {number}"
    _known(path, raw, KEYS, where)
    text = {key: _text(path, where, key, raw[key]) for key in PLAIN if key in raw}
    table = text.get("table", "")
    if table not in TABLES:
        raise SettingError(
            f"{path}, {where}: there is no table {table!r}.{near(table, TABLES)} Known: {', '.join(TABLES)}."
        )
    columns, extra = _columns(path, where, raw, TABLES[table].columns)
    constants = _constants(path, where, raw, table)
    if both := next((name for name in constants if name in columns), ""):
        raise SettingError(
            f"{path}, {where}: {both} is the column {columns[both]!r} and the constant {constants[both]!r}; take one "
            "out."
        )
    events = {}
    for theirs, ours in _texts(path, where, raw, "events").items():
        events[theirs] = _text(path, f"{where}, events", theirs, ours)
        _known(path, {events[theirs]: None}, EVENTS, f"{where}, events")
    form = {k: raw[k] for k in raw if k in {f.name for f in dataclasses.fields(Form)}}
    for key, value in form.items():
        if isinstance(value, bool) or not isinstance(value, int if key == "skip" else str):
            kind = "a number of lines" if key == "skip" else "text"
            raise SettingError(f"{path}, {where}: {key} is {value!r}, and should be {kind}.")
    Form(**form).check(f"{path}, {where}")
    if "query" in text and (
        odd := [k for k in ("file", *form) if k in raw and k not in OF_QUERIES]
    ):
        raise SettingError(
            f"{path}, {where}: {odd[0]} says how a file is written, and this entry has a query; take one out."
        )
    return Entry(
        text.get("file", "*"),
        table,
        text.get("query", ""),
        columns,
        extra,
        constants,
        events,
        text.get("each", ""),
        _values(path, where, raw, "keep"),
        _values(path, where, raw, "drop") if "drop" in raw else None,
        form,
    )


def _columns(
    path: str, where: str, raw: dict[str, Any], known: Mapping[str, Any]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The columns of the table that are named, and those that go to its map of further ones."""
    columns, extra = {}, []
    for canonical, source in _texts(path, where, raw, "columns").items():
        _known(path, {canonical: source}, tuple(known), f"{where}, columns")
        names = source if isinstance(source, list) else [source]
        if isinstance(source, list) and canonical not in MAPS:
            raise SettingError(
                f"{path}, {where}: {canonical} takes the name of one column, not the list {source!r}."
            )
        for name in names:
            _text(path, f"{where}, columns", canonical, name)
        if canonical in MAPS:
            extra += names
        else:
            columns[canonical] = source
    return columns, tuple(dict.fromkeys(extra))


def _constants(path: str, where: str, raw: dict[str, Any], table: str) -> dict[str, str]:
    given = _texts(path, where, raw, "constants")
    _known(path, given, tuple(TABLES[table].columns), f"{where}, constants")
    for name, value in given.items():
        if isinstance(value, list | dict) or value != value:
            raise SettingError(
                f"{path}, {where}, constants: {name} is {value!r}, and should be one text or number."
            )
    if table == "events" and "event" in given:
        _known(path, {str(given["event"]): None}, EVENTS, f"{where}, constants, event")
    return {name: str(value) for name, value in given.items()}


def _values(path: str, where: str, raw: dict[str, Any], key: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for column, values in _texts(path, where, raw, key).items():
        listed = values if isinstance(values, list) else [values]
        if not listed or any(isinstance(value, list | dict) for value in listed):
            raise SettingError(
                f"{path}, {where}, {key}: {column} is {values!r}, and should be a list of values, such as ['track']."
            )
        found[column] = tuple(_as_cell(value) for value in listed)
    return found


def _as_cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(path: str, where: str, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingError(f"{path}, {where}: {key} is {value!r}, and should be text.")
    return value


def _texts(path: str, where: str, raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise SettingError(
            f"{path}, {where}: {key} is {value!r}, and should be a table such as {{ user_id = 'cust' }}."
        )
    return value


def _known(path: str, given: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in known:
            raise SettingError(
                f"{path}, {where}: {name!r} is not known.{near(name, known)} Known: {', '.join(known)}."
            )


def entries_for(entries: Sequence[Entry], file: str) -> list[Entry]:
    """The entries for a file (with or without .gz): those with its very name, else those whose patterns fit.

    Of several patterns the first one counts, with all its entries, and further ones for tables that it has not.
    """
    fit = [e for e in entries if _fits(file, e.file)]
    if exact := [e for e in fit if not any(c in e.file for c in "*?[") or e.file == file]:
        return exact
    first = [e for e in fit if e.file == fit[0].file]
    tables = {e.table for e in first}
    for entry in fit:
        if entry.table not in tables and entry.file != "*":
            first.append(entry)
            tables.add(entry.table)
    return first


def _fits(file: str, pattern: str) -> bool:
    return pattern in (file, f"{file}.gz") or any(
        fnmatch.fnmatchcase(name, pattern) for name in (file, f"{file}.gz")
    )


def check_used(path: str, entries: Sequence[Entry], files: Sequence[str]) -> None:
    """Raise `SettingError` for an entry that none of `files` is read by."""
    used = [entry for file in files for entry in entries_for(entries, file)]
    for number, entry in enumerate(entries, start=1):
        where = f"{path}, [[table]] number {number}"
        if entry.query:
            raise SettingError(f"{where}: a query is for a database; name a file here.")
        if any(entry is other for other in used):
            continue
        if taken := [file for file in files if _fits(file, entry.file)]:
            raise SettingError(
                f"{where}: {entry.file!r} fits {', '.join(taken[:5])}, for which other entries come first. Give both "
                "the same file, or take one out."
            )
        raise SettingError(
            f"{where}: no file is called {entry.file!r}.{near(entry.file, files)} "
            f"There are: {', '.join(files[:20])}{' …' if len(files) > 20 else ''}."
        )
