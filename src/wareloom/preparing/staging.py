"""One table on its way through the door: every cell cast and checked, its rows and their defects on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from wareloom.errors import SchemaError
from wareloom.preparing.amounts import MONEY, currency
from wareloom.preparing.cell_forms import Given, forms_of, second_look
from wareloom.preparing.nothing import NO_NUMBER
from wareloom.preparing.staged import (
    BROKEN,
    FILE,
    FORMED,
    GUESTS,
    NEEDED,
    ROW,
    TRANSACTION,
    UNIT_PRICE,
    Admitted,
    Staged,
    guarded,
    sink,
)
from wareloom.preparing.values import IDS, Cell, Clocks, Defect, Form, cell
from wareloom.shop.schema import SLOTS, TABLES, TIME


def stage(
    name: str, frame: pl.LazyFrame, folder: Path, told: Admitted, given: Given, on_error: str
) -> Staged:
    """Cast and check each cell on its own; write all rows, the defective ones with their cells as they came.

    How times and numbers are written is told from the first cells, and looked at again over the whole column where
    cells do not fit. Where `on_error` is "reject", a malformed cell of an optional column is blanked.
    """
    with guarded(f"table {name!r}"):
        found = frame.collect_schema()
    columns = _columns(name, found)
    if ROW not in found:
        frame = frame.with_row_index(ROW, offset=1)
    if FILE not in found:
        frame = frame.with_columns(pl.lit(name).alias(FILE))
    with guarded(f"table {name!r}"):
        forms = forms_of(name, frame, _sources(columns, found), given)
        plan, staged = _plan(name, frame, columns, forms, folder, on_error)
        sink(plan, staged.path)
        again = second_look(staged, frame, _sources(columns, found), forms, given)
        if again != forms:
            forms = again
            plan, staged = _plan(name, frame, columns, forms, folder, on_error)
            sink(plan, staged.path)
        told.came[name] = int(
            pl.scan_parquet(staged.path, glob=False).select(pl.len()).collect().item()
        )
        _tell(staged, forms, found, told)
    return staged


def _columns(name: str, found: pl.Schema) -> tuple[str, ...]:
    """The table's columns that came; raises `SchemaError` where one is missing without which it is nothing."""
    table = TABLES[name]
    columns = tuple(
        c for c in table.columns if c in found or (c == "value" and UNIT_PRICE in found)
    )
    for column, rule in table.columns.items():
        if rule.required and column not in found:
            raise SchemaError(
                f"Table {name!r} lacks the column {column!r}; it has {', '.join(columns) or 'none'}."
            )
    if table.any_of and not set(table.any_of) & set(found):
        raise SchemaError(
            f"Table {name!r} needs a column {' or '.join(table.any_of)}; it has {', '.join(columns)}."
        )
    return columns


def _sources(columns: tuple[str, ...], found: pl.Schema) -> dict[str, str]:
    """The frame's column by the table's: they differ where the value is made of a price."""
    return {c: UNIT_PRICE if c == "value" and UNIT_PRICE in found else c for c in columns}


def _plan(
    name: str,
    frame: pl.LazyFrame,
    columns: tuple[str, ...],
    forms: Mapping[str, Form],
    folder: Path,
    on_error: str,
) -> tuple[pl.LazyFrame, Staged]:
    """What is written of a table, and what it will be."""
    rules, found = TABLES[name].columns, frame.collect_schema()
    sources = _sources(columns, found)
    cells = {c: cell(c, rules[c], found[s], forms.get(c), s) for c, s in sources.items()}
    if sources.get("value") == UNIT_PRICE and "quantity" in cells:
        unread = cells["quantity"].defects[0][0]
        number = pl.when(~unread).then(cells["quantity"].value.fill_null(1))
        cells["value"] = Cell(cells["value"].value * number, cells["value"].defects)
    blanks: list[tuple[pl.Expr, Defect]] = []
    if on_error == "reject":
        for column in (c for c in columns if optional(name, c)):
            own, wrong = cells[column], pl.lit(False)
            for test, defect in own.defects:
                blanks.append((test.fill_null(False) & ~wrong, defect))
                wrong |= test.fill_null(False)
            cells[column] = Cell(pl.when(~wrong).then(own.value))
    broken = pl.col(BROKEN) if BROKEN in found else pl.lit(None, dtype=pl.String)
    # A picture that cannot be used is no sign that the source was misread: it is set aside, and the rest is read.
    whole = (
        Defect("picture", "unusable", fatal=False) if name == "images" else Defect("line", "broken")
    )
    checks = [(broken.is_not_null(), whole), *_row_checks(name, cells)]
    index = pl.coalesce(
        [pl.when(test).then(pl.lit(i, dtype=pl.Int16)) for i, (test, _) in enumerate(checks)]
    )
    blank = pl.sum_horizontal(
        [pl.when(test).then(1 << i).otherwise(0) for i, (test, _) in enumerate(blanks)] or [0]
    )
    plain = [c for c in columns if is_plain(rules[c].dtype)]
    plan = frame.select(
        *(cells[c].value.alias(c) for c in columns),
        *(_raw(sources[c], found[sources[c]]).alias(f"raw {c}") for c in plain),
        pl.col(ROW).cast(pl.Int64),
        FILE,
        broken.alias(BROKEN),
        *_beside(sources, found, forms),
        index.alias("_defect"),
        blank.cast(pl.Int64).alias("_blank"),
    )
    plan = plan.with_columns(
        pl.when(pl.col("_defect").is_not_null() | (pl.col("_blank") > 0)).then(pl.col(r)).alias(r)
        for r in (f"raw {c}" for c in plain)
    )
    defects, blanked = (tuple(d for _, d in made) for made in (checks, blanks))
    return plan, Staged(name, folder / "staged" / f"{name}.parquet", columns, defects, blanked)


