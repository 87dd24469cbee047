"""Which rows of a file are rows of a table: those that a map keeps, histories in one cell, days in their order."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from wareloom.errors import SchemaError, near
from wareloom.preparing.values import LIST
from wareloom.readers import Intake
from wareloom.readers._cells import listed
from wareloom.readers._header import OWN
from wareloom.readers._map import Entry, NothingTaken
from wareloom.readers._names import HISTORIES, plain

CALENDAR = (
    r"^((19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])|\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|"
    r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([ T].*)?$"
)
"""What a day of the calendar looks like, which a number of days since some beginning does not"""


def chosen(frame: pl.LazyFrame, entry: Entry, name: str, intake: Intake) -> pl.LazyFrame:
    """The rows that `keep` and `drop` of the map leave; the others are counted as skipped."""
    conditions = [
        _is_one_of(frame, name, column, values) for column, values in entry.keep.items()
    ] + [~_is_one_of(frame, name, c, values) for c, values in (entry.drop or {}).items()]
    if not conditions:
        return frame
    kept = pl.all_horizontal(conditions).fill_null(False)
    counted = frame.select(n=pl.len(), gone=(~kept).sum()).collect(engine="streaming")
    rows, gone = counted.row(0)
    if gone == rows:
        raise NothingTaken(_none_left(frame, entry, name))
    if gone:
        intake.skipped[f"rows of {name} that the map passes over"] = gone
    return frame.filter(kept)


def _none_left(frame: pl.LazyFrame, entry: Entry, name: str) -> str:
    """Why no row is left of a file: what its columns have in place of what the map looks for."""
    told = []
    for column in (*entry.keep, *(entry.drop or ())):
        cells = (
            frame.select(pl.col(column).cast(pl.String)).drop_nulls().unique(maintain_order=True)
        )
        some = cells.head(6).collect()[column].to_list()
        told.append(f"{column!r} has {', '.join(map(repr, some)) or 'nothing'}")
    return (
        f"{name}: keep and drop in the map leave none of its rows: {'; '.join(told)}. Name values that are there, or "
        "take the entry out."
    )


def _is_one_of(frame: pl.LazyFrame, name: str, column: str, values: Sequence[str]) -> pl.Expr:
    there = [c for c in frame.collect_schema().names() if c not in OWN]
    if column not in there:
        raise SchemaError(
            f"{name} lacks the column {column!r} that the map names.{near(column, there)} It has: {', '.join(there)}."
        )
    return pl.col(column).cast(pl.String).str.strip_chars().is_in(list(values)).fill_null(False)


def history_of(columns: Sequence[str]) -> str | None:
    """The column that holds histories, by its name."""
    return next((c for c in columns if plain(c) in HISTORIES), None)


def spread(frame: pl.LazyFrame, found: dict[str, str], columns: Sequence[str]) -> pl.LazyFrame:
    """A row for each item where one cell holds the items of a session or user; an item beside it comes last.

    The column of histories is entered in `found`.
    """
    history = history_of(columns)
    target = found.get("item_id")
    if history is None or (target is not None and plain(history) not in ("itemidlist", "history")):
        return frame
    if not ({"user_id", "session_id"} & set(found)):
        return frame
    dtype = frame.collect_schema()[history]
    if (
        dtype == pl.String
        and frame.select(
            pl.col(history).head(100).str.contains(r"^\s*(\[|" + LIST + r")?\s*\{").any()
        )
        .collect()
        .item()
    ):
        return frame
    items = listed(pl.col(history), dtype)
    if target is not None:
        last = pl.col(target).cast(pl.String)
        items = items.fill_null([]).list.concat(pl.concat_list(last))
    found["item_id"] = history
    frame = frame.with_columns(items.alias(history)).explode(history, empty_as_null=True)
    return frame.filter(pl.col(history).is_not_null() & (pl.col(history) != ""))


def by_day(
    frame: pl.LazyFrame, found: dict[str, str], columns: Sequence[str], name: str, intake: Intake
) -> pl.LazyFrame:
    """Rows in the order of their days, where those are numbers that no calendar knows, and there is no time.

    Days that a calendar knows are the time, and are entered in `found`.
    """
    there = {plain(c): c for c in columns}
    if "time" in found or "day" not in there:
        return frame
    days = frame.select(pl.col(there["day"]).cast(pl.String).str.strip_chars().alias("day"))
    looked = days.drop_nulls().head(1000).collect()["day"]
    looked = looked.filter(looked != "")
    if len(looked) and looked.str.contains(CALENDAR).all():
        found["time"] = there["day"]
        return frame
    numbers = [there[c] for c in ("day", "transtime", "timeoftransaction") if c in there]
    cells = [
        pl.col(c).cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False) for c in numbers
    ]
    sample = frame.select(cells).head(1000).collect()
    if any(sample[c].null_count() for c in numbers):
        return frame
    intake.say(
        f"{name}: {' and '.join(numbers)} are no dates: rows are put in their order, and the events have no times."
    )
    made = frame.with_columns(c.alias(f" by {n}") for n, c in enumerate(cells))
    by = [f" by {n}" for n in range(len(cells))]
    return made.sort(by, nulls_last=True, maintain_order=True).drop(by)
