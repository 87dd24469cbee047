"""How a command ends: at most ten lines that matter; the rest is in the folder, and in `--json`.

    told = Summary("Read export as tables: 511 rows of 2 tables, none set aside.")
    told.table(("table", "came", "taken"), [("events", 481, 481), ("items", 30, 30)])
    told.fact("columns", "user_id, item_id, event, time").warn("Times are whole days.")
    told.place(to).next(f"wareloom check {to}")

In a pipe a summary is plain and no line is broken; on a terminal it is coloured, and ten lines are ten rows.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

MOST = 10
"""Lines that a command ends in, at most, on a terminal as wide as `NARROWEST` or more"""
NARROWEST = 80
WIDEST = 120
"""Columns that sentences are broken at on a wide terminal"""
GAP = "  "
BLOCKS = "▁▂▃▄▅▆▇█"
Style = Literal["plain", "good", "bad", "warn", "faint", "strong"]
CODES: dict[Style, str] = {
    "plain": "",
    "good": "\x1b[32m",
    "bad": "\x1b[31m",
    "warn": "\x1b[33m",
    "faint": "\x1b[2m",
    "strong": "\x1b[1m",
}


@dataclass
class _Table:
    """Aligned rows below their heads."""

    head: Sequence[str]
    rows: list[list[str]]
    left: set[int]
    """Columns of words; numbers stand at the right"""
    what: str
    """What its rows are, for those that do not fit"""


@dataclass
class Summary:
    """What a command ends in: a sentence, tables, facts by name, warnings, where it lies, and what to do next.

    What has no value is left out. Rows and notes that do not fit into `MOST` lines are counted on one of them; the
    first warning keeps its place beside a long table.
    """

    head: str = ""
    style: Style = "strong"
    tables: list[_Table] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, Style]] = field(default_factory=list)
    ends: list[tuple[str, str]] = field(default_factory=list)
    most: int = MOST
    """Lines, at most; more for a list that was asked for"""

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]], what: str = "row") -> Self:
        """Add aligned rows; nothing where there are none. Columns without any value are left out."""
        given = [list(row) for row in rows]
        kept = [i for i in range(len(head)) if any(_says(row[i]) for row in given)]
        if given and kept:
            left = {
                place
                for place, i in enumerate(kept)
                if not all(_is_number(row[i]) for row in given if _says(row[i]))
            }
            cells = [[brief(row[i]) if _says(row[i]) else "-" for i in kept] for row in given]
            self.tables.append(_Table([head[i] for i in kept], cells, left, what))
        return self

    def fact(self, name: str, value: Any) -> Self:
        """Add a value by name; nothing where there is none."""
        if _says(value):
            self.facts.append((name, brief(value)))
        return self

    def warn(self, *sentences: str) -> Self:
        """Add what one should know."""
        self.notes += [(one, "warn") for one in sentences if one]
        return self

    def note(self, *sentences: str) -> Self:
        """Add what else can be said where there is room."""
        self.notes += [(one, "plain") for one in sentences if one]
        return self

    def place(self, *paths: Path | str | None, name: str = "folder") -> Self:
        """Add where the result lies."""
        if said := ", ".join(str(path) for path in paths if path is not None):
            self.ends.append((name, said))
        return self

    def next(self, *commands: str) -> Self:
        """Add what to do next."""
        if said := "; ".join(one for one in commands if one):
            self.ends.append(("next", said))
        return self

    def text(self, width: int | None = None, *, colour: bool = False) -> str:
        """Lay it out. `width`: of the terminal, whose lines are broken by words; None breaks no line."""
        names = [name for name, _ in (*self.facts, *self.ends)]
        names += ["note"] if self.notes else []
        indent = max(map(len, names), default=0) + len(GAP)
        paint = _Paint(colour)
        head = [paint(line, self.style) for line in _broken(self.head, width)] if self.head else []
        facts = [_named(n, _cut(v, indent, width), indent, width, paint) for n, v in self.facts]
        last = sorted(self.ends, key=lambda end: end[0] == "next")
        ends = [_named(n, v, indent, width, paint) for n, v in last]
        said = sorted(dict.fromkeys(self.notes), key=lambda note: note[1] != "warn")
        notes = [_named("note", w, indent, width, paint, style) for w, style in said]
        room = self.most - len(head) - sum(map(len, (*facts, *ends)))
        # What is left out, of tables and notes, is said on one line.
        rows, hidden = self._rows(room, width, paint)
        if hidden or len(rows) + sum(map(len, notes)) > room:
            urgent = len(notes[0]) if said and said[0][1] == "warn" else 0
            rows, hidden = self._rows(room - 1 - (urgent if urgent < 4 else 0), width, paint)
        spare = room - len(rows)
        kept = _fitting(notes, spare)
        if hidden or len(kept) < len(notes):
            kept = _fitting(notes, spare - 1)
            if unsaid := len(notes) - len(kept):
                hidden = [*hidden, counted(unsaid, "more note" if kept else "note")]
            kept.append([paint(f"… {' and '.join(hidden)}: --json has all", "faint")])
        body = [line for part in (*facts, *kept, *ends) for line in part]
        return "\n".join(line.rstrip() for line in (*head, *rows, *body))

    def _rows(self, room: int, width: int | None, paint: _Paint) -> tuple[list[str], list[str]]:
        """The lines of the tables within so many, and what did not fit; each has its head and a row at least."""
        lines: list[str] = []
        hidden: list[str] = []
        for number, one in enumerate(self.tables):
            later = 2 * len(self.tables[number + 1 :])
            shown = one.rows[: max(1, room - len(lines) - later - 1)]
            lines += aligned(one.head, shown, one.left, width, paint)
            if more := len(one.rows) - len(shown):
                hidden.append(counted(more, f"more {one.what}"))
        return lines, hidden


def say(told: Summary) -> None:
    """Print a summary, as wide and as coloured as standard output takes it."""
    import typer

    width, colour = console()
    typer.echo(told.text(width, colour=colour), color=colour or None)


def console() -> tuple[int | None, bool]:
    """The width of the terminal that standard output is, None of a pipe or file, and whether it takes colour."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    if not terminal:
        return None, False
    width = max(NARROWEST, shutil.get_terminal_size((NARROWEST, 24)).columns)
    dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return width, not dumb


