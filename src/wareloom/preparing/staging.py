"""One table on its way through the door: every cell cast and checked, its rows and their defects on disk."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from wareloom.errors import SchemaError, SourceError
from wareloom.preparing.values import TELLING, Cell, Clock, Defect, cell, clock, undecided
from wareloom.shop.schema import TABLES, TIME
from wareloom.shop.storage import ROW_GROUP

ROW = "source_row"
"""Column of a reader's frame: the number of the row in its file, the header counted, from 1."""
FILE = "source_file"
"""Column of a reader's frame: the name of the file."""
BROKEN = "source_defect"
"""Column of a reader's frame: what is wrong with the row as a whole (a line with too few fields), else null."""
ITEM = "item "
"""Before the name of a column of items, a column of a reader's frame of events: what the log says of the item."""


@dataclass
class Admitted:
    """What came, what was taken and what was set aside, by table; plain values for `read.json`."""

    came: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    derived: dict[str, int] = field(default_factory=dict)
    """Rows of items and users that only the log knows"""
    times: dict[str, str] = field(default_factory=dict)
    """How times were written, by table.column"""


@dataclass(frozen=True)
class Staged:
    """One table, cast and checked cell by cell, on disk with its defects."""

    name: str
    path: Path
    columns: tuple[str, ...]
    defects: tuple[Defect, ...]

    def scan(self) -> pl.LazyFrame:
        """The rows with their number `_n` and their `_defect`, an index into `defects`."""
        return pl.scan_parquet(self.path, row_index_name="_n")


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
    frame.sink_parquet(path, row_group_size=ROW_GROUP, maintain_order=True)


def stage(name: str, frame: pl.LazyFrame, folder: Path, told: Admitted, time_format: str) -> Staged:
    """Cast and check each cell on its own; write all rows, the defective ones with their cells as they came."""
    table = TABLES[name]
    with guarded(f"table {name!r}"):
        found = frame.collect_schema()
    columns = tuple(c for c in table.columns if c in found)
    for column, rule in table.columns.items():
        if rule.required and column not in found:
            raise SchemaError(
                f"Table {name!r} lacks the column {column!r}; it has {', '.join(columns) or 'none'}."
            )
    if table.any_of and not set(table.any_of) & set(found):
        raise SchemaError(
            f"Table {name!r} needs a column {' or '.join(table.any_of)}; it has {', '.join(columns)}."
        )
    cells: dict[str, Cell] = {}
    for column in columns:
        form = (
            _clock(name, column, frame, told, time_format)
            if table.columns[column].dtype == TIME
            else None
        )
        cells[column] = cell(column, table.columns[column], found[column], form)
    if ROW not in found:
        frame = frame.with_row_index(ROW, offset=1)
    source = [
        pl.col(ROW).cast(pl.Int64),
        (pl.col(FILE) if FILE in found else pl.lit(name)).alias(FILE),
    ]
    broken = pl.col(BROKEN) if BROKEN in found else pl.lit(None, dtype=pl.String)
    checks = [(broken.is_not_null(), Defect("line", "broken")), *_row_checks(name, cells)]
    index = pl.coalesce(
        [pl.when(test).then(pl.lit(i, dtype=pl.Int16)) for i, (test, _) in enumerate(checks)]
    )
    own = [cells[c].value.alias(c) for c in columns]
    raw = [_raw(c, found[c]).alias(f"raw {c}") for c in columns if is_plain(table.columns[c].dtype)]
    plan = frame.select(*own, *raw, *source, broken.alias(BROKEN), index.alias("_defect"))
    plan = plan.with_columns(
        pl.when(pl.col("_defect").is_not_null()).then(pl.col(r)).alias(r)
        for r in (f"raw {c}" for c in columns if is_plain(table.columns[c].dtype))
    )
    path = folder / "staged" / f"{name}.parquet"
    with guarded(f"table {name!r}"):
        sink(plan, path)
        told.came[name] = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    return Staged(name, path, columns, tuple(defect for _, defect in checks))


def is_plain(dtype: Any) -> bool:
    """Whether cells of this type lose their text when they are cast."""
    return bool(dtype.is_numeric() or dtype == TIME)


def _raw(column: str, dtype: Any) -> pl.Expr:
    return pl.col(column) if dtype == pl.String else pl.col(column).cast(pl.String, strict=False)


def _clock(name: str, column: str, frame: pl.LazyFrame, told: Admitted, given: str) -> Clock | None:
    """Find how a column of times is written, from its first 1000 cells.

    Where those are dates with slashes whose days are all below 13, the first 100 cells that tell day from month
    count too.
    """
    dtype = frame.collect_schema()[column]
    if dtype.is_temporal():
        return None
    where = f"Table {name!r}, column {column!r}"
    with guarded(f"table {name!r}"):
        sample = frame.select(column).drop_nulls().head(1000).collect()[column]
        if not given and undecided(sample):
            telling = frame.select(column).filter(
                pl.col(column).cast(pl.String).str.contains(TELLING)
            )
            sample = sample.append(telling.head(100).collect(engine="streaming")[column])
    form = clock(sample, where, given)
    told.times[f"{name}.{column}"] = form.words
    return form


def _row_checks(name: str, cells: dict[str, Cell]) -> list[tuple[pl.Expr, Defect]]:
    """All that is asked of one row of the table, malformed cells before missing ones."""
    checks = [check for made in cells.values() for check in made.defects]
    if any_of := [c for c in TABLES[name].any_of if c in cells]:
        nobody = pl.all_horizontal([cells[c].value.is_null() for c in any_of])
        checks.append((nobody, Defect(" or ".join(any_of), "missing", fatal=False)))
    if name == "events":
        item = cells["item_id"].value.is_null() if "item_id" in cells else pl.lit(True)
        checks.append(
            (item & (cells["event"].value != "search"), Defect("item_id", "missing", fatal=False))
        )
    return sorted(checks, key=lambda check: not check[1].fatal)
