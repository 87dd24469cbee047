"""Times as they come from outside: which form a column has, found from its cells, and how it is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.nothing import no_word
from wareloom.shop.schema import TIME

SCALES = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 0}
"""Microseconds in one tick of a clock; nanoseconds are divided by 1000."""
SERIAL = "serial"
"""The unit of a spreadsheet's dates: days since 1899-12-30, the time of day as a fraction."""
SERIAL_START = int(datetime(1899, 12, 30, tzinfo=UTC).timestamp()) * 1_000_000
EARLIEST = 1995
"""Before this year no shop kept a log: a number that would be an earlier time is none."""
_LEAST_YEAR = 2026
"""A machine whose clock stands before this year is not believed."""
_FIRST = datetime(1000, 1, 1)
_YMD = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_HOUR, _MINUTE = r"(?:[01]\d|2[0-3])", r"[0-5]\d"
STAMPS = {
    "%Y%m%d": rf"^{_YMD}$",
    "%Y%m%d%H": rf"^{_YMD}{_HOUR}$",
    "%Y%m%d%H%M": rf"^{_YMD}{_HOUR}{_MINUTE}$",
    "%Y%m%d%H%M%S": rf"^{_YMD}{_HOUR}{_MINUTE}{_MINUTE}$",
    "%Y%m%d%H%M%S%3f": rf"^{_YMD}{_HOUR}{_MINUTE}{_MINUTE}\d{{3}}$",
}
"""Dates and times as one number, by the pattern that reads them."""
TELLING = r"^\s*(1[3-9]|[23]\d)[/-]\d{1,2}[/-]|^\s*\d{1,2}[/-](1[3-9]|[23]\d)[/-]"
"""Dates of two numbers before a year that tell which number is the day."""
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    "sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAYNAME = "(?:mon|tue|wed|thu|fri|sat|sun)(?:day|sday|nesday|rsday|urday)?"
_YEAR = r"(?P<{}>\d{{4}}|\d{{2}})(?!\d)"
_DATES = (
    (r"\d{4}(?P<a>[-/.])\d{1,2}(?P=a)\d{1,2}", "%Y{a}%m{a}%d"),
    (r"\d{4}年\d{1,2}月\d{1,2}日", "%Y年%m月%d日"),
    (r"\d{8}(?=[T ])", "%Y%m%d"),
    (r"\d{1,2}\.\d{1,2}\." + _YEAR.format("y1"), "%d.%m.{y}"),
    (r"\d{1,2}(?P<b>[/-])\d{1,2}(?P=b)" + _YEAR.format("y2"), "%1{b}%2{b}{y}"),
    (rf"\d{{1,2}}(?P<c>[ /-]){_MONTH}(?P<d>,?)(?P=c)" + _YEAR.format("y3"), "%d{c}%B{d}{c}{y}"),
    (rf"{_MONTH} +\d{{1,2}}(?P<e>,?) +" + _YEAR.format("y4"), "%B %d{e} {y}"),
    (rf"\d{{4}}(?P<f>[-/ ]){_MONTH}(?P=f)\d{{1,2}}", "%Y{f}%B{f}%d"),
)
_CLOCK = (
    r"(?P<gap>T| +|, +| at |:(?=\d\d:\d\d:))(?P<hour>\d{1,2}):\d{2}(?P<second>:\d{2}(?:\.\d+)?)?"
    r"(?:(?P<blank> ?)(?P<noon>[ap]m))?(?P<zone> ?(?:Z|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?|UTC|GMT))?"
)
_FORMS = tuple(
    (
        re.compile(
            rf"(?:(?P<day>{_DAYNAME})(?P<comma>,?) +)?{date}(?:{_CLOCK})?$",
            re.IGNORECASE,
        ),
        pattern,
    )
    for date, pattern in _DATES
)
_BASIC = re.compile(r"\d{8}T\d{4}(?P<second>\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?$")
"""ISO 8601 without signs between."""
_UNIX_DATE = re.compile(
    rf"{_DAYNAME} {_MONTH} +\d{{1,2}} \d{{2}}:\d{{2}}:\d{{2}}(?P<zone> UTC| GMT)? \d{{4}}$",
    re.IGNORECASE,
)
_SAYS_YEAR = re.compile(r"%[-_0]?[YyCGgDFcxsv+]")
_SAYS_DAY = re.compile(r"%[-_0]?[dejDFcxsvUWuwaA+]")
_SAYS_MONTH = re.compile(r"%[-_0]?[mbBhjDFcxsvUW+]")


