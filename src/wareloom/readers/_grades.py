"""Grades of judgments, of whatever scale, on the scale of the house: 0 to 3."""

from __future__ import annotations

import polars as pl

from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.cell_forms import numbers
from wareloom.preparing.door import guarded
from wareloom.readers import Intake


def graded(frame: pl.LazyFrame, scale: str, decimal: str, intake: Intake) -> pl.LazyFrame:
    """Map the column grade linearly from `scale` ("lo:hi"; found from the data where empty) to 0–3.

    Where all grades are one number above 0, as of queries with their right items alone, it is 3, and that is said.
    `decimal` is the decimal mark, found from the data where empty and where the map says none.
    """
    with guarded("the judgments"):
        number = numbers(
            frame, "grade", "Table 'judgments', column 'grade'", decimal, intake.decimals
        )
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
        lo, hi = _ends(frame, number)
        if lo == hi and hi > 0:
            intake.say(
                f"All grades are {hi:g}: they are taken for the highest, 3, as of right items alone. "
                f"If {hi:g} is less on its scale, say the scale, for example --set grade_scale=0:3."
            )
            lo = 0.0
    mapped = (number - lo) / (hi - lo) * 3.0
    text = (
        pl.when(number.is_finite())
        .then(mapped.cast(pl.String))
        .otherwise(pl.col("grade").cast(pl.String))
    )
    return frame.with_columns(text.alias("grade"))


def _ends(frame: pl.LazyFrame, number: pl.Expr) -> tuple[float, float]:
    """The lowest and the highest grade; raises `SchemaError` where there is none, or where all are 0 or less."""
    with guarded("the judgments"):
        finite = frame.select(number.filter(number.is_finite()).alias("grade")).select(
            pl.col("grade").min().alias("lo"), pl.col("grade").max().alias("hi")
        )
        lo, hi = finite.collect().row(0)
    if lo is None or lo == hi <= 0:
        raise SchemaError(
            f"All grades are {lo}: their scale cannot be found. Say it, for example --set grade_scale=0:3."
        )
    return float(lo), float(hi)
