"""The map file: how the columns of a source are called, where they have no usual names."""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wareloom.errors import SettingError, SourceError, near
from wareloom.shop.schema import EVENTS, TABLES

KEYS = ("file", "query", "table", "columns", "constants", "events")


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


def load(path: str) -> list[Entry]:
    """Read a map file; `path` may be empty, then the map is. Raises `SettingError` at an entry that cannot be meant.

    The file is TOML with one `[[table]]` for each file:

        [[table]]
        file = "orders*.csv"                    # a pattern for the file's name (for SQL: query = "select ...")
        table = "events"                        # items, users, events, searches, judgments, dialogues
        columns = { user_id = "cust", item_id = "art", context = ["device", "shop"] }
        constants = { event = "purchase" }
        events = { "in den Korb" = "add_to_cart" }
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
    return Entry(
        str(raw.get("file", "*")),
        table,
        str(raw.get("query", "")),
        columns,
        tuple(extra),
        constants,
        events,
    )


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


def entry_for(entries: list[Entry], file: str) -> Entry | None:
    """The first entry whose pattern fits the file's name (with or without .gz)."""
    return next(
        (
            e
            for e in entries
            if fnmatch.fnmatch(file, e.file) or fnmatch.fnmatch(f"{file}.gz", e.file)
        ),
        None,
    )
