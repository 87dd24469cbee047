"""Grades of judgments, of whatever scale, on the scale of the house: 0 to 3."""

from __future__ import annotations

import polars as pl

from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.cell_forms import numbers
from wareloom.preparing.door import guarded
from wareloom.preparing.nothing import EMPTY
from wareloom.readers import Intake

WORDS = {
    "e": 3.0,
    "s": 2.0,
    "c": 1.0,
    "i": 0.0,
    "exact": 3.0,
    "substitute": 2.0,
    "complement": 1.0,
    "partial": 1.5,
    "irrelevant": 0.0,
    "perfect": 3.0,
    "excellent": 2.25,
    "good": 1.5,
    "fair": 0.75,
    "bad": 0.0,
    "highly relevant": 3.0,
    "partially relevant": 1.5,
    "somewhat relevant": 1.5,
    "relevant": 3.0,
    "not relevant": 0.0,
    "nonrelevant": 0.0,
    "non-relevant": 0.0,
    "yes": 3.0,
    "no": 0.0,
    "true": 3.0,
    "false": 0.0,
    "相关": 3.0,
    "部分相关": 1.5,
    "不相关": 0.0,
    "无关": 0.0,
    "是": 3.0,
    "否": 0.0,
}
"""Grade by the word that ESCI, WANDS, search engines and people write, in small letters; only their order is known"""
SHOWN = 6
"""Words that an error names"""


def graded(frame: pl.LazyFrame, scale: str, decimal: str, intake: Intake) -> pl.LazyFrame:
    """Map the column grade linearly from `scale` ("lo:hi"; found from the data where empty) to 0–3.

    Where all grades are one number above 0, as of queries with their right items alone, it is 3, and that is said, as
    is any scale that was found and is not 0 to 3. Words in place of numbers are graded where all are known.
    `decimal` is the decimal mark, found from the data where empty and where the map says none.
    Raises `SchemaError` where the scale cannot be told.
    """
    if (words := _words(frame)) and not any(c.isdigit() for word in words for c in word):
        return _of_words(frame, words, scale, intake)
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
        elif (lo, hi) != (0.0, 3.0):
            intake.say(
                f"Grades from {lo:g} to {hi:g} are taken for the whole scale: {lo:g} is 0, and {hi:g} is 3. If it is "
                f"wider, say it, for example --set grade_scale={lo:g}:{hi + 1:g}."
            )
    mapped = (number - lo) / (hi - lo) * 3.0
    text = (
        pl.when(number.is_finite())
        .then(mapped.cast(pl.String))
        .otherwise(pl.col("grade").cast(pl.String))
    )
    return frame.with_columns(text.alias("grade"))


def _words(frame: pl.LazyFrame) -> list[str]:
    """The different grades as they are written, those that say nothing left out."""
    text = pl.col("grade").cast(pl.String).str.strip_chars().alias("grade")
    with guarded("the judgments"):
        told = frame.select(text).filter(~pl.col("grade").is_in(EMPTY)).unique()
        return told.collect(engine="streaming")["grade"].drop_nulls().sort().to_list()


def _of_words(frame: pl.LazyFrame, words: list[str], scale: str, intake: Intake) -> pl.LazyFrame:
    """Grade `words`, each by its place on the scale of the house: none is stretched where the ends are not there.

    Raises `SchemaError` for a word that is not known, and `SettingError` for a scale, which is one of numbers.
    """
    if strange := [word for word in words if word.lower() not in WORDS]:
        known = ", ".join(word for word in WORDS if len(word) > 1 and word.isascii())
        more = " …" if len(strange) > SHOWN else ""
        raise SchemaError(
            f"Table 'judgments', column 'grade': {', '.join(map(repr, strange[:SHOWN]))}{more} is neither a number nor "
            f"a word that is known. Write numbers in the source, or words of these: {known}."
        )
    if scale:
        raise SettingError(
            f"grade_scale={scale!r} is for numbers, and the grades are {', '.join(words[:SHOWN])}: leave it away."
        )
    best_first = sorted(words, key=lambda word: (-WORDS[word.lower()], word))
    said = ", ".join(f"{word} {WORDS[word.lower()]:g}" for word in best_first)
    intake.say(
        f"The grades are words, of which the order alone is known. They are taken for {said}."
    )
    word = pl.col("grade").cast(pl.String).str.strip_chars().str.to_lowercase()
    number = word.replace_strict(WORDS, default=None, return_dtype=pl.Float64)
    return frame.with_columns(number.cast(pl.String).alias("grade"))


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
