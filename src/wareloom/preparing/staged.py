"""What a table is while it goes through the door, what is told of it, and how it is written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.values import Defect, Form
from wareloom.shop.storage import row_group

ROW = "source_row"
"""Column of a reader's frame: the number of the row in its file, the header counted, from 1."""
FILE = "source_file"
"""Column of a reader's frame: the name of the file."""
BROKEN = "source_defect"
"""Column of a reader's frame: what is wrong with the row as a whole (a line with too few fields), else null."""
ITEM = "item "
"""Before the name of a column of items, a column of a reader's frame of events: what the log says of the item."""
UNIT_PRICE = "unit price"
"""Column of a reader's frame of events without a value: the price of one, of which times the quantity is the value."""
TRANSACTION = "transaction"
"""Column of a reader's frame of events: the id under which a purchase counts once, however often it was sent."""
NEEDED = (("events", "time"), ("searches", "time"))
"""Optional columns without which a row says something else: a row whose cell is malformed there is set aside."""
FORMED = r"\.0+$|^\d(?:[.,]\d+)?[eE]\+?\d+$"
"""Ids as programs write them that took them for numbers."""
GUESTS = (
    "0", "-1", "guest", "Guest", "GUEST", "anonymous", "Anonymous", "anon", "gast", "Gast", "guest user", "Guest User",
    "unknown", "Unknown", "not logged in", "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
)  # fmt: skip
"""Ids of users that shop systems write where nobody is logged in."""


@dataclass
class Admitted:
    """What came, what was taken and what was set aside, by table; plain values for `read.json`."""

    came: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    blanked: dict[str, dict[str, int]] = field(default_factory=dict)
    """Malformed cells that were taken out of rows that stay, by table and reason"""
    derived: dict[str, int] = field(default_factory=dict)
    """Rows of items and users that only the log knows"""
    times: dict[str, str] = field(default_factory=dict)
    """How times were written, by table.column"""
    decimals: dict[str, str] = field(default_factory=dict)
    """Decimal marks that are no dot, by table.column"""
    currencies: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many amounts name which currency, by table.column"""
    forms: dict[str, Form] = field(default_factory=dict)
    """What was found of how columns are written, by table.column; not for `read.json`"""
    notes: list[str] = field(default_factory=list)
    """What was decided for the user, each in a sentence"""
    warnings: list[str] = field(default_factory=list)
    """What the user should look at, each in a sentence"""


@dataclass(frozen=True)
class Staged:
    """One table, cast and checked cell by cell, on disk with its defects."""

    name: str
    path: Path
    columns: tuple[str, ...]
    defects: tuple[Defect, ...]
    blanks: tuple[Defect, ...] = ()
    """What was wrong with cells that were blanked; bit i of `_blank` says that it was defect i"""
    edits: tuple[pl.Expr, ...] = ()
    """What is done to ids, once all tables are known"""

    def scan(self) -> pl.LazyFrame:
        """The rows with their number `_n` and their `_defect`, an index into `defects`."""
        frame = pl.scan_parquet(self.path, row_index_name="_n", glob=False)
        for edit in self.edits:
            frame = frame.with_columns(edit)
        return frame

    def edited(self, *edits: pl.Expr) -> Staged:
        """This table with more done to its ids."""
        return replace(self, edits=(*self.edits, *edits))

    def has(self, column: str) -> bool:
        """Whether a column is there, those that only the door sees included."""
        return column in pl.scan_parquet(self.path, glob=False).collect_schema()


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn what polars raises while it reads `what` into errors of ours; a full disk becomes `OSError`."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        text = " ".join(str(error).split())
        if "os error 28" in text:
            raise OSError(errno.ENOSPC, "No space left on device") from error
        if "malformed" in text or "not properly escaped" in text:
            hint = "A quote sign stands alone in a field: double it, or read with --as tables --set quote=none."
        else:
            hint = "Is the source whole, and of the format that was named?"
        raise SourceError(f"{what} cannot be read: {text[:400]}. {hint}") from error


def sink(frame: pl.LazyFrame, path: Path) -> None:
    """Write one frame, streaming and in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.sink_parquet(path, row_group_size=row_group(path.stem), maintain_order=True)