@dataclass(frozen=True)
class Clock:
    """How a column writes its times: ticks since 1970, a spreadsheet's days, or text of one pattern."""

    unit: str = ""
    pattern: str = ""
    given: bool = False
    """Whether somebody said so: then a number may be any time."""
    told_by: str = field(default="", compare=False)
    """The file whose dates tell day from month, where it is another one"""

    @property
    def words(self) -> str:
        """The form in words, for messages."""
        names = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
        if self.unit == SERIAL:
            return "days since 1899-12-30"
        return f"{names[self.unit]} since 1970" if self.unit else f"the form {self.pattern}"


def last_year() -> int:
    """The last year in which a shop's log may be: the one that follows the present one."""
    return max(datetime.now(UTC).year, _LEAST_YEAR) + 1


def window() -> tuple[int, int]:
    """Microseconds since 1970 between which a number may be a time."""
    first, last = (datetime(y, 1, 1, tzinfo=UTC).timestamp() for y in (EARLIEST, last_year() + 1))
    return int(first) * 1_000_000, int(last) * 1_000_000


def clock(
    sample: pl.Series,
    where: str,
    given: str = "",
    *,
    file: str = "",
    telling: Mapping[str, pl.Series] | None = None,
) -> Clock:
    """Find how the times of `sample` are written; `given` is a pattern, or "s", "ms", "us", "ns" or "serial".

    `telling` holds dates of all files that tell day from month. They count where the sample, which is of `file`, does
    not tell: those of its own file, else those of others, of the same shape and of one mind. Raises `SchemaError` where
    no known form fits, or where what fits is no plausible time or leaves day and month open.
    """
    if given:
        return _given(given)
    text = sample.cast(pl.String).str.strip_chars()
    text = text.filter(text.is_not_null() & no_word(text))
    if len(text) == 0:
        return Clock(unit="s")
    whole = text.str.replace(r"\.0+$", "")
    numbers = whole.cast(pl.Float64, strict=False).drop_nulls()
    if len(numbers) * 2 > len(text):
        return _numeric(whole, numbers, text, where)
    return _written(text, where, file, telling or {})


def _given(given: str) -> Clock:
    if given in SCALES or given == SERIAL:
        return Clock(unit=given, given=True)
    if not _SAYS_YEAR.search(given):
        raise SettingError(
            f"time_format={given!r} says no year: a time needs a day and a year. For example "
            "'%d.%m.%Y %H:%M', or s, ms, us, ns (ticks since 1970), or serial (a spreadsheet's days)."
        )
    return Clock(pattern=given, given=True)


def undecided(sample: pl.Series) -> bool:
    """Whether `sample` holds dates with two numbers before the year, and none that tells which number is the day."""
    text = sample.cast(pl.String)
    two = text.str.contains(r"^\s*\d{1,2}[/-]\d{1,2}[/-]\d")
    return bool(two.any()) and not text.str.contains(TELLING).any()


def _numeric(whole: pl.Series, numbers: pl.Series, text: pl.Series, where: str) -> Clock:
    """The form of a column of numbers, told over the column as a whole."""
    low, high = window()
    middle = float(numbers.abs().median() or 0.0)  # type: ignore[arg-type]
    for unit, scale in SCALES.items():
        micros = middle * scale if scale else middle / 1000
        if low <= micros < high:
            return Clock(unit=unit)
    for pattern, stamp in STAMPS.items():
        if whole.str.contains(stamp).mean() >= 0.9:  # type: ignore[operator]
            return Clock(pattern=pattern)
    raise SchemaError(_likely(text, middle, where))


