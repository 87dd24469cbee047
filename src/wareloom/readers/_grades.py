"""Grades of judgments, of whatever scale, on the scale of the house: 0 to 3."""

from __future__ import annotations

import polars as pl

from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.door import guarded


def graded(frame: pl.LazyFrame, scale: str) -> pl.LazyFrame:
    """Map the column grade linearly from `scale` ("lo:hi"; found from the data where empty) to 0–3."""
    number = pl.col("grade").cast(pl.Float64, strict=False)
    if scale:
        low, mark, high = scale.partition(":")
        try:
            lo, hi = float(low), float(high)
        except ValueError:
            lo = hi = 0.0
        if not mark or not hi > lo:
            raise SettingError(
                f"grade_scale={scale!r} is not of the form lo:hi, for example --set grade_scale=1:5."
            )
    else:
        with guarded("the judgments"):
            finite = frame.select(number.filter(number.is_finite()).alias("grade"))
            lo, hi = (
                finite.select(pl.col("grade").min().alias("lo"), pl.col("grade").max().alias("hi"))
                .collect()
                .row(0)
            )
        if lo is None or hi <= lo:
            raise SchemaError(
                f"All grades are {lo}: their scale cannot be found. Say it, for example --set grade_scale=0:3."
            )
    mapped = (number - lo) / (hi - lo) * 3.0
    text = (
        pl.when(number.is_finite())
        .then(mapped.cast(pl.String))
        .otherwise(pl.col("grade").cast(pl.String))
    )
    return frame.with_columns(text.alias("grade"))
