"""Cells as they come from outside, to the types of the schema: each cell gives a value, or a defect that has a name."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from wareloom.preparing.amounts import MONEY, Marks, amount
from wareloom.preparing.cleaning_text import ENTITY
from wareloom.preparing.nothing import EMPTY, NO_NUMBER, SIGNS, no_word
from wareloom.preparing.spans import slot_cells
from wareloom.preparing.times import Clock, time_value
from wareloom.shop.schema import MAP, SLOTS, TIME, Column

LIST = "\x1f"
"""A text cell that begins with this character is a list; the character stands before each of its values."""
IDS = ("item_id", "user_id", "session_id", "search_id", "dialogue_id")
WORDS = ("title", "description", "query", "text")
"""Text for people: a word such as none may be meant."""
UNSEEN = r"[\x00-\x1e\x7f\u{ad}\u{200b}-\u{200f}\u{2060}\u{feff}]"
"""Characters that nobody sees, and that no id is told apart by."""
_ODD = UNSEEN.replace(r"\x1e", r"\x1f")
_DEEPEST = 4


@dataclass(frozen=True)
class Defect:
    """What can be wrong with a cell or a row."""

    column: str
    text: str
    fatal: bool = True
    """Whether it stops the reading (unless told to reject), or only sets the row aside."""

    @property
    def reason(self) -> str:
        """The words that stand in the column `reason` of rejected rows."""
        return f"{self.column}: {self.text}"


@dataclass(frozen=True)
class Cell:
    """A column's value and the conditions under which it is defective, in the order in which they are asked."""

    value: pl.Expr
    defects: tuple[tuple[pl.Expr, Defect], ...] = ()


@dataclass(frozen=True)
class Clocks:
    """How a column writes its times: one form, and by file where one has its own."""

    usual: Clock
    files: Mapping[str, Clock] = field(default_factory=dict)


Form = Clocks | Marks | None
"""How a column of times or numbers is written."""


def _clean(name: str, dtype: Any, nothing: tuple[str, ...] = EMPTY) -> pl.Expr:
    """The column's text without blanks at its ends; an empty cell and a word for nothing are null."""
    column = pl.col(name)
    if dtype == pl.String:
        text = column.str.strip_chars()
        return pl.when(~text.is_in(nothing)).then(text)
    return column.cast(pl.String)


def cell(name: str, column: Column, dtype: Any, form: Form = None, source: str = "") -> Cell:
    """Build the value and the defects of column `name`, which comes as `dtype` in the column `source`."""
    source = source or name
    if column.dtype == TIME:
        made = _time(
            name, source, dtype, form if isinstance(form, Clocks) else Clocks(Clock(unit="s"))
        )
    elif column.dtype == pl.String:
        made = Cell(_string(name, source, dtype))
    elif column.dtype == pl.List(pl.String):
        made = Cell(_strings(source, dtype))
    elif column.dtype == MAP:
        made = Cell(_map(source))
    elif column.dtype == SLOTS:
        made = _slots(name, source)
    elif column.dtype == pl.Binary:
        made = Cell(pl.col(source).cast(pl.Binary))
    else:
        made = _number(name, source, dtype, column, form if isinstance(form, Marks) else None)
    if column.values:
        wrong = made.value.is_not_null() & ~made.value.is_in(list(column.values))
        made = Cell(
            made.value,
            (*made.defects, (wrong, Defect(name, "not one of " + ", ".join(column.values)))),
        )
    if column.required:
        lacks = made.value.is_null()
        if column.unless:
            other, value = column.unless
            said = pl.col(other).cast(pl.String).str.strip_chars()
            lacks &= said.ne_missing(pl.lit(value))
        made = Cell(made.value, (*made.defects, (lacks, Defect(name, "missing", fatal=False))))
    return made


def _string(name: str, source: str, dtype: Any) -> pl.Expr:
    column = pl.col(source)
    if dtype.is_float() or dtype.is_decimal():
        whole = column.cast(pl.Int64, strict=False)
        text = (
            pl.when(whole == column).then(whole.cast(pl.String)).otherwise(column.cast(pl.String))
        )
        return pl.when(column.is_not_nan()).then(text) if dtype.is_float() else text
    if isinstance(dtype, pl.List):
        return column.cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean:
        return column.cast(pl.String)
    text = column.cast(pl.String)
    if name in IDS:
        text = text.map_batches(_seen, return_dtype=pl.String, is_elementwise=True)
    else:
        text = text.str.replace_all(LIST, " ", literal=True)
    text = text.str.strip_chars()
    return pl.when(~text.is_in(SIGNS if name in WORDS else EMPTY)).then(text)


def _seen(text: pl.Series) -> pl.Series:
    """Ids without what nobody sees; to look is cheaper than to replace, and most ids have nothing of it."""
    if not text.str.contains(_ODD).any():
        return text
    return text.str.replace_all(LIST, " ", literal=True).str.replace_all(UNSEEN, "")