def aligned(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: set[int],
    width: int | None,
    paint: _Paint,
) -> list[str]:
    """Lines of a table: words at the left, numbers at the right; cut at the width of a terminal."""
    widths = [max(wide(line[i]) for line in (head, *rows)) for i in range(len(head))]
    if width is not None:
        over = sum(widths) + len(GAP) * (len(widths) - 1) - width
        # Heads are cut before what stands below them, the widest first.
        for least in (
            [max((wide(row[i]) for row in rows), default=0) for i in range(len(head))],
            [],
        ):
            for i in sorted(range(len(widths)), key=lambda i: -widths[i]):
                cut = min(max(over, 0), max(0, widths[i] - max(4, least[i] if least else 8)))
                widths[i], over = widths[i] - cut, over - cut

    def line(cells: Sequence[str]) -> str:
        parts = []
        for i, cell in enumerate(cells):
            cut = _shortened(cell, widths[i])
            gap = " " * (widths[i] - wide(cut))
            parts.append(cut + gap if i in left else gap + cut)
        return GAP.join(parts).rstrip()

    return [paint(line(head), "faint"), *map(line, rows)]


def wide(text: str) -> int:
    """Columns that a text takes on a terminal, on which a Chinese letter takes two."""
    return len(text) + sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)


def brief(value: Any) -> str:
    """A value for people: numbers with four digits that count, thousands parted, lists with commas."""
    if isinstance(value, bool) or value is None:
        return "-" if value is None else "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {brief(each)}" for name, each in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(brief(entry) for entry in value)
    return str(value)


def spark(values: Sequence[float], most: int = 24) -> str:
    """A curve as one line of blocks, the lowest value the lowest block; nothing for fewer than two values."""
    kept = [float(v) for v in values if v == v and abs(v) != float("inf")]
    if len(kept) < 2:
        return ""
    places = range(min(most, len(kept)))
    kept = [kept[round(i * (len(kept) - 1) / (len(places) - 1))] for i in places]
    low, high = min(kept), max(kept)
    step = (high - low) / (len(BLOCKS) - 1) or 1.0
    return "".join(BLOCKS[round((value - low) / step)] for value in kept)


def learned(values: Sequence[float]) -> str:
    """A learning curve on a line: its shape, where it began and where it ended."""
    shape = spark(values)
    return f"{shape} {brief(values[0])} → {brief(values[-1])}" if shape else ""


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 row", "2 rows"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class _Paint:
    """Colours a text, or leaves it."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, style: Style) -> str:
        code = CODES[style] if self.on and text else ""
        return f"{code}{text}\x1b[0m" if code else text


def _named(
    name: str, value: str, indent: int, width: int | None, paint: _Paint, style: Style = "plain"
) -> list[str]:
    """The lines of a value behind its name."""
    room = None if width is None else min(width, WIDEST) - indent
    first, *more = _broken(value, room)
    lines = [f"{paint(name.ljust(indent), 'faint')}{paint(first, style)}"]
    return [*lines, *(" " * indent + paint(line, style) for line in more)]


def _broken(text: str, width: int | None) -> list[str]:
    """A text by lines, none of which is wider than the terminal where words allow."""
    flat = " ".join(text.split())
    if width is None:
        return [flat]
    whole = textwrap.wrap(flat, min(width, WIDEST), break_long_words=False, break_on_hyphens=False)
    return whole or [""]


def _shortened(text: str, width: int) -> str:
    """A text that takes at most so many columns, with a sign where it was cut."""
    if wide(text) <= width:
        return text
    kept = ""
    for letter in text:
        if wide(kept) + wide(letter) >= width:
            break
        kept += letter
    return kept + "…"


def _cut(value: str, indent: int, width: int | None) -> str:
    """A fact of at most two lines."""
    return value if width is None else _shortened(value, 2 * (min(width, WIDEST) - indent) - 8)


def _fitting(parts: list[list[str]], room: int) -> list[list[str]]:
    """As many as fit into so many lines, from the first on."""
    kept: list[list[str]] = []
    for part in parts:
        if sum(map(len, kept)) + len(part) > room:
            break
        kept.append(part)
    return kept


def _says(value: Any) -> bool:
    """Whether a value says something."""
    return value is not None and value != "" and value != {} and value != [] and value != ()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
