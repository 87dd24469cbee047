"""Cells as they come from outside, to the types of the schema: each cell gives a value, or a defect that has a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from wareloom.errors import SchemaError
from wareloom.shop.schema import MAP, TIME, Column

LIST = "\x1f"
"""A text cell that begins with this character is a list; the character stands before each of its values."""
EMPTY = ("", "NA", "null", "NULL", "None", "nan", "NaN")
"""How programs write that there is nothing, where no other reading is likely."""
SCALES = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0}
"""Microseconds in one tick of a clock; nanoseconds are divided by 1000."""
PATTERNS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f UTC",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S%.f",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d",
    "%Y年%m月%d日 %H:%M:%S",
    "%Y年%m月%d日",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
)
"""Forms of a date that are known without being told, the better one first; for those with slashes see `_slashed`."""
SLASHED = r"^(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?:( +)(\d{1,2}):\d{2}(:\d{2}(\.\d+)?)?(?:( ?)([AaPp][Mm]))?)?$"
"""Dates with slashes: two numbers of which either may be the month, the year, perhaps a time of day."""
TELLING = r"^\s*(1[3-9]|[23]\d)/\d{1,2}/|^\s*\d{1,2}/(1[3-9]|[23]\d)/"
"""Those of them that tell which number is the day."""


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
class Clock:
    """How a column writes its times: ticks since 1970, or text of one pattern."""

    unit: str = ""
    pattern: str = ""

    @property
    def words(self) -> str:
        """The form in words, for messages."""
        names = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        return f"{names[self.unit]} since 1970" if self.unit else f"the form {self.pattern}"


def clock(sample: pl.Series, where: str, given: str = "") -> Clock:
    """Find how the times of `sample` are written; `given` is a pattern, or "s", "ms", "us" or "ns".

    Raises `SchemaError` where no known form fits, or where day and month cannot be told apart.
    """
    if given:
        return Clock(unit=given) if given in SCALES else Clock(pattern=given)
    text = sample.cast(pl.String).str.strip_chars()
    text = text.filter(text.is_not_null() & (text != ""))
    if len(text) == 0:
        return Clock(unit="s")
    numbers = text.cast(pl.Float64, strict=False).drop_nulls()
    if len(numbers) * 2 > len(text):
        if text.str.contains(r"^(19|20)\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])$").all():
            return Clock(pattern="%Y%m%d")
        return Clock(unit=unit_of(float(numbers.abs().median() or 0.0)))  # type: ignore[arg-type]
    if text.str.contains(SLASHED).sum() * 2 > len(text):
        return Clock(pattern=_slashed(text.filter(text.str.contains(SLASHED)), where))
    fits = {pattern: _text_time(text, pattern).is_not_null().sum() for pattern in PATTERNS}
    best = max(fits.values())
    if best == 0:
        raise SchemaError(
            f"{where}: {text[0]!r} is not a time in any known form; "
            "say the form, for example --set time_format='%d.%m.%Y %H:%M'."
        )
    return Clock(pattern=next(pattern for pattern in PATTERNS if fits[pattern] == best))


def undecided(sample: pl.Series) -> bool:
    """Whether `sample` holds dates with slashes, and none that tells which number is the day."""
    text = sample.cast(pl.String)
    return (
        bool(text.str.strip_chars().str.contains(SLASHED).any())
        and not text.str.contains(TELLING).any()
    )


def _slashed(text: pl.Series, where: str) -> str:
    """The pattern of dates with slashes: the number above 12 is the day; the rest is as in most cells."""
    numbers = [text.str.extract(SLASHED, group).cast(pl.Int32) for group in (1, 2)]
    first, second = (int((n > 12).sum()) for n in numbers)
    forms = pl.DataFrame({"text": text}).select(
        year=pl.col("text").str.extract(SLASHED, 3).str.len_chars(),
        gap=pl.col("text").str.extract(SLASHED, 4),
        second=pl.col("text").str.extract(SLASHED, 6),
        noon=pl.col("text").str.extract(SLASHED, 8) + pl.lit("%p"),
    )
    forms = forms.with_columns(second=pl.col("second").is_not_null().cast(pl.Int8))
    kinds = (
        forms.group_by(pl.all(), maintain_order=True)
        .len()
        .sort("len", descending=True, maintain_order=True)
    )
    year, gap, seconds, noon, _ = kinds.row(0)
    hour = (
        ""
        if gap is None
        else gap + ("%I" if noon else "%H") + ":%M" + (":%S%.f" if seconds else "") + (noon or "")
    )
    rest = f"/{'%Y' if year == 4 else '%y'}{hour}"
    if first == second:
        why = (
            "no number is above 12" if not first else "as many first as second numbers are above 12"
        )
        plain = rest.replace("%.f", "")
        raise SchemaError(
            f"{where}: in {text[0]!r} day and month cannot be told apart ({why}); say the form, "
            f"--set time_format='%m/%d{plain}' or --set time_format='%d/%m{plain}'."
        )
    return ("%d/%m" if first > second else "%m/%d") + rest


def unit_of(ticks: float) -> str:
    """Tell the unit of ticks since 1970 from their magnitude."""
    for unit, limit in (("s", 1e11), ("ms", 1e14), ("us", 1e17)):
        if ticks < limit:
            return unit
    return "ns"


def _text_time(text: Any, pattern: str) -> Any:
    """Parse text (a series or an expression) by `pattern`; what does not fit is null; zones become UTC."""
    if "z" in pattern:
        return text.str.to_datetime(
            pattern, strict=False, time_unit="us", time_zone="UTC"
        ).dt.replace_time_zone(None)
    if "%H" in pattern or "%I" in pattern or "%T" in pattern:
        return text.str.to_datetime(pattern, strict=False, time_unit="us")
    return text.str.to_date(pattern, strict=False).cast(TIME)


def _clean(name: str, dtype: Any) -> pl.Expr:
    """The column's text without blanks at its ends; an empty cell is null."""
    column = pl.col(name)
    if dtype == pl.String:
        text = column.str.strip_chars()
        return pl.when(text != "").then(text)
    return column.cast(pl.String)