def _strings(name: str, dtype: Any) -> pl.Expr:
    """A list of text: from a list, from nested lists (each value once), or from text split at ">" or "|".

    Entities are read before text is split: &gt; separates as > does.
    """
    if isinstance(dtype, pl.List):
        values = pl.col(name)
        if isinstance(dtype.inner, pl.List):
            values = values.list.eval(pl.element().explode())
        values = values.cast(pl.List(pl.String))
    else:
        text = _clean(name, dtype)
        if dtype == pl.String:
            text = text.map_batches(_opened, return_dtype=pl.String, is_elementwise=True)
        values = (
            pl.when(text.str.starts_with(LIST))
            .then(text.str.strip_prefix(LIST).str.split(LIST))
            .when(text.str.contains(">", literal=True))
            .then(text.str.split(">"))
            .when(text.str.contains("|", literal=True))
            .then(text.str.split("|"))
            .otherwise(pl.concat_list(text))
        )
        values = pl.when(text.is_not_null()).then(values)
    part = pl.element().str.strip_chars()
    values = values.list.eval(part.filter(part.is_not_null() & ~part.is_in(EMPTY)))
    return values.list.unique(maintain_order=True)


def _map(name: str) -> pl.Expr:
    """A map without the names whose value says nothing; null where none is left."""
    value = pl.element().struct.field("value")
    said = pl.element().filter(value.is_not_null() & ~value.str.strip_chars().is_in(EMPTY))
    values = pl.col(name).cast(MAP).list.eval(said)
    return pl.when(values.list.len() > 0).then(values)


def _slots(name: str, source: str) -> Cell:
    """Slots of a text: a list of structs, or JSON of one; a cell with a wrong span is no slots."""
    both = pl.struct(pl.col(source).alias("slots"), pl.col("text").alias("text"))
    read = both.map_batches(slot_cells, return_dtype=SLOTS, is_elementwise=True)
    said = pl.col(source).is_not_null()
    wrong = said & read.is_null()
    value = pl.when(read.list.len() > 0).then(read)
    return Cell(
        value,
        (
            (
                wrong,
                Defect(name, "no list of {name, value, start, end} whose spans are in the text"),
            ),
        ),
    )


def _opened(text: pl.Series) -> pl.Series:
    """Text with its entities read, those inside entities, too."""
    for _ in range(_DEEPEST):
        where = text.str.contains(ENTITY).fill_null(False).arg_true()
        if not len(where):
            break
        read = [re.sub(ENTITY, lambda m: html.unescape(m[0]), v) for v in text.gather(where)]
        if read == text.gather(where).to_list():
            break
        text = text.scatter(where, pl.Series(read, dtype=pl.String))
    return text


def _number(name: str, source: str, dtype: Any, column: Column, marks: Marks | None) -> Cell:
    text = _clean(source, dtype, NO_NUMBER)
    if dtype.is_numeric():
        value = pl.col(source).cast(pl.Float64)
    elif column.dtype.is_integer():
        value = text.cast(pl.Float64, strict=False)
    else:
        value = amount(text, marks or Marks(known=True), money=name in MONEY)
    defects = [
        (text.is_not_null() & value.is_null(), Defect(name, "not a number")),
        (~value.is_finite(), Defect(name, "NaN or infinite")),
    ]
    if column.minimum is not None:
        defects.append((value < column.minimum, Defect(name, f"less than {column.minimum:g}")))
    if column.maximum is not None:
        defects.append((value > column.maximum, Defect(name, f"more than {column.maximum:g}")))
    if column.dtype.is_integer():
        defects.append((value != value.round(), Defect(name, "not a whole number")))
        defects.append((value.abs() > 2**31 - 1, Defect(name, "too large")))
    return Cell(value.cast(column.dtype, strict=False), tuple(defects))


def _time(name: str, source: str, dtype: Any, clocks: Clocks) -> Cell:
    column = pl.col(source)
    if isinstance(dtype, pl.Datetime):
        value = (
            column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            if dtype.time_zone
            else column
        )
        return Cell(value.cast(TIME))
    if dtype == pl.Date:
        return Cell(column.cast(TIME))
    text = _clean(source, dtype)
    there = text.is_not_null() & no_word(text)
    if dtype.is_float():
        there &= column.is_not_nan()
    value = time_value(source, dtype, text, clocks.usual)
    defects = []
    rest = there
    for form in dict.fromkeys(clocks.files.values()):
        files = [name for name, own in clocks.files.items() if own == form]
        mine = pl.col("source_file").is_in(files)
        value = pl.when(mine).then(time_value(source, dtype, text, form)).otherwise(value)
        defects.append((mine & there & value.is_null(), _not_a_time(name, form)))
        rest &= ~mine
    defects.append((rest & value.is_null(), _not_a_time(name, clocks.usual)))
    return Cell(value, tuple(defects))


def _not_a_time(name: str, form: Clock) -> Defect:
    return Defect(name, f"not a time in {form.words}, as the column's other cells are")


__all__ = ["EMPTY", "LIST", "Cell", "Clock", "Clocks", "Defect", "Form", "amount", "cell"]
