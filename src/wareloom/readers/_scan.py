"""Files as lazy frames of text cells that know where each row stood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.errors import SchemaError, SourceError, near
from wareloom.preparing.door import BROKEN, FILE, ROW, guarded
from wareloom.preparing.values import LIST
from wareloom.readers._header import apart, header
from wareloom.readers._text import CHUNK, Text
from wareloom.shop.schema import MAP

EXTRA = " more fields"
PARQUET = (".parquet", ".pq")
WIDE = 64
"""Columns above which what concerns all of them is worked out batch by batch."""
TRACE = (ROW, FILE, BROKEN)


def delimited(
    text: Text,
    *,
    separator: str = ",",
    columns: Sequence[str] | None = None,
    quote: str | None = '"',
    before: int = 0,
    say: Callable[[str], None] | None = None,
) -> pl.LazyFrame:
    """Scan a delimited file. `columns` names the fields of a file without a header.

    All cells are text. Rows with more or fewer fields than there are columns carry what is wrong in `source_defect`.
    `before` lines of the file stand no longer in `text`. What was decided of the header is told to `say`.
    """
    headed = columns is None
    if columns is None:
        names, told = header(text, separator, quote)
        for sentence in told if say else ():
            say(sentence)  # type: ignore[misc]
    else:
        names = list(columns)
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
        row_index_offset=before + (2 if headed else 1),
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
            np.asarray(short, dtype=np.uint32) + np.uint32(before + 1),
            dtype=frame.collect_schema()[ROW],
        )
        fewer = pl.when(pl.col(ROW).is_in(rows.implode())).then(
            pl.lit(f"fewer fields than the {len(names)} columns")
        )
        more = pl.coalesce(more, fewer)
    frame = _without_blank(frame, names)
    return frame.with_columns(more.alias(BROKEN), pl.lit(text.name).alias(FILE)).drop(EXTRA)


def _without_blank(frame: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """The rows of which any cell is filled.

    Of a wide file they are found batch by batch: polars takes gigabytes to plan a condition on thousands of columns.
    """
    if len(names) <= WIDE:
        return frame.filter(~pl.all_horizontal(pl.col(names).is_null()))

    def filled(batch: pl.DataFrame) -> pl.DataFrame:
        return batch.filter(~batch.select(pl.all_horizontal(pl.col(names).is_null())).to_series())

    return frame.map_batches(filled, streamable=True)


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


def parquet(path: Path, name: str, say: Callable[[str], None] | None = None) -> pl.LazyFrame:
    """Scan a Parquet file that is called `name` outside."""
    with guarded(name):
        frame = pl.scan_parquet(path, glob=False)
        there = frame.collect_schema().names()
    if set(there) & set(TRACE):
        return simple(numbered(frame, there, name, say))
    frame = pl.scan_parquet(path, row_index_name=ROW, row_index_offset=1, glob=False)
    return simple(frame.with_columns(pl.lit(name).alias(FILE)))


def simple(frame: pl.LazyFrame) -> pl.LazyFrame:
    """A frame whose columns every stage takes: categories and lengths of time as text, as are objects of Python."""
    made = []
    for name, dtype in frame.collect_schema().items():
        if isinstance(dtype, pl.Categorical | pl.Enum):
            made.append(pl.col(name).cast(pl.String))
        elif isinstance(dtype, pl.Duration):
            made.append(pl.col(name).dt.to_string("iso"))
        elif isinstance(dtype, pl.Object):
            made.append(pl.col(name).map_batches(_words, return_dtype=pl.String))
    return frame.with_columns(made) if made else frame


def _words(cells: pl.Series) -> pl.Series:
    return pl.Series(cells.name, [None if v is None else str(v) for v in cells], dtype=pl.String)


def columns_of(path: Path) -> set[str]:
    """The columns of a Parquet file, for `detect`: none where it cannot be read."""
    try:
        return set(pl.read_parquet_schema(path))
    except (pl.exceptions.PolarsError, OSError):
        return set()


def numbered(
    frame: pl.LazyFrame, there: Sequence[str], name: str, say: Callable[[str], None] | None = None
) -> pl.LazyFrame:
    """A frame whose rows say where they stood; columns `there` with the names of ours get numbers."""
    names, told = apart(there, name)
    if told:
        for sentence in told if say else ():
            say(sentence)  # type: ignore[misc]
        frame = frame.rename(dict(zip(there, names, strict=True)))
    return frame.with_row_index(ROW, offset=1).with_columns(pl.lit(name).alias(FILE))


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
    names = list(names or columns)
    if len(columns) > WIDE:
        called = dict(zip(columns, names, strict=True))
        return pl.struct(columns).map_batches(
            lambda rows: _long(rows, called), return_dtype=MAP, is_elementwise=True
        )
    made = []
    for column, name in zip(columns, names, strict=True):
        text = _plain_text(pl.col(column))
        made.append(pl.struct(name=pl.lit(name), value=pl.when(text != "").then(text)))
    full = pl.concat_list(made).list.filter(pl.element().struct.field("value").is_not_null())
    return pl.when(full.list.len() > 0).then(full)


def _plain_text(cells: pl.Expr) -> pl.Expr:
    """Cells as one text each, lists with commas."""
    text = cells.cast(pl.String).str.strip_prefix(LIST).str.replace_all(LIST, ", ", literal=True)
    return text.str.strip_chars()


def _long(rows: pl.Series, names: dict[str, str]) -> pl.Series:
    """The map of many columns, made from the long form of a batch: linear in its cells."""
    batch = rows.struct.unnest()
    if any(dtype != pl.String for dtype in batch.dtypes):
        batch = batch.cast(pl.String)
    long = batch.with_row_index(" n").unpivot(index=" n", variable_name="name")
    long = long.drop_nulls("value").with_columns(_plain_text(pl.col("value")))
    long = long.filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
    long = long.with_columns(pl.col("name").replace_strict(names, return_dtype=pl.String))
    made = (
        long.sort(" n", maintain_order=True)
        .group_by(" n", maintain_order=True)
        .agg(pl.struct("name", "value").alias("made"))
    )
    places = pl.DataFrame({" n": range(len(rows))}, schema={" n": pl.UInt32})
    return places.join(made, on=" n", how="left", maintain_order="left")["made"]


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


def without_trace(frame: pl.LazyFrame) -> list[str]:
    """The columns that a file itself has."""
    return [c for c in frame.collect_schema().names() if c not in TRACE]
