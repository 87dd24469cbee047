"""Figures as data: what is drawn, before anybody says whether as SVG or as an interactive chart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median_low

FAR = 8.0
"""How many times the usual row's reach a row may reach before the axis ends short of it"""
AIR = 0.06
"""Share of the axis left free beyond the last mark"""
LEAST = 1e-12


@dataclass(frozen=True)
class Mark:
    """A dot with its interval; one without `low` and `high` is a dot alone."""

    value: float
    low: float | None = None
    high: float | None = None
    tone: str = "s0"
    """A class of the style sheet: "s0" to "s4", "helps", "but", "none", "hurts", "within", "chance", "beyond\""""

    @property
    def ends(self) -> tuple[float, float]:
        """The interval's ends, the dot itself where it has none."""
        return (
            self.value if self.low is None else self.low,
            self.value if self.high is None else self.high,
        )


@dataclass(frozen=True)
class Row:
    """A named line of dots; `said` is the figure in bold and `more` what stands beside it, such as its interval."""

    name: str
    marks: tuple[Mark, ...]
    said: str = ""
    more: str = ""
    kept: bool = False
    """Whether the axis has to reach it whole, however far that is"""


@dataclass(frozen=True)
class Axis:
    """An axis: its title, how its values are said, and whether it is logarithmic."""

    title: str = ""
    style: str = "plain"
    """ "plain", "percent" or "lift" (a percentage with its sign)"""
    log: bool = False
    zero: bool = False
    """Whether zero has to be on it"""


@dataclass(frozen=True)
class Dots:
    """Rows of dots with intervals on one axis. `band`: what lies within it is told apart from nothing."""

    title: str
    rows: tuple[Row, ...]
    axis: Axis
    line: float | None = None
    """Where nothing is gained"""
    band: tuple[float, float] | None = None
    series: tuple[tuple[str, str], ...] = ()
    """Pairs of tone and name, for the legend"""
    ends: tuple[float, float] | None = None
    """The axis' ends, where they are given"""


@dataclass(frozen=True)
class Bars:
    """Bars from zero to the right, one a row, with the first mark's value."""

    title: str
    rows: tuple[Row, ...]
    axis: Axis


@dataclass(frozen=True)
class Series:
    """A line through points; `low` and `high` give it a band, `dots` marks its points.

    `step` makes it stairs that change half way between two points.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    tone: str = "s0"
    step: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Lines:
    """Lines on two axes. `line`: a height that is marked."""

    title: str
    series: tuple[Series, ...]
    x: Axis
    y: Axis
    line: float | None = None
    ticks: tuple[float, ...] = field(default=())
    """Where values stand below the axis, where they are given"""


Chart = Dots | Bars | Lines


def reach(rows: Sequence[Row]) -> float:
    """How far from zero the axis has to reach, so that one row far out does not squeeze all others flat.

    A row that reaches more than `FAR` times as far as the usual one (the lower median) is cut, unless it is `kept`.
    """
    far = [max(abs(end) for mark in row.marks for end in (*mark.ends, mark.value)) for row in rows]
    if not far:
        return 0.0
    most = FAR * median_low(far)
    kept = [size for size, row in zip(far, rows, strict=True) if row.kept or size <= most]
    return max(kept, default=max(far))


def limits(dots: Dots) -> tuple[float, float]:
    """Return the ends of the axis of `dots`: all marks but those that are cut, and the line."""
    if dots.ends is not None:
        return dots.ends
    most = reach(dots.rows) if dots.line == 0 else math.inf
    found = [
        min(max(end, -most), most)
        for row in dots.rows
        for mark in row.marks
        for end in (*mark.ends, mark.value)
    ]
    found += [dots.line] if dots.line is not None else []
    if dots.band is not None:
        found += [end for end in dots.band if abs(end) <= most]
    low, high = min(found, default=0.0), max(found, default=1.0)
    room = AIR * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def cut(dots: Dots) -> tuple[Row, ...]:
    """Return the rows that go beyond the axis' ends: the page has to say so."""
    low, high = limits(dots)
    return tuple(
        row
        for row in dots.rows
        if any(end < low or end > high for mark in row.marks for end in (*mark.ends, mark.value))
    )


def span_of(values: Iterable[float], axis: Axis) -> tuple[float, float]:
    """Return the ends of an axis over `values`; logarithmic ones hold positive values alone."""
    found = [v for v in values if math.isfinite(v) and (v > 0 or not axis.log)]
    if axis.zero and not axis.log:
        found.append(0.0)
    low, high = min(found, default=1.0 if axis.log else 0.0), max(found, default=1.0)
    if high - low < LEAST:
        return (low / 2, high * 2) if axis.log else (low - 0.5, high + 0.5)
    return low, high


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values within the ends of an axis, at most `most` and one more."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * each for each in (1, 2, 2.5, 5, 10) if size * each >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [
        round(place * step, 12) + 0.0 for place in range(first, math.floor(high / step + 1e-9) + 1)
    ]


def decades(low: float, high: float, most: int = 6) -> list[float]:
    """Return values of a logarithmic axis: powers of ten, and 2 and 5 of each where there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    whole = [10.0**power for power in range(first, last + 1)]
    inside = [v for v in whole if low * 0.999 <= v <= high * 1.001]
    if len(inside) >= 3:
        return inside[:: math.ceil(len(inside) / most)]
    fine = [v * each for v in whole for each in (1, 2, 5)]
    return [v for v in fine if low * 0.999 <= v <= high * 1.001]


def said(value: float, style: str) -> str:
    """A value as it stands at an axis."""
    if style == "lift":
        return (
            f"{value:+,.0%}".replace("-", "−")
            if abs(value) >= 0.995
            else _trimmed(f"{100 * value:+.1f}", "%")
        )
    if style == "percent":
        return _trimmed(f"{100 * value:,.4f}", "%")
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "−")


def _trimmed(text: str, unit: str) -> str:
    """Take zeros off behind the point, and give a fall its own sign."""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("0", "+0", "-0") else text.replace("-", "−") + unit
