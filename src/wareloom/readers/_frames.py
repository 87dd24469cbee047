"""Frames in memory as a source: of polars, of pandas, or of whatever gives Arrow data."""

from __future__ import annotations

import datetime as dt
import numbers
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.door import guarded
from wareloom.readers._json import as_text
from wareloom.readers._scan import simple

FRAMES = "frames"
"""What the source is called in messages and in read.json"""
ONE = "frame"
"""What a single frame is called"""
EXACT = 53
"""Binary digits that a float has: below that power of 2 every whole number is a float of its own"""
KEPT = "iufb"
"""Kinds of numpy arrays that polars takes as they are: numbers and booleans"""


def frames_of(source: Any) -> dict[str, pl.LazyFrame]:
    """Return frames by name for a frame or a mapping of frames.

    Raises `SourceError` for what is no frame, has no row, or has two columns of one name.
    """
    given = source if isinstance(source, Mapping) else {ONE: source}
    if not given:
        raise SourceError("There is no frame to read: the mapping is empty.")
    return {str(name): _filled(str(name), _lazy(str(name), frame)) for name, frame in given.items()}


def _lazy(name: str, frame: Any) -> pl.LazyFrame:
    if isinstance(frame, pl.LazyFrame):
        return frame
    if isinstance(frame, pl.DataFrame):
        return frame.lazy()
    if all(hasattr(frame, part) for part in ("columns", "index", "isna", "iloc")):
        return _of_pandas(name, frame).lazy()
    if hasattr(frame, "__arrow_c_stream__"):
        try:
            return pl.DataFrame(frame).lazy()
        except (ImportError, TypeError, ValueError, pl.exceptions.PolarsError):
            pass
    rows = " Rows become a frame by polars.DataFrame(rows)." if isinstance(frame, list) else ""
    raise SourceError(
        f"{name} is a {type(frame).__name__}: give a file, a folder, a frame of polars, pandas or pyarrow, or "
        f"frames by name.{rows}"
    )


def _filled(name: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """A frame that has rows, its columns of types that every stage takes."""
    with guarded(name):
        if frame.collect_schema() and frame.head(1).collect().is_empty():
            raise SourceError(
                f"{name} has columns and no rows: was it filtered too far? Leave it out, or give its rows."
            )
        return simple(frame)


def _of_pandas(name: str, frame: Any) -> pl.DataFrame:
    """A frame of pandas by its values; what pandas takes for nothing (NaN, NaT, NA) is null, a named index a column."""
    columns = [_joined(column) for column in frame.columns]
    found = [frame.iloc[:, place] for place in range(len(columns))]
    levels = [(_joined(n), place) for place, n in enumerate(frame.index.names) if n is not None]
    for level, place in levels:
        if level not in columns:
            columns.append(level)
            found.append(frame.index.get_level_values(place).to_series())
    if twice := next((c for c in columns if columns.count(c) > 1), None):
        raise SourceError(
            f"{name} has several columns that are called {twice!r}: give each a name."
        )
    return pl.DataFrame([_column(c, cells) for c, cells in zip(columns, found, strict=True)])


def _joined(column: Any) -> str:
    """A column's name; the levels of one that has several, with underscores."""
    parts = column if isinstance(column, tuple) else (column,)
    return "_".join(str(part) for part in parts if str(part))


def _column(name: str, cells: Any) -> pl.Series:
    """One column of pandas."""
    kind = cells.dtype
    if isinstance(kind, np.dtype) and kind.kind in KEPT:
        return pl.Series(name, cells.to_numpy(), nan_to_null=True)
    if isinstance(kind, np.dtype) and kind.kind == "M":
        return pl.Series(name, cells.to_numpy().astype("datetime64[us]"))
    missing = cells.isna().to_numpy()
    values = cells.to_numpy(dtype=object)
    return _series(name, [None if gone else v for v, gone in zip(values, missing, strict=True)])


def _series(name: str, cells: Sequence[Any]) -> pl.Series:
    """Python's own values: times and numbers as such where all are, else as text."""
    kinds = {type(v) for v in cells if v is not None}
    if kinds == {dt.date}:
        return pl.Series(name, cells, dtype=pl.Date)
    if kinds and all(issubclass(kind, dt.datetime) for kind in kinds):
        moments = [v if v is None or v.tzinfo is None else _utc(v) for v in cells]
        return pl.Series(name, moments, dtype=pl.Datetime("us"))
    if kinds and bool not in kinds and all(issubclass(k, numbers.Real | Decimal) for k in kinds):
        whole = all(issubclass(kind, numbers.Integral) for kind in kinds)
        limit = 1 << (63 if whole else EXACT)
        if all(abs(int(v)) < limit for v in cells if isinstance(v, numbers.Integral)):
            dtype = pl.Int64 if whole else pl.Float64
            return pl.Series(name, cells, dtype=dtype, strict=False)
    return pl.Series(name, [None if v is None else _text(v) for v in cells], dtype=pl.String)


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def _text(value: Any) -> str:
    """One cell as text: whole numbers without a point, lists behind marks, records as JSON."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, str):
        return value
    if isinstance(value, set | frozenset | tuple):
        value = list(value)
    if isinstance(value, float | Decimal) and value % 1 == 0:
        return str(int(value))
    try:
        return as_text(value)
    except TypeError:
        return str(value)
