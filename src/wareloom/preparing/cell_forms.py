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
    frame: pl.LazyFrame, column: str, where: str, *, money: bool, given: Given
) -> Marks:
    """Return how the numbers of a column of text are written."""
    if given.decimals:
        usual = given.decimal or "."
        return Marks(plain=False, mark=usual, files=given.decimals)
    sample = _first(frame, column)
    found = marks_of(sample, money=money, given=given.decimal)
    return found or marks_by_file(frame, column, where, money=money)


def _first(frame: pl.LazyFrame, column: str, *where: pl.Expr, one_file: bool = False) -> pl.Series:
    """The first cells of a column that say something, with `one_file` those of the first file."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    said = frame.filter(*where) if where else frame
    cells = said.filter(~text.is_in(EMPTY)).select(column, FILE).head(SAMPLE).collect()
    if one_file and len(cells):
        cells = cells.filter(pl.col(FILE) == cells[FILE][0])
    return cells[column]


def _clocks(frame: pl.LazyFrame, column: str, where: str, given: Given) -> Clocks:
    """Find how a column of times is written.

    Where its first cells are dates whose days are all below 13, the first 100 cells that tell day from month count too.
    """
    files = {name: clock(pl.Series([]), where, form) for name, form in given.time_formats.items()}
    others = [~pl.col(FILE).is_in(list(files))] if files else []
    sample = _first(frame, column, *others, one_file=not given.time_format)
    if not given.time_format and undecided(sample):
        text = pl.col(column).cast(pl.String)
        telling = frame.select(column).filter(text.str.contains(TELLING))
        sample = sample.append(telling.head(100).collect(engine="streaming")[column])
    return Clocks(clock(sample, where, given.time_format), files)


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
        if isinstance(form, Marks) and not given.decimals:
            money = column in MONEY
            text = bad.select(pl.col("raw").str.strip_chars().alias("raw"))
            own = amount(pl.col("raw"), Marks(plain=False, mark=given.decimal), money=money)
            open_ = pl.col("raw").str.contains(r"\d[.,]\d{3}(\D|$)")
            if not text.select((own.is_not_null() | open_).any()).item():
                continue
            again[column] = (
                Marks(plain=False, mark=given.decimal)
                if given.decimal
                else marks_by_file(frame, sources[column], where, money=money)
            )
        elif isinstance(form, Clocks) and not given.time_format and not form.files:
            files = _own_clocks(frame, sources[column], bad[FILE].unique().to_list(), where)
            again[column] = Clocks(form.usual, {f: c for f, c in files.items() if c != form.usual})
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


def _own_clocks(frame: pl.LazyFrame, column: str, files: list[str], where: str) -> dict[str, Clock]:
    """The form of each file by its own first cells."""
    if FILE not in frame.collect_schema():
        return {}
    text = pl.col(column).cast(pl.String).str.strip_chars()
    said = frame.filter(pl.col(FILE).is_in(files), ~text.is_in(EMPTY))
    cells = said.group_by(FILE).agg(pl.col(column).head(SAMPLE)).collect(engine="streaming")
    return {
        name: clock(sample, f"{where}, {name}")
        for name, sample in cells.sort(FILE).iter_rows()
        for sample in [pl.Series(sample)]
    }
