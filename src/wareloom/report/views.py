"""What every page lays out: tables as text, and how figures are said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wareloom.core.sentences import Say

FAR = 10.0
"""A lift this large is said without a digit behind the point"""


@dataclass(frozen=True)
class Cell:
    """What stands in a cell of a table, or over a column; figures stand to the right."""

    text: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    """A table as it is read."""

    header: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    """Say the values of a table; numbers go to the right, and so do the headings of columns of numbers."""
    laid, names = [list(row) for row in rows], list(header)
    columns: Iterable[Iterable[Any]] = zip(*laid, strict=True) if laid else [()] * len(names)
    right = [_numbers(list(column)) for column in columns]
    return Table(
        tuple(Cell(name, to_right) for name, to_right in zip(names, right, strict=True)),
        tuple(tuple(map(_cell, row)) for row in laid),
    )


def percent(value: float | None) -> str:
    """A lift with its sign, a dash where there is none."""
    if value is None:
        return "–"
    text = f"{value:+,.0%}" if abs(value) >= FAR else f"{value:+.1%}"
    return "0.0%" if text in ("+0.0%", "-0.0%") else text.replace("-", "−")


def span(low: float | None, high: float | None, say: Say) -> str:
    """The ends of an interval of a lift."""
    if low is None or high is None:
        return "–"
    return say("figure.to", low=percent(low), high=percent(high))


def _numbers(column: list[Any]) -> bool:
    """Whether a column holds numbers, and beside them blanks alone."""
    return any(map(_number, column)) and all(_number(v) or v in ("", None) for v in column)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> Cell:
    if not _number(value):
        return Cell("–" if value is None else str(value))
    return Cell(f"{value:,}" if isinstance(value, int) else f"{value:.4g}", number=True)
