"""Files as lazy frames of text cells that know where each row stood."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import SchemaError, SourceError, near
from wareloom.preparing.door import BROKEN, FILE, ROW, guarded
from wareloom.preparing.values import LIST
from wareloom.readers._text import CHUNK, Text

EXTRA = "more fields"
BATCH = 50_000
TRACE = (ROW, FILE, BROKEN)


def delimited(
    text: Text,
    *,
    separator: str = ",",
    columns: Sequence[str] | None = None,
    quote: str | None = '"',
) -> pl.LazyFrame:
    """Scan a delimited file. `columns` names the fields of a file without a header.

    All cells are text. Rows with more or fewer fields than there are columns carry what is wrong in `source_defect`.
    """
    headed = columns is None
    names = _header(text, separator, quote) if columns is None else list(columns)
    frame = pl.scan_csv(
        text.path,
        has_header=False,
        skip_rows=1 if headed else 0,
        separator=separator,
        quote_char=quote,
        schema=dict.fromkeys((*names, EXTRA), pl.String),
        extra_columns="ignore",
        missing_columns="insert",
        row_index_name=ROW,
        row_index_offset=2 if headed else 1,
        raise_if_empty=False,
        glob=False,
    )
    more: pl.Expr = pl.when(pl.col(EXTRA).is_not_null()).then(
        pl.lit(f"more fields than the {len(names)} columns")
    )
    short = _short_rows(text, separator.encode(), quote, len(names))
    with guarded(text.name):
        if frame.head(1).collect().is_empty():
            raise SourceError(
                f"{text.name} has a header and no rows: was its writing cut short? Write it again, or leave it out."
            )
    if short:
        rows = pl.Series(
            np.asarray(short, dtype=np.uint32) + np.uint32(1), dtype=frame.collect_schema()[ROW]
        )
        fewer = pl.when(pl.col(ROW).is_in(rows.implode())).then(
            pl.lit(f"fewer fields than the {len(names)} columns")
        )
        more = pl.coalesce(more, fewer)
    frame = frame.filter(~pl.all_horizontal(pl.col(names).is_null()))
    return frame.with_columns(more.alias(BROKEN), pl.lit(text.name).alias(FILE)).drop(EXTRA)


def _header(text: Text, separator: str, quote: str | None) -> list[str]:
    """Names in the first line; a name that is empty or used twice gets its number."""
    with text.path.open("rb") as file:
        line = file.readline(1 << 20).decode("utf-8", errors="replace").lstrip("\ufeff")
    if quote:
        fields = next(csv.reader(io.StringIO(line), delimiter=separator, quotechar=quote), [])
    else:
        fields = line.rstrip("\r\n").split(separator)
    names: list[str] = []
    for number, field in enumerate(fields, start=1):
        name = field.strip()
        names.append(name if name and name not in names else f"{name or 'column'}_{number}")
    if not names:
        raise SourceError(
            f"{text.name} has an empty first line where its column names should stand."
        )
    return names


def _short_rows(text: Text, separator: bytes, quote: str | None, fields: int) -> list[int]:
    """Numbers (from 0) of the records with too few fields; lines that hold quotes are left to the parser."""
    found: list[int] = []
    records, odd, rest = 0, False, b""
    mark = quote.encode() if quote else None
    with text.path.open("rb") as file:
        while True:
            chunk = file.read(4 * CHUNK)
            block, rest = _whole_lines(rest + chunk, last=not chunk)
            if block:
                quotes = block.count(mark) if mark else 0
                lines = block.count(b"\n")
                if quotes or odd or block.count(separator) != lines * (fields - 1):
                    short, number, odd = _look(block, separator, mark, fields, odd)
                    found += [records + s for s in short]
                    records += number
                else:
                    records += lines
            if not chunk:
                break
    if odd:
        raise SourceError(
            f"{text.name} opens a quote that it never closes. A quote sign inside a field has to be doubled; "
            "where quotes mean nothing, read with --as tables --set quote=none."
        )
    return found


def _whole_lines(block: bytes, *, last: bool) -> tuple[bytes, bytes]:
    if last:
        return (block if not block or block.endswith(b"\n") else block + b"\n"), b""
    cut = block.rfind(b"\n") + 1
    return block[:cut], block[cut:]


def _look(
    block: bytes, separator: bytes, mark: bytes | None, fields: int, odd: bool
) -> tuple[list[int], int, bool]:
    """Find short records among whole lines; returns them, the number of records, and whether a quote stays open."""
    data = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(data == 10)
    starts = np.concatenate([[0], ends[:-1] + 1])
    separators = np.add.reduceat((data == separator[0]).astype(np.int64), starts)
    if mark is None:
        quotes = np.zeros(len(ends), dtype=np.int64)
    else:
        quotes = np.add.reduceat((data == mark[0]).astype(np.int64), starts)
    parity = (np.cumsum(quotes) + odd) % 2
    open_before = np.concatenate([[int(odd)], parity[:-1]]).astype(bool)
    record = np.cumsum(parity == 0) - (parity == 0)
    blank = (ends - starts) <= 1
    short = (separators < fields - 1) & (quotes == 0) & ~open_before & (parity == 0) & ~blank
    return record[short].tolist(), int((parity == 0).sum()), bool(parity[-1])


def json_lines(
    text: Text, folder: Path, *, parse: Callable[[str], Any] | None = None, keep: Sequence[str] = ()
) -> pl.LazyFrame:
    """Read JSON lines by way of Parquet pieces in `folder`; every cell is text.

    Lists are text that begins with `LIST`; objects stay JSON. `parse` turns a line into a dictionary (JSON by default);
    `keep` names the fields that are wanted (all by default). A line that is no object carries that in `source_defect`.
    """
    parse = parse or _parse
    pieces: list[pl.LazyFrame] = []
    for batch in _batches(text, parse, set(keep)):
        path = folder / f"piece-{len(list(folder.iterdir())):06d}.parquet"
        batch.write_parquet(path, compression="lz4")
        pieces.append(pl.scan_parquet(path))
    if not pieces:
        raise SourceError(
            f"{text.name} has no lines: was its writing cut short? Write it again, or leave it out."
        )
    return pl.concat(pieces, how="diagonal").with_columns(pl.lit(text.name).alias(FILE))


def _parse(line: str) -> Any:
    return json.loads(line, parse_float=str, parse_int=str, parse_constant=str)


def _batches(text: Text, parse: Callable[[str], Any], keep: set[str]) -> Iterator[pl.DataFrame]:
    columns: dict[str, list[str | None]] = {}
    rows: list[int] = []
    broken: list[str | None] = []
    with text.path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if number == 1 and line.lstrip().startswith("["):
                raise SourceError(
                    f"{text.name} holds a JSON array: write one object a line, for example with jq -c '.[]'."
                )
            wrong = None
            try:
                record = parse(line)
            except (ValueError, SyntaxError, RecursionError) as error:
                record, wrong = {}, f"no JSON object ({error})"
            if not isinstance(record, dict):
                record, wrong = {}, "no JSON object"
            for name, value in record.items():
                if value is not None and (not keep or name in keep):
                    cells = columns.setdefault(name, [])
                    cells.extend([None] * (len(rows) - len(cells)))
                    cells.append(as_text(value))
            rows.append(number)
            broken.append(wrong)
            if len(rows) == BATCH:
                yield _frame(columns, rows, broken)
                columns, rows, broken = {}, [], []
    if rows:
        yield _frame(columns, rows, broken)


def _frame(
    columns: dict[str, list[str | None]], rows: list[int], broken: list[str | None]
) -> pl.DataFrame:
    full = {name: cells + [None] * (len(rows) - len(cells)) for name, cells in columns.items()}
    schema: dict[str, Any] = dict.fromkeys(full, pl.String) | {ROW: pl.Int64, BROKEN: pl.String}
    return pl.DataFrame({**full, ROW: rows, BROKEN: broken}, schema=schema)


def as_text(value: Any) -> str:
    """A JSON value as text: lists are flattened behind marks, objects stay JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(v, dict) for v in value):
        return "".join(LIST + leaf for leaf in _leaves(value)) or LIST
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return str(value)


