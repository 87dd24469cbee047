"""The door: the one place where what comes from outside is checked, and from where a shop's tables go to disk.

Two kinds of defects. *Rows that cannot be used* (no key, an unknown item) are always set aside in `rejected/`.
*Malformed cells* (no number, no date, a negative price, an item id used twice) stop the reading with the table, the
column, the row, the value and the remedy, or are set aside too where the caller said so. Nothing is dropped silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from wareloom.errors import SchemaError, SettingError, near, unknown
from wareloom.preparing.completing import complete_users, derive_items
from wareloom.preparing.staging import (
    BROKEN,
    FILE,
    ITEM,
    ROW,
    Admitted,
    Staged,
    guarded,
    is_plain,
    sink,
    stage,
)
from wareloom.preparing.values import Defect
from wareloom.shop import schema
from wareloom.shop.schema import TABLES

POLICIES = ("stop", "reject")
ORDER = ("items", "users", "searches", "events", "judgments", "dialogues", "images", "soft_labels")
ASIDE = "correct the source, or pass --on-error reject to set such rows aside in rejected/"


def admit(
    tables: Mapping[str, pl.LazyFrame],
    folder: Path,
    *,
    on_error: str = "stop",
    time_format: str = "",
) -> Admitted:
    """Check `tables` (canonical column names, cells of any type) and write the good rows to `folder`/TABLE.parquet.

    Frames may carry `source_row`, `source_file` and `source_defect`. The order of rows is kept, and no table is held in
    memory: only its keys are. Rejected rows go to `folder`/rejected/TABLE.parquet with a column `reason`. Items are
    taken from the log where there is no table of items; a table of users is completed by the users of the log.
    Raises `SchemaError` at a malformed cell (unless `on_error` is "reject") and `SourceError` where a source cannot
    be read.
    """
    if on_error not in POLICIES:
        raise SettingError(
            f"on_error={on_error!r} is not known.{near(on_error, POLICIES)} Known: stop, reject."
        )
    for name in tables:
        if name not in TABLES:
            raise unknown("table", name, TABLES)
    if not {"items", "events", "judgments", "images"} & set(tables):
        raise SchemaError(
            f"A shop needs items, events or judgments; the source has only {', '.join(tables) or 'nothing'}."
        )
    told = Admitted()
    keys: dict[str, pl.DataFrame] = {}
    for name in (n for n in ORDER if n in tables):
        staged = stage(name, tables[name], folder, told, time_format)
        try:
            if on_error == "stop":
                _stop_at_defect(staged)
            _settle(staged, folder, keys, on_error, told)
        finally:
            staged.path.unlink(missing_ok=True)
        table = TABLES[name]
        if len(table.key) == 1:
            with guarded(name):
                keys[name] = (
                    pl.scan_parquet(folder / f"{name}.parquet").select(table.key[0]).collect()
                )
    derive_items(folder, told, tables.get("events"))
    complete_users(folder, told)
    return told


def _stop_at_defect(staged: Staged) -> None:
    """Raise for the first malformed cell, if there is one."""
    fatal = [i for i, defect in enumerate(staged.defects) if defect.fatal]
    with guarded(f"table {staged.name!r}"):
        bad = staged.scan().filter(pl.col("_defect").is_in(fatal))
        first = bad.head(1).collect()
        if first.is_empty():
            return
        more = int(bad.select(pl.len()).collect().item()) - 1
    row = first.row(0, named=True)
    defect = staged.defects[row["_defect"]]
    where = f"Table {staged.name!r}, {row[FILE]}, row {row[ROW]}"
    others = f" ({more} more malformed rows follow.)" if more else ""
    if defect.column == "line":
        raise SchemaError(f"{where}: {row[BROKEN]}; {ASIDE}.{others}")
    value = row.get(f"raw {defect.column}", row.get(defect.column))
    remedy = (
        "say the form, for example --set time_format='%d.%m.%Y %H:%M', "
        if "not a time" in defect.text
        else ""
    )
    raise SchemaError(
        f"{where}, column {defect.column!r}: {value!r} is {defect.text}; {remedy}{ASIDE}.{others}"
    )


def _settle(
    staged: Staged, folder: Path, keys: dict[str, pl.DataFrame], on_error: str, told: Admitted
) -> None:
    """Check keys and foreign keys, then write what is taken and what is set aside."""
    name, table = staged.name, TABLES[staged.name]
    defects = list(staged.defects)
    frame = staged.scan()
    with guarded(f"table {name!r}"):
        again = _duplicates(staged, on_error) if table.key else None
        if again is not None:
            defects.append(Defect(" + ".join(table.key), "used before"))
            mark = again.with_columns(_again=pl.lit(len(defects) - 1, dtype=pl.Int16)).lazy()
            frame = frame.join(mark, on="_n", how="left", maintain_order="left")
            frame = frame.with_columns(pl.coalesce("_defect", "_again").alias("_defect"))
        for column, other in table.foreign:
            if other not in keys or other == "users" or column not in staged.columns:
                continue
            defects.append(Defect(column, f"not in the table {other}", fatal=False))
            known = (
                keys[other]
                .rename({TABLES[other].key[0]: column})
                .with_columns(_known=pl.lit(True))
                .lazy()
            )
            frame = frame.join(known, on=column, how="left", maintain_order="left")
            lost = pl.col("_known").is_null() & pl.col(column).is_not_null()
            code = pl.when(lost).then(pl.lit(len(defects) - 1, dtype=pl.Int16))
            frame = frame.with_columns(pl.coalesce(pl.col("_defect"), code).alias("_defect")).drop(
                "_known"
            )
        counts = frame.group_by("_defect").len().collect()
        by_code = {code: int(n) for code, n in counts.iter_rows()}
        told.taken[name] = by_code.pop(None, 0)
        told.rejected[name] = {defects[code].reason: by_code[code] for code in sorted(by_code)}
        kept = frame.filter(pl.col("_defect").is_null()).select(staged.columns)
        sink(schema.conform(name, kept), folder / f"{name}.parquet")
        if by_code:
            words = {code: defects[code].reason for code in by_code}
            sink(_aside(staged, frame, words), folder / "rejected" / f"{name}.parquet")


def _aside(staged: Staged, frame: pl.LazyFrame, words: dict[int, str]) -> pl.LazyFrame:
    """Rejected rows: their cells as they came, the reason, and where they stood."""
    plain = [c for c in staged.columns if is_plain(TABLES[staged.name].columns[c].dtype)]
    cells = [
        pl.coalesce(pl.col(f"raw {c}"), pl.col(c).cast(pl.String)).alias(c)
        if c in plain
        else pl.col(c)
        for c in staged.columns
    ]
    reason = pl.col("_defect").replace_strict(words, default=None, return_dtype=pl.String)
    reason = pl.coalesce(pl.when(reason == "line: broken").then("line: " + pl.col(BROKEN)), reason)
    return frame.filter(pl.col("_defect").is_not_null()).select(
        *cells, reason.alias("reason"), FILE, ROW
    )


def _duplicates(staged: Staged, on_error: str) -> pl.DataFrame | None:
    """Numbers of the rows whose key an earlier row has; raises `SchemaError` where reading stops at such rows."""
    key = list(TABLES[staged.name].key)
    good = staged.scan().filter(pl.col("_defect").is_null())
    total = int(good.select(pl.len()).collect().item())
    if total == int(good.select(key).unique().select(pl.len()).collect().item()):
        return None
    rows = good.select("_n", *key, ROW, FILE).collect()
    again = (
        rows.filter(~pl.struct(key).is_first_distinct())
        if len(key) > 1
        else rows.filter(~pl.col(key[0]).is_first_distinct())
    )
    if on_error == "stop":
        second = again.row(0, named=True)
        same = pl.all_horizontal([pl.col(k) == second[k] for k in key])
        first = rows.filter(same).row(0, named=True)
        value = " + ".join(repr(second[k]) for k in key)
        more = f" ({len(again) - 1} more rows repeat a key.)" if len(again) > 1 else ""
        raise SchemaError(
            f"Table {staged.name!r}, {second[FILE]}, row {second[ROW]}, column {' + '.join(key)!r}: {value} "
            f"was used before, in {first[FILE]}, row {first[ROW]}; {ASIDE} (the first row is kept).{more}"
        )
    return again.select("_n")


__all__ = ["BROKEN", "FILE", "ITEM", "ROW", "Admitted", "admit", "guarded"]
