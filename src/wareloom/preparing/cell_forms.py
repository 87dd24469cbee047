"""How the columns of a table are written: told from their first cells, and again from all where cells do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from wareloom.errors import SettingError
from wareloom.preparing.amounts import MONEY, Marks, amount, marks_by_file, marks_of
from wareloom.preparing.nothing import EMPTY
from wareloom.preparing.staged import FILE, Staged
from wareloom.preparing.times import TELLING, Clock, clock, undecided
from wareloom.preparing.values import Clocks, Form
from wareloom.shop.schema import TABLES, TIME

SAMPLE = 1000
"""Cells from which a column's form is told at first."""


@dataclass(frozen=True)
class Given:
    """What somebody said of how the source is written: for all its files, and for some."""

    time_format: str = ""
    decimal: str = ""
    time_formats: Mapping[str, str] = field(default_factory=dict)
    """Forms of times by name of the file"""
    decimals: Mapping[str, str] = field(default_factory=dict)
    """Decimal marks by name of the file"""

    @classmethod
    def of(cls, time_format: str | Mapping[str, str], decimal: str | Mapping[str, str]) -> Given:
        """Take each as text for all files, or by file, where the empty name stands for all others."""
        times = {"": time_format} if isinstance(time_format, str) else dict(time_format)
        marks = {"": decimal} if isinstance(decimal, str) else dict(decimal)
        for mark in marks.values():
            if mark not in ("", ".", ","):
                raise SettingError(f'decimal={mark!r} is not known. Known: "." and ",".')
        return cls(times.pop("", ""), marks.pop("", ""), times, marks)


def forms_of(
    name: str, frame: pl.LazyFrame, sources: Mapping[str, str], given: Given
) -> dict[str, Form]:
    """Return the form of each column of times, and of each column of decimal numbers that came as text.

    `sources` are the frame's columns by the table's. Raises `SchemaError` where a form cannot be told.
    """
    forms: dict[str, Form] = {}
    found = frame.collect_schema()
    for column, source in sources.items():
        dtype, wanted = found[source], TABLES[name].columns[column].dtype
        where = f"Table {name!r}, column {column!r}"
        if wanted == TIME and not dtype.is_temporal():
            forms[column] = _clocks(frame, source, where, given)
        elif wanted.is_float() and dtype == pl.String:
            forms[column] = number_form(frame, source, where, money=column in MONEY, given=given)
    return forms


def number_form(
    frame: pl.LazyFrame, column: str, where: str, *, money: bool, given: Given, whole: bool = False
) -> Marks:
    """Return how the numbers of a column of text are written, by its first cells or, with `whole`, by all of them."""
    others = frame
    if given.decimals:
        others = frame.filter(~pl.col(FILE).is_in(list(given.decimals)))
    found = None
    if whole and given.decimal:
        found = Marks(plain=False, mark=given.decimal)
    elif not whole:
        found = marks_of(_first(others, column), money=money, given=given.decimal)
    found = found or marks_by_file(others, column, where, money=money)
    if not given.decimals:
        return found
    mark = found.mark or ("." if found.plain and found.known else "")
    return Marks(plain=False, mark=mark, files={**found.files, **given.decimals})


def numbers(
    frame: pl.LazyFrame, column: str, where: str, decimal: str, decimals: Mapping[str, str]
) -> pl.Expr:
    """Numbers of a column of any type, null where there is none; `decimal` and `decimals` (by file) as `admit` takes.

    Raises `SchemaError` where the decimal mark cannot be told.
    """
    found = frame.collect_schema()
    if found[column] != pl.String:
        return pl.col(column).cast(pl.Float64, strict=False)
    if FILE not in found:
        frame = frame.with_columns(pl.lit("").alias(FILE))
    given = Given.of("", {"": decimal, **decimals})
    form = number_form(frame, column, where, money=False, given=given)
    return amount(pl.col(column).str.strip_chars(), form, money=False)


def _first(frame: pl.LazyFrame, column: str) -> pl.Series:
    """The first cells of a column that say something."""
    return _said(frame, column).select(column).head(SAMPLE).collect()[column]


def _said(frame: pl.LazyFrame, column: str) -> pl.LazyFrame:
    """The rows in which a column says something."""
    return frame.filter(~pl.col(column).cast(pl.String).str.strip_chars().is_in(EMPTY))


