"""Frames of polars as frames of pandas, for who works with those: pandas is an optional package."""

from __future__ import annotations

from typing import Any

import polars as pl

from wareloom.errors import needed


def to_pandas(frame: pl.DataFrame) -> Any:
    """Return a frame of pandas with the same columns and rows; raises `MissingExtraError` where pandas is missing.

    Whole numbers and booleans with gaps get pandas' types that have gaps (Int64, boolean), times stay times in
    microseconds, categories stay categories, and the fields of a record become columns: `behind.low`. Lists stay lists.
    pyarrow is not needed.
    """
    pandas = needed("pandas", "pandas", "A frame of pandas")
    flat = unnested(frame)
    return pandas.DataFrame({column.name: _column(pandas, column) for column in flat})


def unnested(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with a column for each field of a record, named `record.field`, where it has records."""
    records = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Struct)]
    while records:
        frame = frame.unnest(records, separator=".")
        records = [name for name, dtype in frame.schema.items() if isinstance(dtype, pl.Struct)]
    return frame


def _column(pandas: Any, column: pl.Series) -> Any:
    """One column as pandas has it."""
    kind = column.dtype
    if kind.is_integer() and column.null_count():
        name = type(kind).__name__
        return pandas.array(column.to_list(), dtype=name)
    if kind == pl.Boolean and column.null_count():
        return pandas.array(column.to_list(), dtype="boolean")
    if kind.is_numeric() and not kind.is_decimal():
        return column.to_numpy()
    if isinstance(kind, pl.Categorical | pl.Enum):
        names = kind.categories.to_list() if isinstance(kind, pl.Enum) else None
        return pandas.Categorical(column.cast(pl.String).to_list(), categories=names)
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        moments = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        zoned = pandas.Series(moments.to_numpy()).dt.tz_localize("UTC")
        return zoned.dt.tz_convert(kind.time_zone)
    if isinstance(kind, pl.Datetime | pl.Duration):
        return column.to_numpy()
    if kind == pl.Boolean:
        return column.to_numpy()
    return pandas.Series(column.to_list(), dtype=None if kind == pl.String else object)