def _leaves(value: list[Any]) -> Iterator[str]:
    for part in value:
        if isinstance(part, list):
            yield from _leaves(part)
        elif part is not None:
            yield as_text(part)


def parquet(path: Path, name: str) -> pl.LazyFrame:
    """Scan a Parquet file that is called `name` outside."""
    with guarded(name):
        frame = pl.scan_parquet(path, row_index_name=ROW, row_index_offset=1, glob=False)
        frame.collect_schema()
    return frame.with_columns(pl.lit(name).alias(FILE))


def need(frame: pl.LazyFrame, columns: Sequence[str], where: str) -> list[str]:
    """Return the names of a frame's columns; raise `SchemaError` where one of `columns` is missing."""
    there = [name for name in frame.collect_schema().names() if name not in TRACE]
    for column in columns:
        if column not in there:
            raise SchemaError(
                f"{where} lacks the column {column!r}; it has {', '.join(there)}.{near(column, there)}"
            )
    return there


def pairs(columns: Sequence[str], names: Sequence[str] | None = None) -> pl.Expr:
    """A map (name, value) of some columns, without those that are empty; null where all are."""
    made = []
    for column, name in zip(columns, names or columns, strict=True):
        text = (
            pl.col(column)
            .cast(pl.String)
            .str.strip_prefix(LIST)
            .str.replace_all(LIST, ", ", literal=True)
        )
        text = text.str.strip_chars()
        made.append(pl.struct(name=pl.lit(name), value=pl.when(text != "").then(text)))
    full = pl.concat_list(made).list.filter(pl.element().struct.field("value").is_not_null())
    return pl.when(full.list.len() > 0).then(full)


def flat(frame: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
    """Turn those of `columns` that are nested into text: lists of values behind marks, all else as JSON."""
    found = frame.collect_schema()
    made = []
    for column in columns:
        dtype = found[column]
        if isinstance(dtype, pl.List) and not dtype.inner.is_nested():
            values = pl.col(column).cast(pl.List(pl.String)).list.join(LIST, ignore_nulls=True)
            made.append((pl.lit(LIST) + values).alias(column))
        elif dtype.is_nested():
            text = pl.struct(pl.col(column).alias("value")).struct.json_encode()
            text = text.str.strip_prefix('{"value":').str.strip_suffix("}")
            made.append(pl.when(pl.col(column).is_not_null()).then(text).alias(column))
    return frame.with_columns(made) if made else frame


def trace(frame: pl.LazyFrame) -> list[str]:
    """Which of the columns that say where a row stood a frame has."""
    there = frame.collect_schema().names()
    return [name for name in TRACE if name in there]
