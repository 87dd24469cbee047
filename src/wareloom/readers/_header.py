"""The head of a delimited file: lines before the header, and the names that columns get."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wareloom.errors import SourceError
from wareloom.preparing.door import BROKEN, FILE, ROW
from wareloom.readers._names import COLUMNS, plain
from wareloom.readers._text import CHUNK, Text

OWN = (ROW, FILE, BROKEN)
"""Columns that Wareloom adds to every table; a column of the source with such a name gets a number."""
UNNAMED = re.compile(r"^(unnamed(: ?|_)?\d+|column_\d+)$", re.IGNORECASE)
"""Names of columns that have none: a spreadsheet's numbers of rows, mostly."""
SEPARATORS = "\t,;|"
ESCAPED = r"\\."
"""A character behind a backslash"""
LOOKED = 30
"""Lines among which the header is looked for"""


class Head(NamedTuple):
    """Where a delimited text begins, and what stands between its fields."""

    skip: int
    """Lines before the header"""
    separator: str
    told: str = ""
    """What was decided, in a sentence"""


def head_of(name: str, start: str, separator: str, skip: int) -> Head:
    """Find the header of the file called `name`, of which `start` are the first characters.

    `separator` and `skip` are what was said of it; empty and 0 find them. A line `sep=;`, lines behind "#", blank lines
    and a report's title above the table are passed over.
    """
    lines = start.split("\n")[:LOOKED]
    first = lines[0].strip().strip('"')
    if not skip and first.lower().startswith("sep=") and len(first) <= 5:
        mark = first[4:] or "\t"
        return Head(1, separator or mark)
    if skip:
        at = lines[skip] if skip < len(lines) else ""
        return Head(skip, separator or _separator(at))
    before = _before(lines, separator)
    told = ""
    if before:
        told = (
            f"{name}: {before} lines before the header {lines[before][:60]!r} are passed over; "
            "where that is wrong, say --set skip=NUMBER (or skip in the map)."
        )
    return Head(before, separator or _separator(lines[before]), told)