def _likely(text: pl.Series, middle: float, where: str) -> str:
    """What numbers that are no plausible ticks may be, and what to write."""
    at = text[len(text) // 2]
    if 1900 <= middle <= 2100:
        form, said = "a year alone", "%Y"
    elif 20_000 <= middle < 73_000:
        day = str(datetime.fromtimestamp(SERIAL_START / 1e6 + middle * 86_400, UTC))[:10]
        form = f"a spreadsheet's serial date (days since 1899-12-30: about {day})"
        said = SERIAL
    elif text.str.contains(r"^(19|20)\d{6}").mean() >= 0.5:  # type: ignore[operator]
        form, said = "a date written as one number, which not all cells are", "%Y%m%d"
    elif text.str.contains(r"[eE]\+").any():
        form, said = "a number that a spreadsheet has rounded: export the column as text", "%Y%m%d"
    else:
        form = (
            f"no time between {EARLIEST} and {last_year()}, in whatever unit it is counted since 1970; "
            "perhaps a counter"
        )
        said = "s"
    return (
        f"{where}: {at!r} is not a time that can be taken as it is; it looks like {form}. Say the form if that is "
        f'meant, --set time_format={said} (in a map: time_format = "{said}"), or leave the column out.'
    )


def _written(text: pl.Series, where: str, file: str, telling: Mapping[str, pl.Series]) -> Clock:
    """The pattern that most cells of text have."""
    shapes = [shape(cell) for cell in text.to_list()]
    counted = Counter(s for s in shapes if s)
    if not counted:
        raise SchemaError(
            f"{where}: {text[0]!r} is not a time in any known form; "
            "say the form, for example --set time_format='%d.%m.%Y %H:%M'."
        )
    best = counted.most_common(1)[0][0]
    if "%1" not in best:
        return Clock(pattern=best)
    same = text.filter(pl.Series([s is not None and "%1" in s for s in shapes]))
    if not undecided(same):
        return Clock(pattern=_day_or_month(same, best, where))
    alike = {
        name: cells.filter(pl.Series([shape(c.strip()) == best for c in cells], dtype=pl.Boolean))
        for name, cells in telling.items()
    }
    alike = {name: cells for name, cells in alike.items() if len(cells)}
    if file in alike:
        return Clock(pattern=_day_or_month(same.append(alike[file]), best, where))
    orders = {_day_or_month(cells, best, where) for cells in alike.values()}
    if len(orders) != 1:
        # This says what cannot be told.
        return Clock(pattern=_day_or_month(same, best, where))
    told_by = next(iter(alike))
    return Clock(pattern=_day_or_month(same.append(alike[told_by]), best, where), told_by=told_by)


def shape(cell: str) -> str | None:
    """The pattern of one cell, null where it is of no known form; %1 and %2 are day and month in an open order."""
    if found := _UNIX_DATE.match(cell):
        return f"%A %B %d %H:%M:%S{found['zone'] or ''} %Y"
    if found := _BASIC.match(cell):
        made = "%Y%m%dT%H%M" + ("%S%.f" if found["second"] else "")
        return made + ("%#z" if found["zone"] else "")
    for form, pattern in _FORMS:
        found = form.match(cell)
        if found is None:
            continue
        parts = {k: v for k, v in found.groupdict().items() if v is not None}
        year = next((v for k, v in parts.items() if re.fullmatch(r"y\d", k)), "")
        made = pattern.format(**parts, y="%Y" if len(year) == 4 else "%y")
        if found["day"]:
            made = f"%A{found['comma']} {made}"
        return made + (_of_day(found) if found["hour"] else "")
    return None


def _of_day(found: re.Match[str]) -> str:
    """The pattern of a time of day with its zone."""
    noon, zone = found["noon"], found["zone"] or ""
    made = found["gap"] + ("%I" if noon else "%H") + ":%M" + (":%S%.f" if found["second"] else "")
    if noon:
        made += (found["blank"] or "") + "%p"
    if any(sign in zone for sign in "+-"):
        return made + re.sub(r"[+-].*", "", zone) + "%#z"
    if zone.strip() == "Z":
        return made + zone.replace("Z", "%#z")
    return made + zone


def _day_or_month(text: pl.Series, pattern: str, where: str) -> str:
    """Put day and month in order: the number above 12 is the day."""
    numbers = [
        text.str.extract(r"^\D*(\d{1,2})[/-](\d{1,2})[/-]", g).cast(pl.Int32) for g in (1, 2)
    ]
    first, second = (int((n > 12).sum()) for n in numbers)
    plain = pattern.replace("%.f", "")
    month = plain.replace("%1", "%m").replace("%2", "%d")
    day = plain.replace("%1", "%d").replace("%2", "%m")
    say = f"say the form, --set time_format='{month}' or --set time_format='{day}'"
    if "%y" in pattern and _year_first(text, *numbers):
        raise SchemaError(
            f"{where}: in {text[0]!r} the year may be the first number or the last; {say}, or, where the year "
            "is the first number, one that begins with %y."
        )
    if first == second:
        why = (
            "no number is above 12" if not first else "as many first as second numbers are above 12"
        )
        raise SchemaError(
            f"{where}: in {text[0]!r} day and month cannot be told apart ({why}); {say}."
        )
    order = ("%d", "%m") if first > second else ("%m", "%d")
    return pattern.replace("%1", order[0]).replace("%2", order[1])


def _year_first(text: pl.Series, first: pl.Series, second: pl.Series) -> bool:
    """Whether dates with a year of two digits may all begin with it, or cannot all end with it."""
    third = text.str.extract(r"^\D*\d{1,2}[/-]\d{1,2}[/-](\d{2})(?:\D|$)", 1).cast(pl.Int32)
    late, early = last_year() % 100, EARLIEST % 100
    may = ((first <= late) | (first >= early)) & (second <= 12) & (third <= 31)
    return bool(may.all()) or bool(((third > late) & (third < early)).any())


def parsed(text: Any, pattern: str) -> Any:
    """Parse text (a series or an expression) by `pattern`; what does not fit is null; zones become UTC."""
    if not _SAYS_MONTH.search(pattern):
        text, pattern = text + " 01", pattern + " %m"
    if not _SAYS_DAY.search(pattern):
        text, pattern = text + " 01", pattern + " %d"
    if pattern.endswith("%H"):
        text, pattern = text + "00", pattern + "%M"
    if "z" in pattern:
        value = text.str.to_datetime(
            pattern, strict=False, time_unit="us", time_zone="UTC"
        ).dt.replace_time_zone(None)
    elif "%H" in pattern or "%I" in pattern or "%T" in pattern:
        value = text.str.to_datetime(pattern, strict=False, time_unit="us")
    else:
        value = text.str.to_date(pattern, strict=False).cast(TIME)
    return value


def _of_this_age(times: pl.Series) -> pl.Series:
    """Times without those of the first century, as which %Y reads a year of two digits."""
    least = times.min()
    if least is None or least >= _FIRST:  # type: ignore[operator]
        return times
    return times.set(times < _FIRST, None)


def time_value(name: str, dtype: Any, text: pl.Expr, form: Clock) -> pl.Expr:
    """A column of times as the schema has them; a cell that is no time in `form` is null."""
    if form.pattern:
        if dtype.is_float():
            text = pl.col(name).cast(pl.Int64, strict=False).cast(pl.String)
        elif form.pattern in STAMPS:
            text = text.str.replace(r"\.0+$", "")
        pattern = form.pattern
        return text.map_batches(
            lambda batch: _of_this_age(parsed(batch, pattern)),
            return_dtype=TIME,
            is_elementwise=True,
        )
    if dtype.is_integer():
        ticks: pl.Expr = pl.col(name).cast(pl.Int64, strict=False)
    else:
        number = pl.col(name) if dtype.is_float() else text.cast(pl.Float64, strict=False)
        ticks = pl.when(number.is_finite()).then(number)
    if form.unit == SERIAL:
        fine = (ticks >= 0) & (ticks < 3_000_000)
        micros = (ticks * 86_400_000).round().cast(pl.Int64, strict=False) * 1000 + SERIAL_START
        return pl.when(fine).then(micros).cast(TIME)
    scale = SCALES[form.unit]
    if dtype.is_integer():
        micros = ticks * scale if scale else ticks // 1000
    else:
        micros = (ticks * scale if scale else ticks / 1000).round().cast(pl.Int64, strict=False)
    if form.given:
        least = {"s": 0.0, "ms": 1e11, "us": 1e14, "ns": 1e17}[form.unit]
        most = {"s": 1e11, "ms": 1e14, "us": 1e17, "ns": 1e19}[form.unit]
        size = ticks.abs()
        nothing = size < 1e8 if form.unit != "s" else pl.lit(False)
        fine = ((size >= least) | nothing) & (size < most)
    else:
        low, high = window()
        if scale:
            low, high = low // scale, high // scale
        else:
            low, high = low * 1000, high * 1000
        fine = (ticks >= low) & (ticks < high)
    return pl.when(fine).then(micros).cast(TIME)
