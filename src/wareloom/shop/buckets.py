"""Work on each user's events together without holding the log in memory, and sort rows into parts by a code a row.

A log of more than `BUCKET_ROWS` rows is dealt by a hash of the user into Parquet buckets that hold a few narrow columns
and each row's number in the file. Each bucket is then worked on in memory; what is decided is one small code a row,
kept in one array for the whole log (a byte a row). The rows themselves are written at the end in one streaming pass, in
file order.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.shop.storage import ROW_GROUP

BUCKET_ROWS = 4_000_000
"""Rows that one bucket holds on average."""
CODE = "__code"
ROW = "row"
USER = "user"


def count(frame: pl.LazyFrame) -> int:
    """Return the number of rows of `frame`."""
    return int(frame.select(pl.len()).collect(engine="streaming").item())


def user_key(frame: pl.LazyFrame | pl.DataFrame) -> pl.Expr:
    """Return who a row belongs to: its user id, or its session id where it has no user; null where there is neither."""
    names = frame.collect_schema().names()
    keys = [pl.col(name) for name in ("user_id", "session_id") if name in names]
    return pl.coalesce(keys) if keys else pl.lit(None, dtype=pl.String)


def user_hash(frame: pl.LazyFrame) -> pl.Expr:
    """Return a 64-bit hash of `user_key`; it is for comparing within one process, never for keeping."""
    return user_key(frame).hash(seed=1)


@dataclass(frozen=True)
class Buckets:
    """The narrow columns of a log, in pieces; all events of a user are in one piece."""

    rows: int
    """Rows of the whole log"""
    paths: tuple[Path, ...] = ()
    frame: pl.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.paths) if self.frame is None else 1

    def __getitem__(self, place: int) -> pl.DataFrame:
        """Return one piece: `row` (number in the file, ascending), `user` (hash) and the columns asked for."""
        if self.frame is not None:
            return self.frame
        return pl.read_parquet(
            sorted(self.paths[place].glob("*.parquet")), memory_map=False, glob=False
        ).sort(ROW)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return (self[place] for place in range(len(self)))


@contextlib.contextmanager
def bucketed(
    events: pl.LazyFrame,
    columns: Mapping[str, pl.Expr],
    folder: Path | None = None,
    *,
    size: int = BUCKET_ROWS,
) -> Iterator[Buckets]:
    """Yield `columns` of `events` in buckets of about `size` rows; more than one lie on disk below `folder`."""
    rows = count(events)
    number = max(1, math.ceil(rows / size))
    narrow = events.with_row_index(ROW).select(ROW, user_hash(events).alias(USER), **columns)
    if number == 1:
        yield Buckets(rows, frame=_sorted(narrow.collect(engine="streaming")))
        return
    place = Path(tempfile.mkdtemp(prefix=".buckets-", dir=folder))
    try:
        target = pl.PartitionBy(
            place, key="bucket", include_key=False, approximate_bytes_per_file=None
        )
        narrow.with_columns(bucket=pl.col(USER) % number).sink_parquet(
            target,
            compression="uncompressed",
            statistics=False,
            row_group_size=ROW_GROUP,
            engine="streaming",
        )
        yield Buckets(rows, tuple(sorted(path for path in place.iterdir() if path.is_dir())))
    finally:
        shutil.rmtree(place, ignore_errors=True)


def in_file_order(frame: pl.LazyFrame, *columns: str | pl.Expr, **named: pl.Expr) -> pl.DataFrame:
    """Return some columns of `frame` in memory, in file order whatever the streaming engine does with their order."""
    chosen = frame.with_row_index(ROW).select(ROW, *columns, **named)
    return _sorted(chosen.collect(engine="streaming")).drop(ROW)


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows by their numbers."""
    return frame if frame[ROW].is_sorted() else frame.sort(ROW)


def coded(frame: pl.LazyFrame, codes: np.ndarray) -> pl.LazyFrame:
    """Return `frame` with the column `CODE`: one code a row, in file order."""
    return pl.concat([frame, pl.Series(CODE, codes).to_frame().lazy()], how="horizontal")


def sink(frames: Mapping[Path, pl.LazyFrame]) -> None:
    """Write each frame to its path as Parquet, all in one streaming pass over what they share."""
    sinks = []
    for path, frame in frames.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        sinks.append(
            frame.sink_parquet(path, row_group_size=ROW_GROUP, maintain_order=True, lazy=True)
        )
    if sinks:
        pl.collect_all(sinks, engine="streaming")