def _before(lines: Sequence[str], separator: str) -> int:
    """How many lines stand before the header: comments, blank lines, a title."""
    marks = separator or SEPARATORS
    first = lines[0]
    if first.startswith("#"):
        rest = [n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")]
        # A header may stand behind the sign itself: "# user_id,item_id".
        if rest and not (
            _most(first, marks) and _most(first, marks) == _most(lines[rest[0]], marks)
        ):
            return rest[0]
        return 0
    if number := _known(lines, marks):
        return number
    if _most(first, marks) or '"' in first:
        return 0
    for number, line in enumerate(lines[:-1]):
        if _most(line, marks) and any(
            _most(line, marks) == max(map(after.count, marks)) for after in _bare(lines, number + 1)
        ):
            return number if not any(_most(before, marks) for before in lines[:number]) else 0
    return 0


def _known(lines: Sequence[str], marks: str) -> int:
    """The first line that has known names of columns, where the first of all has none; 0 where there is no such."""

    def words(line: str) -> int:
        return sum(plain(word) in COLUMNS for word in re.split(f"[{re.escape(marks)}]", line))

    if words(lines[0]):
        return 0
    for number, line in enumerate(lines[:-1]):
        if words(line) < 2:
            continue
        after = _bare(lines, number + 1)
        alike = [
            _fields(line, mark) and any(_fields(line, mark) == one.count(mark) for one in after)
            for mark in marks
        ]
        # A row of the table itself is as wide as its header, and no blank line is before it.
        apart_from = _most(line, marks) > _most(lines[0], marks) or not all(
            map(str.strip, lines[:number])
        )
        if any(alike) and apart_from:
            return number
    return 0


def _bare(lines: Sequence[str], number: int) -> Iterator[str]:
    """What stands outside quotes in the record that begins at a line, as doubled quotes are read, and as escaped ones.

    A quote that stays open goes on in the lines that follow.
    """
    for inside in ("", ESCAPED):
        record = ""
        for line in lines[number:]:
            record += re.sub(inside, "", line) if inside else line
            if record.count('"') % 2 == 0:
                break
        yield "".join(record.split('"')[::2])


def _fields(line: str, mark: str) -> int:
    """How often a mark stands in a line outside quotes; anywhere in it, where a quote stays open."""
    parts = line.split('"')
    return sum(part.count(mark) for part in (parts[::2] if len(parts) % 2 else parts))


def _most(line: str, marks: str) -> int:
    """How often the most frequent of the marks stands in a line."""
    return max(_fields(line, mark) for mark in marks)


def _separator(line: str) -> str:
    return max(SEPARATORS, key=lambda mark: _fields(line, mark))


def header(text: Text, separator: str, quote: str | None) -> tuple[list[str], list[str]]:
    """The names in a text's first record, and what had to be said of them."""
    with text.path.open("rb") as file:
        start = file.read(CHUNK)
    if (quote and start.partition(b"\n")[0].count(quote.encode()) % 2 == 0) or not quote:
        start = start.partition(b"\n")[0]
    line = start.decode("utf-8", errors="replace").lstrip("\ufeff")
    if not quote:
        fields = line.rstrip("\r\n").split(separator)
    else:
        try:
            fields = next(
                csv.reader(io.StringIO(line, newline=""), delimiter=separator, quotechar=quote), []
            )
        except csv.Error as error:
            raise SourceError(
                f"{text.name}: its header cannot be read ({error}). Is it a table with one line of column names?"
            ) from error
    if not fields:
        raise SourceError(
            f"{text.name} has an empty first line where its column names should stand."
        )
    fields[0] = fields[0].lstrip("#") if len(fields) > 1 else fields[0]
    names = [" ".join(field.split()) or f"column_{n}" for n, field in enumerate(fields, start=1)]
    return apart(names, text.name)


def apart(names: Iterable[str], where: str) -> tuple[list[str], list[str]]:
    """Names of which no two are alike, and sentences on those that were: `a`, `a (2)`, in their order."""
    made: list[str] = []
    seen = set(OWN)
    told = []
    for name in names:
        number, new = 2, name
        while new in seen:
            new, number = f"{name} ({number})", number + 1
        seen.add(new)
        made.append(new)
        if new != name:
            why = "is a name that Wareloom itself uses" if name in OWN else "stands more than once"
            told.append(f"{where}: the column {name!r} {why}; it is called {new!r} here.")
    return made, told if len(told) <= 3 else [
        *told[:3],
        f"{where}: {len(told) - 3} more columns, too.",
    ]


def beginning(text: Text) -> str:
    """The first lines of a text."""
    with text.path.open("rb") as file:
        start = file.read(CHUNK >> 4).decode("utf-8", errors="replace")
    return start.lstrip("\ufeff").replace("\r\n", "\n")


def without_lines(text: Text, lines: int, folder: Path) -> Text:
    """Text without its first lines."""
    if not lines:
        return text
    target = folder / f"{len(list(folder.iterdir())):04d}-{text.name}"
    with text.path.open("rb") as file, target.open("wb") as out:
        for _ in range(lines):
            file.readline()
        shutil.copyfileobj(file, out, CHUNK)
    if target.stat().st_size == 0:
        raise SourceError(
            f"{text.name} has no more than the {lines} lines that are to be passed over."
        )
    return Text(text.name, target, text.told)


def are_signs_only(text: Text, quote: str) -> bool:
    """Whether quote signs are text in a file with tabs: none of its fields begins with one."""
    mark, tail, some = quote.encode(), b"\n", False
    with text.path.open("rb") as file:
        while chunk := file.read(CHUNK):
            body = tail + chunk
            some = some or mark in chunk
            if b"\t" + mark in body or b"\n" + mark in body:
                return False
            tail = body[-1:]
    return some