def _clocks(frame: pl.LazyFrame, column: str, where: str, given: Given) -> Clocks:
    """Find how a column of times is written, from the first cells of its first file.

    Where these are dates whose days are all below 13, cells of the column that tell day from month count, too.
    """
    files = {name: clock(pl.Series([]), where, form) for name, form in given.time_formats.items()}
    if given.time_format:
        return Clocks(clock(pl.Series([]), where, given.time_format), files)
    others = frame.filter(~pl.col(FILE).is_in(list(files))) if files else frame
    cells = _said(others, column).select(column, FILE).head(SAMPLE).collect()
    file = cells[FILE][0] if len(cells) else ""
    sample = cells.filter(pl.col(FILE) == file)[column]
    telling = _telling(others, column) if undecided(sample) else {}
    return Clocks(clock(sample, where, file=file, telling=telling), files)


def _telling(frame: pl.LazyFrame, column: str) -> dict[str, pl.Series]:
    """Dates that tell day from month, by file in their order."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    found = frame.filter(text.str.contains(TELLING)).group_by(FILE).agg(text.head(100))
    rows = found.collect(engine="streaming").sort(FILE).iter_rows()
    return {name: pl.Series(cells, dtype=pl.String) for name, cells in rows}


def second_look(
    staged: Staged,
    frame: pl.LazyFrame,
    sources: Mapping[str, str],
    forms: Mapping[str, Form],
    given: Given,
) -> dict[str, Form]:
    """Return the forms anew where cells did not fit that fit another form of their file or of the whole column."""
    again = dict(forms)
    for column, form in forms.items():
        bad = _misfits(staged, column)
        if bad is None:
            continue
        where = f"Table {staged.name!r}, column {column!r}"
        if isinstance(form, Marks):
            money = column in MONEY
            text = bad.filter(~pl.col(FILE).is_in(list(given.decimals))).select(
                pl.col("raw").str.strip_chars().alias("raw")
            )
            own = amount(pl.col("raw"), Marks(plain=False, mark=given.decimal), money=money)
            open_ = pl.col("raw").str.contains(r"\d[.,]\d{3}(\D|$)")
            if not text.select((own.is_not_null() | open_).any()).item():
                continue
            again[column] = number_form(
                frame, sources[column], where, money=money, given=given, whole=True
            )
        elif isinstance(form, Clocks) and not given.time_format:
            misfits = [f for f in bad[FILE].unique() if f not in form.files]
            others = frame.filter(~pl.col(FILE).is_in(list(form.files)))
            files = _own_clocks(others, sources[column], form.usual, misfits, where)
            own_clocks = {f: c for f, c in files.items() if c != form.usual}
            again[column] = Clocks(form.usual, {**form.files, **own_clocks})
    return again


def _misfits(staged: Staged, column: str) -> pl.DataFrame | None:
    """Cells that did not fit the column's form, with their files; None where all did."""

    def wanted(reasons: tuple[str, ...], text: str) -> list[int]:
        return [i for i, r in enumerate(reasons) if r.startswith(f"{column}: {text}")]

    codes = [
        i
        for text in ("not a time", "not a number")
        for i in wanted(tuple(d.reason for d in staged.defects), text)
    ]
    bits = [
        1 << i
        for text in ("not a time", "not a number")
        for i in wanted(tuple(d.reason for d in staged.blanks), text)
    ]
    scan = staged.scan()
    test = pl.col("_defect").is_in(codes)
    for bit in bits:
        test |= (pl.col("_blank") & bit) > 0
    found = scan.filter(test).select(FILE, pl.col(f"raw {column}").alias("raw"))
    found = found.drop_nulls().group_by(FILE).agg(pl.col("raw").unique().head(SAMPLE))
    frame = found.explode("raw").collect()
    return None if frame.is_empty() else frame


def _own_clocks(
    frame: pl.LazyFrame, column: str, usual: Clock, files: list[str], where: str
) -> dict[str, Clock]:
    """The form of each file by its own first cells.

    Raises `SchemaError` where files mean different things by dates of one shape, and another file has such dates that
    do not tell which.
    """
    cells = _said(frame, column).group_by(FILE).agg(pl.col(column).head(SAMPLE))
    samples = {
        name: pl.Series(sample)
        for name, sample in cells.collect(engine="streaming").sort(FILE).iter_rows()
    }
    telling = _telling(frame, column)

    def own(name: str) -> Clock:
        place = f"{where}, {name}"
        return clock(samples[name], place, file=name, telling=telling)

    made = {name: own(name) for name in sorted(files)}
    patterns = {c.pattern for c in (usual, *made.values()) if c.pattern}
    if any(_turned(pattern) in patterns for pattern in patterns):
        for name in (n for n, sample in samples.items() if n not in made and undecided(sample)):
            own(name)
    return made


def _turned(pattern: str) -> str:
    """A pattern with day and month exchanged."""
    return pattern.replace("%d", "%0").replace("%m", "%d").replace("%0", "%m")