def optional(name: str, column: str) -> bool:
    """Whether a malformed cell of the column may be blanked and its row stay."""
    rule = TABLES[name].columns.get(column)
    known = rule is not None and not rule.required
    return known and column not in IDS and (name, column) not in NEEDED


def _beside(
    sources: Mapping[str, str], found: pl.Schema, forms: Mapping[str, Form]
) -> list[pl.Expr]:
    """What the door wants to know of a row beside its cells: currencies, ids of odd forms, guests, transactions."""
    made = []
    for column, source in sources.items():
        form = forms.get(column)
        if column in MONEY and found[source] == pl.String and not getattr(form, "plain", True):
            made.append(currency(pl.col(source).str.strip_chars()).alias(f"currency {column}"))
    ids = [c for c in sources if c in IDS and found[c] == pl.String]
    if ids:
        odd = pl.any_horizontal([pl.col(c).str.contains(FORMED).fill_null(False) for c in ids])
        made.append(odd.alias("_formed"))
    if "user_id" in sources:
        user = pl.col("user_id").cast(pl.String)
        made.append(user.is_in(GUESTS).fill_null(False).alias("_guest"))
    if TRANSACTION in found:
        said = pl.col(TRANSACTION).cast(pl.String).str.strip_chars()
        made.append(pl.when(~said.is_in(NO_NUMBER)).then(said).alias(TRANSACTION))
    return made


def _tell(staged: Staged, forms: Mapping[str, Form], found: pl.Schema, told: Admitted) -> None:
    """Note how the table's columns were written, and the currencies of its amounts."""
    for column, form in forms.items():
        where = f"{staged.name}.{column}"
        told.forms[where] = form
        if isinstance(form, Clocks):
            words = list(dict.fromkeys(c.words for c in (form.usual, *form.files.values())))
            told.times[where] = "; ".join(words)
            if form.files:
                told.notes.append(
                    f"The files of {where} write times in {len(words)} forms; each was read by its own: "
                    + "; ".join(f"{name}: {c.words}" for name, c in list(form.files.items())[:5])
                    + ". Another form is said by time_format in a map."
                )
            for name, own in {"the first file": form.usual, **form.files}.items():
                if own.told_by:
                    told.notes.append(
                        f"In the dates of {where}, {name}, no number is above 12: day and month were read as "
                        f"{own.told_by} has them, {own.words}. Another form is said by time_format."
                    )
        elif form is not None and ("," in (form.mark, *form.files.values())):
            files = [name for name, mark in form.files.items() if mark == ","]
            told.decimals[where] = ","
            of = f" of {', '.join(files[:5])}" if files else ""
            told.notes.append(
                f'The numbers{of} in {where} have a decimal comma. If they have not, say decimal = ".".'
            )
        if staged.has(f"currency {column}"):
            _tell_currencies(staged, column, told)


def _tell_currencies(staged: Staged, column: str, told: Admitted) -> None:
    name = f"currency {column}"
    counts = (
        staged.scan().group_by(name).len().drop_nulls().collect().sort("len", name, descending=True)
    )
    found = {str(sign): int(n) for sign, n in counts.iter_rows()}
    if not found:
        return
    where = f"{staged.name}.{column}"
    told.currencies[where] = found
    if len(found) > 1:
        kinds = ", ".join(f"{sign} ({n:,})" for sign, n in list(found.items())[:6])
        told.warnings.append(
            f"{where} holds several currencies: {kinds}. The amounts were kept as they stand; convert them before "
            "prices are compared."
        )


def is_plain(dtype: Any) -> bool:
    """Whether cells of this type lose their text when they are cast."""
    return bool(dtype.is_numeric() or dtype in (TIME, SLOTS))


def _raw(column: str, dtype: Any) -> pl.Expr:
    if isinstance(dtype, pl.List):
        cell = pl.col(column).map_elements(lambda one: str(one.to_list()), return_dtype=pl.String)
        return cell.cast(pl.String)
    return pl.col(column) if dtype == pl.String else pl.col(column).cast(pl.String, strict=False)


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