def cell(name: str, column: Column, dtype: Any, time: Clock | None = None) -> Cell:
    """Build the value and the defects of column `name`, which comes as `dtype`."""
    if column.dtype == TIME:
        made = _time(name, dtype, time or Clock(unit="s"))
    elif column.dtype == pl.String:
        made = Cell(_string(name, dtype))
    elif column.dtype == pl.List(pl.String):
        made = Cell(_strings(name, dtype))
    elif column.dtype in (MAP, pl.Binary):
        made = Cell(pl.col(name).cast(column.dtype))
    else:
        made = _number(name, dtype, column)
    if column.values:
        wrong = made.value.is_not_null() & ~made.value.is_in(list(column.values))
        made = Cell(
            made.value,
            (*made.defects, (wrong, Defect(name, "not one of " + ", ".join(column.values)))),
        )
    if column.required:
        made = Cell(
            made.value,
            (*made.defects, (made.value.is_null(), Defect(name, "missing", fatal=False))),
        )
    return made


def _string(name: str, dtype: Any) -> pl.Expr:
    if dtype.is_float():
        whole = pl.col(name).cast(pl.Int64, strict=False)
        return (
            pl.when(whole == pl.col(name))
            .then(whole.cast(pl.String))
            .otherwise(pl.col(name).cast(pl.String))
        )
    if isinstance(dtype, pl.List):
        return pl.col(name).cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True)
    if dtype != pl.String:
        return _clean(name, dtype)
    text = pl.col(name).str.replace_all(LIST, " ", literal=True).str.strip_chars()
    return pl.when(text != "").then(text)


def _strings(name: str, dtype: Any) -> pl.Expr:
    """A list of text: from a list, from nested lists (each value once), or from text split at ">" or "|"."""
    if isinstance(dtype, pl.List):
        values = pl.col(name)
        if isinstance(dtype.inner, pl.List):
            values = values.list.eval(pl.element().explode())
        values = values.cast(pl.List(pl.String))
    else:
        text = _clean(name, dtype)
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
    values = values.list.eval(part.filter(part.is_not_null() & (part != "")))
    return values.list.unique(maintain_order=True)


def amount(text: pl.Expr) -> pl.Expr:
    """A sum of money in text as a number, null where it is none; a sign of currency and commas of thousands may be."""
    plain = text.str.strip_chars().str.replace(r"^[$€£¥￥]\s*", "")
    grouped = plain.str.contains(r"^\d{1,3}(,\d{3})+(\.\d+)?$")
    return (
        pl.when(grouped)
        .then(plain.str.replace_all(",", ""))
        .otherwise(plain)
        .cast(pl.Float64, strict=False)
    )


def _number(name: str, dtype: Any, column: Column) -> Cell:
    text = _clean(name, dtype)
    if dtype.is_numeric():
        value = pl.col(name).cast(pl.Float64)
    elif name in ("price", "value"):
        value = amount(text)
    else:
        value = text.cast(pl.Float64, strict=False)
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


def _time(name: str, dtype: Any, form: Clock) -> Cell:
    if isinstance(dtype, pl.Datetime):
        value = (
            pl.col(name).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            if dtype.time_zone
            else pl.col(name)
        )
        return Cell(value.cast(TIME))
    if dtype == pl.Date:
        return Cell(pl.col(name).cast(TIME))
    text = _clean(name, dtype)
    if form.pattern:
        value = _text_time(text, form.pattern)
        return Cell(value, ((text.is_not_null() & value.is_null(), _not_a_time(name, form)),))
    if dtype.is_integer():
        ticks, scale = pl.col(name).cast(pl.Int64), SCALES[form.unit]
        micros = ticks * scale if scale else ticks // 1000
    else:
        number = pl.col(name) if dtype.is_float() else text.cast(pl.Float64, strict=False)
        ticks, scale = pl.when(number.is_finite()).then(number), SCALES[form.unit]
        micros = (ticks * scale if scale else ticks / 1000).round().cast(pl.Int64, strict=False)
    limits = {"s": (0, 1e11), "ms": (1e8, 1e14), "us": (1e8, 1e17), "ns": (1e8, 1e19)}
    low = {"s": 0.0, "ms": 1e11, "us": 1e14, "ns": 1e17}[form.unit]
    size = ticks.abs()
    other = ((size >= limits[form.unit][0]) & (size < low)) | (size >= limits[form.unit][1])
    value = pl.when(~other).then(micros).cast(TIME)
    return Cell(value, ((text.is_not_null() & value.is_null(), _not_a_time(name, form)),))


def _not_a_time(name: str, form: Clock) -> Defect:
    return Defect(name, f"not a time in {form.words}, as the column's other cells are")
