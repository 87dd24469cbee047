"""Amounts as they come from outside: the decimal mark of a column, signs of thousands, words and signs of currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from wareloom.errors import SchemaError
from wareloom.preparing.nothing import NO_NUMBER

MONEY = ("price", "value")
"""Columns of money: only there may a currency stand."""
_CODES = (
    "AED|AFN|ALL|AMD|AOA|ARS|AUD|AZN|BAM|BDT|BGN|BHD|BOB|BRL|BYN|CAD|CHF|CLP|CNY|COP|CRC|CZK|DKK|DOP|DZD|EGP|ETB|EUR|"
    "GBP|GEL|GHS|GTQ|HKD|HNL|HRK|HUF|IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|KHR|KRW|KWD|KZT|LAK|LBP|LKR|MAD|MDL|MKD|"
    "MMK|MNT|MOP|MUR|MXN|MYR|NGN|NIO|NOK|NPR|NZD|OMR|PAB|PEN|PHP|PKR|PLN|PYG|QAR|RON|RSD|RUB|SAR|SEK|SGD|THB|TND|TRY|"
    "TTD|TWD|TZS|UAH|UGX|USD|UYU|UZS|VES|VND|XAF|XOF|ZAR|ZMW"
)
_NAMES = (
    r"euros?|dollars?|pounds?|yen|yuan|rmb|rupees?|kronor|kroner|kr\.?|zł|zl|kč|ft|lei|лв\.?|руб\.?|р\.|грн\.?|"
    r"rs\.?|r\$|rm|rp\.?|s?fr\.?|tl|元|円|圓|원"
)
_CURRENCY = rf"(?:us|au|ca|nz|hk|nt|[acs])?\p{{Sc}}|{_CODES}|{_NAMES}"
_SIGNED = (
    rf"(?i)^(?P<a>[(+−–-]?)\s*(?P<before>{_CURRENCY})?\s*(?P<b>[+−–-]?)\s*"
    rf"(?P<number>[\d.,'’\s]*\d(?:e[+-]?\d+)?|[\d.,'’\s]*\d[.,][-–—]?)\s*(?P<after>{_CURRENCY})?\s*(?P<c>[)−–-]?)$"
)
"""An amount: a sign, a currency, the number, a currency, a closing sign."""
_BARE = r"(?i)^(?P<a>[+−-]?)(?P<number>[\d.,'’\s]*\d(?:e[+-]?\d+)?|[\d.,'’\s]*\d[.,])$"
_GROUPED = r"^\d{1,3}(?:[\s'’]\d{3})+(?:[.,]\d*)?$"
_WHOLE = r"^\d+$"
_DOT = (
    r"(?i)^(?:\d*\.\d{1,2}|\d*\.\d{4,}|0\d*\.\d{3}|\d{4,}\.\d*|\d+\.|\.\d+|\d*(?:\.\d*)?e[+-]?\d+|"
    r"\d{1,3}(?:,\d{2,3})*,\d{3}\.\d*|\d{1,3}(?:,\d{2,3})+,\d{3})$"
)
"""Numbers that can only have a decimal dot; two commas are signs of thousands."""
_COMMA = (
    r"(?i)^(?:\d*,\d{1,2}|\d*,\d{4,}|0\d*,\d{3}|\d{4,},\d*|\d+,|,\d+|\d*,\d*e[+-]?\d+|"
    r"\d{1,3}(?:\.\d{2,3})*\.\d{3},\d*|\d{1,3}(?:\.\d{2,3})+\.\d{3})$"
)
_OPEN = r"^[1-9]\d{0,2}[.,]\d{3}$"
"""Numbers whose one mark may be either: 1,299."""
_OPEN_DOT = r"^\s*[+-]?[1-9]\d{0,2}\.\d{3}\s*$"


_WIDE = dict(zip("０１２３４５６７８９．，－＋", "0123456789.,-+", strict=True))
"""Digits and marks of full width, as Chinese and Japanese keyboards write them"""


@dataclass(frozen=True)
class Marks:
    """How the numbers of a column are written."""

    plain: bool = True
    """Whether cells are read as programs write them: digits, a dot, an exponent"""
    known: bool = False
    """Whether a dot is known to be the decimal mark"""
    mark: str = ""
    """The decimal mark of all cells; where it is empty, each cell has to tell its own"""
    files: Mapping[str, str] = field(default_factory=dict)
    """Decimal marks by file, where they differ"""


def _parts(text: pl.Expr, *, money: bool) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """The number without its signs, whether it is negative, and the currency in capitals; null where there is none."""
    text = text.str.replace_many(_WIDE)
    groups = text.str.extract_groups(_SIGNED if money else _BARE).struct
    number = groups.field("number").str.replace(r"[.,]?[-–—]$|\s+$", "")
    number = (
        pl.when(number.str.contains(_GROUPED))
        .then(number.str.replace_all(r"[\s'’]", ""))
        .otherwise(number)
    )
    if not money:
        return number, groups.field("a").is_in(["-", "−"]), pl.lit(None, dtype=pl.String)
    minus = ["-", "−", "–"]
    a, b, c = (groups.field(k) for k in "abc")
    once = ((a == "(") == (c == ")")) & ((a == "") | (b == ""))
    negative = a.is_in([*minus, "("]) | b.is_in(minus) | c.is_in(minus)
    both = pl.coalesce(
        *(pl.when(groups.field(k) != "").then(groups.field(k)) for k in ("before", "after"))
    )
    return pl.when(once).then(number), negative, both.str.to_uppercase()


def _read(number: pl.Expr, mark: str) -> pl.Expr:
    """Numbers with their decimal `mark`; where it is empty, those that tell it. Others are null."""
    dot = number.str.replace_all(",", "", literal=True)
    comma = number.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    whole, opened = number.str.contains(_WHOLE), number.str.contains(_OPEN)
    is_dot, is_comma = number.str.contains(_DOT), number.str.contains(_COMMA)
    if mark == ".":
        made: pl.Expr = pl.when(is_dot | whole | opened).then(dot)
    elif mark == ",":
        made = pl.when(is_comma | whole | opened).then(comma)
    else:
        made = pl.when(is_dot | whole).then(dot).when(is_comma).then(comma)
    return made.cast(pl.Float64, strict=False)


def amount(text: pl.Expr, marks: Marks | None = None, *, money: bool = True) -> pl.Expr:
    """Numbers in text, null where there is none; money may have a currency before or after it.

    Without `marks`, each cell tells its own decimal mark: 12,90 and 1.299,00 are read, and 1,299 is null. The text has
    no blanks at its ends. Frames need the column source_file where `marks` has files.
    """
    marks = marks or Marks(plain=False)
    if marks.plain:
        value = text.cast(pl.Float64, strict=False)
        return value if marks.known else pl.when(~text.str.contains(_OPEN_DOT)).then(value)
    number, negative, _ = _parts(text, money=money)
    value = _read(number, marks.mark)
    for mark in sorted(set(marks.files.values())):
        names = [name for name, m in marks.files.items() if m == mark]
        value = (
            pl.when(pl.col("source_file").is_in(names)).then(_read(number, mark)).otherwise(value)
        )
    # What programs write for infinity and not-a-number is left for the door to name.
    odd = pl.when(text.str.contains(r"(?i)^[+-]?(?:nan|inf(?:inity)?)$")).then(
        text.cast(pl.Float64, strict=False)
    )
    return pl.coalesce(pl.when(negative).then(-value).otherwise(value), odd)


def currency(text: pl.Expr) -> pl.Expr:
    """The currency that an amount names, in capitals; null where it names none."""
    return _parts(text, money=True)[2]


def marks_of(sample: pl.Series, *, money: bool, given: str = "") -> Marks | None:
    """Find how the numbers of `sample` are written; None where only other cells of the column could tell."""
    text = sample.cast(pl.String).str.strip_chars()
    text = text.filter(text.is_not_null() & ~text.is_in(NO_NUMBER))
    simple = text.cast(pl.Float64, strict=False).is_not_null().all()
    if given:
        return Marks(plain=given == "." and bool(simple), known=True, mark=given)
    if not simple:
        dot, comma, opened = (bool(n) for n in telling(text, money=money))
        if opened and dot == comma:
            return None
        return Marks(plain=False, mark="" if dot == comma else "." if dot else ",")
    # A sign tells nothing of the mark behind it: −1.185 is as open as 1.185.
    if text.str.strip_chars_start("+-").str.contains(_DOT).any():
        return Marks(known=True, mark=".")
    return None if text.str.contains(_OPEN_DOT).any() else Marks()


def telling(text: pl.Series, *, money: bool) -> tuple[int, int, int]:
    """How many numbers tell a decimal dot, how many a comma, and how many leave it open."""
    frame = text.to_frame("text").lazy()
    return frame.select(*_counts(pl.col("text"), money=money)).collect().row(0)


def _counts(text: pl.Expr, *, money: bool) -> list[pl.Expr]:
    number = _parts(text, money=money)[0]
    return [
        number.str.contains(form).sum().alias(name)
        for name, form in (("dot", _DOT), ("comma", _COMMA), ("open", _OPEN))
    ]


def marks_by_file(frame: pl.LazyFrame, column: str, where: str, *, money: bool) -> Marks:
    """Find the decimal mark of each file from all cells of a column; raise `SchemaError` where it stays open.

    A file that tells nothing has the mark that the others tell. Where the cells of one file tell both marks, each cell
    has to tell its own.
    """
    text = pl.col(column).cast(pl.String).str.strip_chars()
    number = _parts(text, money=money)[0]
    first = text.filter(number.str.contains(_OPEN)).first().alias("example")
    there = "source_file" in frame.collect_schema()
    name = pl.col("source_file") if there else pl.lit("")
    found = (
        frame.select(name.alias("file"), pl.col(column))
        .group_by("file")
        .agg(*_counts(text, money=money), first)
        .collect(engine="streaming")
        .sort("file")
    )
    dots, commas = int((found["dot"] > 0).sum()), int((found["comma"] > 0).sum())
    usual = "" if bool(dots) == bool(commas) else "," if commas else "."
    marks: dict[str, str] = {}
    for file, dot, comma, opened, example in found.iter_rows():
        if bool(dot) != bool(comma):
            marks[file] = "." if dot else ","
        elif not dot and opened and not usual:
            tells = (
                f"no cell of {file} tells which, and other files differ"
                if dots
                else ("no cell of the column tells which")
            )
            raise SchemaError(
                f"{where}: {example!r} may have a decimal mark or a sign of thousands, and {tells}. "
                'Say the mark of decimals, --set decimal=. or --set decimal=, (in a map: decimal = ",").'
            )
        else:
            marks[file] = "" if dot else usual
    kinds = set(marks.values()) - {""}
    if len(set(marks.values())) <= 1:
        return Marks(plain=False, mark=next(iter(marks.values()), ""))
    if len(kinds) == 1 and all(
        m or not d for m, d in zip(marks.values(), found["dot"], strict=True)
    ):
        return Marks(plain=False, mark=kinds.pop())
    return Marks(plain=False, files=marks)
