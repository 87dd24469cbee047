"""What is nested in columns, reached by the dotted paths of a map: fields and lists of Parquet, JSON in text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from wareloom.readers._header import OWN
from wareloom.readers._json import as_text, has_list, no_list, opened, spread_at, value_at
from wareloom.readers._map import Entry, NothingTaken

Inside = tuple[str, str]
"""A column of text, and the dotted path inside of it"""
SAMPLE = 20_000
"""Rows in which a path is looked for first"""


def reached(frame: pl.LazyFrame, entry: Entry, name: str) -> pl.LazyFrame:
    """A frame whose list at `each` is spread over rows, and whose dotted paths are columns.

    Paths lead into structs and lists of Parquet, and into text that is JSON. A path that no row has becomes no column.
    Raises `NothingTaken` where no row has the list.
    """
    own = frame.collect_schema().names()
    frame, nested = _spread_lists(frame, entry.each)
    for path in entry.paths:
        frame = _with_path(frame, path)
    frame, each = _inside_text(frame, entry.each)
    if entry.each and not nested and not (each and _has_list(frame, each)):
        raise NothingTaken(no_list(name, entry.each, [c for c in own if c not in OWN]))
    inside: dict[str, Inside] = {}
    for path in entry.paths:
        if path not in frame.collect_schema():
            frame, found = _inside_text(frame, path)
            inside |= {path: found} if found else {}
    if each or inside:
        schema = frame.collect_schema()
        schema |= {path: pl.String() for path in inside}
        frame = frame.map_batches(_unfolding(each, inside), schema=schema, streamable=True)
        frame = frame.drop(_never(frame, list(inside)))
    return frame.select([c for c in frame.collect_schema() if c in own or c in entry.paths])


def _spread_lists(frame: pl.LazyFrame, each: str) -> tuple[pl.LazyFrame, bool]:
    """A frame whose columns that are lists along a path are spread over rows; whether the path ends in one, or in a
    record."""
    at, found = "", False
    for part in each.split(".") if each else ():
        at = f"{at}.{part}" if at else part
        frame = _with_path(frame, at)
        schema = frame.collect_schema()
        found = at in schema and schema[at].is_nested()
        if found and isinstance(schema[at], pl.List):
            frame = frame.explode(at, empty_as_null=True)
    return frame, found


def _has_list(frame: pl.LazyFrame, each: Inside) -> bool:
    """Whether any cell of text has a list at the path inside of it."""
    column, rest = each
    path = [column, *(rest.split(".") if rest else [])]

    def some(cells: pl.Series) -> pl.Series:
        return pl.Series([any(has_list({column: _read(cell)}, path) for cell in cells)])

    found = pl.col(column).map_batches(some, return_dtype=pl.Boolean, returns_scalar=True)
    return bool(
        frame.head(SAMPLE).select(found).collect().item() or frame.select(found).collect().item()
    )


def _inside_text(frame: pl.LazyFrame, path: str) -> tuple[pl.LazyFrame, Inside | None]:
    """The column of text that a path leads to or into, and the rest of the path; None where there is no such."""
    parts = path.split(".") if path else []
    for n in range(len(parts), 0, -1):
        start, rest = ".".join(parts[:n]), ".".join(parts[n:])
        with_start = _with_path(frame, start)
        schema = with_start.collect_schema()
        if start in schema:
            return (with_start, (start, rest)) if schema[start] == pl.String else (frame, None)
    return frame, None


def _unfolding(
    each: Inside | None, paths: dict[str, Inside]
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """What a batch becomes: rows for the elements at `each`, and a column for each of `paths`."""

    def unfold(batch: pl.DataFrame) -> pl.DataFrame:
        columns = dict.fromkeys(root for root, _ in (*([each] if each else []), *paths.values()))
        values = {column: [_read(cell) for cell in batch[column]] for column in columns}
        if each:
            column, rest = each
            parts = [column, *(rest.split(".") if rest else [])]
            rows = [(n, v) for n, v in enumerate(values[column]) for v in _elements(v, parts)]
            numbers = [n for n, _ in rows]
            batch = batch[numbers]
            values = {c: [found[n] for n in numbers] for c, found in values.items()}
            values[column] = [element for _, element in rows]
            batch = batch.with_columns(_texts(column, values[column]))
        return batch.with_columns(
            _texts(path, [value_at(v, rest) for v in values[column]])
            for path, (column, rest) in paths.items()
        )

    return unfold


def _texts(name: str, values: Sequence[Any]) -> pl.Series:
    return pl.Series(name, [None if v is None else as_text(v) for v in values], dtype=pl.String)


def _elements(value: Any, path: Sequence[str]) -> Iterator[Any]:
    for row in spread_at({path[0]: value}, list(path)):
        yield row[path[0]]


def _read(cell: str | None) -> Any:
    """What a cell of text holds: JSON, or lists and dictionaries as Python writes them; else the text."""
    if cell is None or cell.lstrip()[:1] not in ("{", "["):
        return cell
    found = opened(cell.strip())
    if not isinstance(found, str) or "'" not in cell:
        return found
    try:
        return ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return cell


def _never(frame: pl.LazyFrame, paths: Sequence[str]) -> list[str]:
    """Those of `paths` that no row has."""
    if not paths:
        return []
    some = [pl.col(p).is_not_null().any() for p in paths]
    first = frame.head(SAMPLE).select(some).collect().row(0)
    if not all(first):
        first = frame.select(some).collect(engine="streaming").row(0)
    return [p for p, there in zip(paths, first, strict=True) if not there]


def _fields(dtype: Any) -> dict[str, Any]:
    """Types of what is nested in a column, by name."""
    return {f.name: f.dtype for f in dtype.fields} if isinstance(dtype, pl.Struct) else {}


def _with_path(frame: pl.LazyFrame, path: str) -> pl.LazyFrame:
    """A frame with the dotted path as a column, where its columns are nested so."""
    schema = frame.collect_schema()
    if path in schema:
        return frame
    parts = path.split(".")
    for n in range(len(parts) - 1, 0, -1):
        start, rest = ".".join(parts[:n]), parts[n:]
        if start not in schema:
            continue
        cells = pl.col(start)
        dtype: Any = schema[start]
        for part in rest:
            fields = _fields(dtype)
            if part in fields:
                cells, dtype = cells.struct.field(part), fields[part]
            elif isinstance(dtype, pl.List) and part.isdigit():
                cells, dtype = cells.list.get(int(part), null_on_oob=True), dtype.inner
            else:
                return frame
        return frame.with_columns(cells.alias(path))
    return frame
