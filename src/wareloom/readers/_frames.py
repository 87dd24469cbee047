"""Frames in memory as a source: of polars, of pandas, or of whatever gives Arrow data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from wareloom.errors import SourceError

FRAMES = "frames"
"""What the source is called in messages and in read.json"""
ONE = "frame"
"""What a single frame is called"""


def frames_of(source: Any) -> dict[str, pl.LazyFrame]:
    """Return frames by name for a frame or a mapping of frames. Raises `SourceError` for what is none."""
    given = source if isinstance(source, Mapping) else {ONE: source}
    if not given:
        raise SourceError("There is no frame to read: the mapping is empty.")
    return {str(name): _lazy(str(name), frame) for name, frame in given.items()}


def _lazy(name: str, frame: Any) -> pl.LazyFrame:
    if isinstance(frame, pl.LazyFrame):
        return frame
    if isinstance(frame, pl.DataFrame):
        return frame.lazy()
    if hasattr(frame, "__arrow_c_stream__"):
        try:
            return pl.DataFrame(frame).lazy()
        except (ImportError, TypeError, pl.exceptions.PolarsError):
            pass  # pandas gives Arrow data only where pyarrow is installed.
    if hasattr(frame, "to_dict") and hasattr(frame, "columns"):
        return _plain(name, frame).lazy()
    raise SourceError(
        f"{name} is a {type(frame).__name__}: give a file, a folder, a frame of polars or pandas, or frames by name."
    )


def _plain(name: str, frame: Any) -> pl.DataFrame:
    """A frame of pandas by its plain values; NaN and NaT are nothing."""
    columns = [str(column) for column in frame.columns]
    if len(set(columns)) < len(columns):
        twice = next(c for c in columns if columns.count(c) > 1)
        raise SourceError(
            f"{name} has several columns that are called {twice!r}: give each a name."
        )
    made = {}
    for column, values in zip(columns, frame.to_dict("list").values(), strict=True):
        # What is not equal to itself is NaN or NaT.
        cells = [None if v is None or v != v else v for v in values]
        if len({isinstance(v, str) for v in cells if v is not None}) > 1:
            cells = [None if v is None else str(v) for v in cells]
        made[column] = pl.Series(cells, strict=False)
    return pl.DataFrame(made)
