"""The map file: how the columns of a source are called, where they have no usual names."""

from __future__ import annotations

import dataclasses
import fnmatch
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wareloom.errors import SettingError, SourceError, near
from wareloom.shop.schema import EVENTS, TABLES

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

    def check(self, where: str) -> None:
        """Raise `SettingError` for what cannot be meant."""
        for name, value in (("separator", self.separator), ("quote", self.quote)):
            if len(value.encode()) > 1 and not (name == "quote" and value == "none"):
                raise SettingError(
                    f"{where}: {name}={value!r} has to be one plain character"
                    f"{', or none' if name == 'quote' else ''}."
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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"The map file {path} is not valid TOML: {error}.") from error
    _known(path, content, ("table",), "the top")
    entries = content.get("table")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SettingError(
            f"The map file {path} has no [[table]] entry; give one for each file, with file, table and columns."
        )
    return [_entry(path, number, entry) for number, entry in enumerate(entries, start=1)]


def _entry(path: str, number: int, raw: dict[str, Any]) -> Entry:
    where = f"[[table]] number {number}"
    _known(path, raw, KEYS, where)
    table = raw.get("table", "")
    if table not in TABLES:
        raise SettingError(
            f"{path}, {where}: there is no table {table!r}.{near(str(table), TABLES)} Known: {', '.join(TABLES)}."
        )
    columns, extra = {}, []
    names = TABLES[table].columns
    for canonical, source in _texts(path, where, raw, "columns").items():
        _known(path, {canonical: source}, tuple(names), f"{where}, columns")
        if isinstance(source, list):
            if canonical not in ("attributes", "context"):
                raise SettingError(
                    f"{path}, {where}: {canonical} takes the name of one column, not the list {source!r}."
                )
            extra += [str(name) for name in source]
        elif canonical in ("attributes", "context"):
            extra.append(source)
        else:
            columns[canonical] = source
    constants = {k: str(v) for k, v in _texts(path, where, raw, "constants").items()}
    _known(path, constants, tuple(names), f"{where}, constants")
    events = {k: str(v) for k, v in _texts(path, where, raw, "events").items()}
    for event in events.values():
        _known(path, {event: None}, EVENTS, f"{where}, events")
    form = {k: raw[k] for k in raw if k in {f.name for f in dataclasses.fields(Form)}}
    for key, value in form.items():
        if isinstance(value, bool) or not isinstance(value, int if key == "skip" else str):
            kind = "a number of lines" if key == "skip" else "text"
            raise SettingError(f"{path}, {where}: {key} is {value!r}, and should be {kind}.")
    Form(**form).check(f"{path}, {where}")
    return Entry(
        str(raw.get("file", "*")),
        table,
        str(raw.get("query", "")),
        columns,
        tuple(extra),
        constants,
        events,
        str(raw.get("each", "")),
        _values(path, where, raw, "keep"),
        _values(path, where, raw, "drop") if "drop" in raw else None,
        form,
    )


def _values(path: str, where: str, raw: dict[str, Any], key: str) -> dict[str, tuple[str, ...]]:
    return {
        column: tuple(map(str, values if isinstance(values, list) else [values]))
        for column, values in _texts(path, where, raw, key).items()
    }


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
        if entry.query or any(entry is other for other in used):
            continue
        where = f"{path}, [[table]] number {number}"
        if taken := [file for file in files if _fits(file, entry.file)]:
            raise SettingError(
                f"{where}: {entry.file!r} fits {', '.join(taken[:5])}, for which other entries come first. Give both "
                "the same file, or take one out."
            )
        raise SettingError(
            f"{where}: no file is called {entry.file!r}.{near(entry.file, files)} "
            f"There are: {', '.join(files[:20])}{' …' if len(files) > 20 else ''}."
        )
