"""What a shop that is made of frames is checked for: what its tables' schemas say of values, keys and foreign keys."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import polars as pl

from wareloom.errors import SchemaError
from wareloom.shop.schema import SLOTS, TABLES
from wareloom.shop.spans import fits

MEND = "Mend the frame, or let `wareloom read` set such rows aside (--on-error reject)."


def check_tables(tables: Mapping[str, pl.LazyFrame]) -> None:
    """Raise `SchemaError` for the first table whose rows a reader would not take; each table is read once, streaming.

    Where some rows are on items or searches that the shop lacks, a warning counts them, since nothing learns from them;
    where all are, the ids are of another form, and that is an error. Users need not be listed.
    """
    lost: list[str] = []
    for name, frame in tables.items():
        _check_columns(name, frame)
        counts = _counted(name, frame, tables)
        rows = counts.pop("rows")
        for what, count in counts.items():
            if not count:
                continue
            column, _, other = what.partition(" not in ")
            if not other:
                raise SchemaError(f"Table {name!r}: in {count:,} of {rows:,} rows {what}. {MEND}")
            here, there = _example(frame, column), _example(tables[other], TABLES[other].key[0])
            said = (
                f"Table {name!r}: in {count:,} of {rows:,} rows {column} is none of the table {other!r} "
                f"(it is such as {here!r} here and {there!r} there)"
            )
            if count == rows:
                raise SchemaError(f"{said}: write the ids of both in one form.")
            lost.append(said)
    for said in lost:
        warnings.warn(f"{said}; nothing learns from them.", stacklevel=3)


def _check_columns(name: str, frame: pl.LazyFrame) -> None:
    """Raise `SchemaError` where a column that every row needs is not there."""
    table, present = TABLES[name], frame.collect_schema().names()
    for column, of in table.columns.items():
        if of.required and column not in present:
            raise SchemaError(f"Table {name!r} needs the column {column!r}; it has {present}.")
    if table.any_of and not set(table.any_of) & set(present):
        raise SchemaError(
            f"Table {name!r} needs the column {' or '.join(table.any_of)}; it has {present}."
        )


def _counted(name: str, frame: pl.LazyFrame, tables: Mapping[str, pl.LazyFrame]) -> dict[str, int]:
    """Rows of a table, and how many of them break what its schema says, in words."""
    table, present = TABLES[name], frame.collect_schema().names()
    faults: dict[str, pl.Expr] = {}
    for column, of in table.columns.items():
        if column not in present:
            continue
        cell = pl.col(column)
        if of.required:
            lacks = cell.is_null()
            if of.unless and of.unless[0] in present:
                lacks &= pl.col(of.unless[0]).ne_missing(pl.lit(of.unless[1]))
            faults[f"{column} is missing"] = lacks
        if of.dtype == SLOTS and "text" in present:
            both = pl.struct(column, "text").map_batches(_misplaced, return_dtype=pl.Boolean)
            faults[f"a span of {column} is not its value"] = both
        if of.values:
            faults[f"{column} is none of {', '.join(of.values)}"] = ~cell.is_in(list(of.values))
        if of.minimum is not None:
            faults[f"{column} is below {of.minimum:g}"] = cell < of.minimum
        if of.maximum is not None:
            faults[f"{column} is above {of.maximum:g}"] = cell > of.maximum
    if table.any_of:
        there = [pl.col(column) for column in table.any_of if column in present]
        faults[f"{' and '.join(table.any_of)} are missing"] = pl.all_horizontal(
            c.is_null() for c in there
        )
    if table.key:
        keys = [pl.col(column) for column in table.key]
        faults[f"{' + '.join(table.key)} is that of another row"] = (
            (keys[0] if len(keys) == 1 else pl.struct(keys)).is_first_distinct().not_()
        )
    for column, other in table.foreign:
        if column in present and other in tables and other != "users":
            known = tables[other].select(TABLES[other].key[0]).collect().to_series()
            faults[f"{column} not in {other}"] = ~pl.col(column).is_in(known.implode())
    counts = [
        fault.fill_null(False).sum().alias(f"fault {place}")
        for place, fault in enumerate(faults.values())
    ]
    # A cell that is not of its column's type shows itself only where it is read.
    counts += [pl.col(c).count() for c in present if c in table.columns and c != "image"]
    try:
        found = frame.select(pl.len(), *counts).collect(engine="streaming").row(0)
    except pl.exceptions.PolarsError as error:
        raise SchemaError(
            f"Table {name!r} cannot be brought to the types of a shop: {str(error).splitlines()[0]}. {MEND}"
        ) from error
    return {"rows": int(found[0])} | dict(zip(faults, map(int, found[1:]), strict=False))


def _misplaced(cells: pl.Series) -> pl.Series:
    """Whether a slot's value is not what stands at its span, bool [rows]."""
    slots, texts = (cells.struct.field(name) for name in cells.struct.schema)
    found = [
        any(not fits(slot, text or "") for slot in own or ())
        for own, text in zip(slots.to_list(), texts.to_list(), strict=True)
    ]
    return pl.Series(found, dtype=pl.Boolean)


def _example(frame: pl.LazyFrame, column: str) -> str | None:
    """A value of a column."""
    found = frame.select(pl.col(column).drop_nulls().head(1)).collect().to_series()
    return found[0] if len(found) else None
