"""The door: the one place where what comes from outside is checked, and from where a shop's tables go to disk.

Two kinds of defects. *Rows that cannot be used* (no key, an unknown item) are always set aside in `rejected/`.
*Malformed cells* (no number, no date, a negative price, an item id used twice) stop the reading with the table, the
column, the row, the value and the remedy; where the caller said so, those of optional columns are blanked and others
set their row aside. Nothing is dropped silently.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from wareloom.core import logging
from wareloom.core.run import Run
from wareloom.errors import SchemaError, SettingError, near, unknown
from wareloom.preparing.cell_forms import Given
from wareloom.preparing.completing import complete_users, derive_items
from wareloom.preparing.identity import meet, no_guests, one_form, sent_twice
from wareloom.preparing.staged import (
    BROKEN,
    FILE,
    ITEM,
    ROW,
    TRANSACTION,
    UNIT_PRICE,
    Admitted,
    Staged,
    guarded,
    sink,
)
from wareloom.preparing.staging import is_plain, optional, stage
from wareloom.preparing.values import Defect
from wareloom.shop import schema
from wareloom.shop.schema import TABLES

POLICIES = ("stop", "reject")
ORDER = ("items", "users", "searches", "events", "judgments", "dialogues", "images", "soft_labels")
ASIDE = "correct the source, or pass --on-error reject to set such rows aside in rejected/"
BLANK = "correct the source, or pass --on-error reject to blank such cells (their rows stay)"
_EXAMPLES = 3
_LONGEST = 100
"""Characters of a cell that a message shows."""
log = logging.get(__name__)


def admit(
    tables: Mapping[str, pl.LazyFrame],
    folder: Path,
    *,
    on_error: str = "stop",
    time_format: str | Mapping[str, str] = "",
    decimal: str | Mapping[str, str] = "",
    run: Run | None = None,
) -> Admitted:
    """Check `tables` (canonical column names, cells of any type) and write the good rows to `folder`/TABLE.parquet.

    Frames may carry `source_row`, `source_file` and `source_defect`. The order of rows is kept, and no table is held in
    memory: only its keys are. Rejected rows go to `folder`/rejected/TABLE.parquet with a column `reason`, cells that
    were blanked to `folder`/blanked/. `time_format` and `decimal` are for all files, or by name of the file with "" for
    the others. Items are taken from the log where there is no table of items; a table of users is completed by the
    users of the log. Raises `SchemaError` at a malformed cell (unless `on_error` is "reject") and where of a table no
    row is left, `SettingError` for an unknown setting, and `SourceError` where a source cannot be read.
    """
    if on_error not in POLICIES:
        raise SettingError(
            f"on_error={on_error!r} is not known.{near(on_error, POLICIES)} Known: stop, reject."
        )
    for name in tables:
        if name not in TABLES:
            raise unknown("table", name, TABLES)
    if not {"items", "events", "judgments", "images", "dialogues"} & set(tables):
        raise SchemaError(
            f"A shop needs items, events, judgments or dialogues; the source has only {', '.join(tables) or 'nothing'}."
        )
    told, given = Admitted(), Given.of(time_format, decimal)
    staged: dict[str, Staged] = {}
    run = run or Run()
    try:
        for name in (n for n in ORDER if n in tables):
            with run.task(f"check {name}"):
                staged[name] = stage(name, tables[name], folder, told, given, on_error)
            if on_error == "stop":
                _stop_at_defect(staged[name])
        with guarded("the ids"):
            staged = no_guests(one_form(staged, told), told)
        keys: dict[str, pl.DataFrame] = {}
        for name, one in staged.items():
            with run.task(f"write {name}"):
                _settle(one, folder, keys, on_error, told)
            if len(TABLES[name].key) == 1:
                with guarded(name):
                    table = pl.scan_parquet(folder / f"{name}.parquet", glob=False)
                    keys[name] = table.select(TABLES[name].key[0]).collect()
    finally:
        for one in staged.values():
            one.path.unlink(missing_ok=True)
    derive_items(folder, told, tables.get("events"), given)
    complete_users(folder, told)
    _tell_returns(folder, told)
    told.notes, told.warnings = list(dict.fromkeys(told.notes)), list(dict.fromkeys(told.warnings))
    for words in told.warnings:
        log.warning("%s", words)
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
    remedy = ""
    if "not a time" in defect.text:
        remedy = "say the form, for example --set time_format='%d.%m.%Y %H:%M', "
    elif "not a number" in defect.text and "," in str(value):
        remedy = "say the mark of decimals, --set decimal=, or --set decimal=. , "
    elif (staged.name, defect.column) == ("events", "event"):
        remedy = f"say in a map what is meant, events = {{ {_kinds(bad, str(value))} }}, "
    way = BLANK if optional(staged.name, defect.column) else ASIDE
    raise SchemaError(
        f"{where}, column {defect.column!r}: {_shown(value)} is {defect.text}; {remedy}{way}.{others}"
    )


def _kinds(bad: pl.LazyFrame, first: str) -> str:
    """The kinds of events that are not known, as a map names them; of many the first few."""
    cells = pl.col("raw event") if "raw event" in bad.collect_schema() else pl.col("event")
    names = bad.select(cells.alias("name")).drop_nulls().unique(maintain_order=True)
    found = list(dict.fromkeys([first, *names.head(6).collect()["name"].to_list()]))[:5]
    return ", ".join(f'{json.dumps(name, ensure_ascii=False)} = "view_item"' for name in found)


def _shown(value: object) -> str:
    """A cell for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


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
            frame = _marked(frame, again, defects, Defect(" + ".join(table.key), "used before"))
        if name == "events" and staged.has(TRANSACTION):
            twice = Defect("transaction", "sent twice: the purchase counts once", fatal=False)
            frame = _marked(frame, sent_twice(staged), defects, twice)
        lost: dict[int, tuple[str, str]] = {}
        for column, other in table.foreign:
            if other not in keys or other == "users" or column not in staged.columns:
                continue
            lost[len(defects)] = (column, other)
            frame = _known(frame, column, other, keys[other], defects)
        counts = frame.group_by("_defect").len().collect()
        by_code = {code: int(n) for code, n in counts.iter_rows()}
        edits = [
            edit
            for code, (column, other) in lost.items()
            if code in by_code
            and (edit := meet(name, column, _lost(frame, code, column), keys[other], told))
            is not None
        ]
        if edits:
            _settle(staged.edited(*edits), folder, keys, on_error, told)
            return
        told.taken[name] = by_code.pop(None, 0)
        told.rejected[name] = {defects[code].reason: by_code[code] for code in sorted(by_code)}
        if by_code:
            examples = {
                code: _both_sides(frame, code, column, keys[other])
                for code, (column, other) in lost.items()
                if code in by_code
            }
            _say_aside(name, defects, by_code, examples, told)
        kept = frame.filter(pl.col("_defect").is_null()).select(staged.columns)
        sink(schema.conform(name, kept), folder / f"{name}.parquet")
        if by_code:
            words = {code: defects[code].reason for code in by_code}
            sink(_aside(staged, frame, words), folder / "rejected" / f"{name}.parquet")
        _write_blanks(staged, frame, folder, told)


def _marked(
    frame: pl.LazyFrame, rows: pl.DataFrame, defects: list[Defect], defect: Defect
) -> pl.LazyFrame:
    """Give the rows of these numbers a defect where they have none."""
    defects.append(defect)
    mark = rows.with_columns(_again=pl.lit(len(defects) - 1, dtype=pl.Int16)).lazy()
    frame = frame.join(mark, on="_n", how="left", maintain_order="left")
    return frame.with_columns(pl.coalesce("_defect", "_again").alias("_defect")).drop("_again")


def _known(
    frame: pl.LazyFrame, column: str, other: str, keys: pl.DataFrame, defects: list[Defect]
) -> pl.LazyFrame:
    """Mark the rows whose `column` is no key of the table `other`."""
    defects.append(Defect(column, f"not in the table {other}", fatal=False))
    known = keys.rename({TABLES[other].key[0]: column}).with_columns(_known=pl.lit(True)).lazy()
    frame = frame.join(known, on=column, how="left", maintain_order="left")
    lost = pl.col("_known").is_null() & pl.col(column).is_not_null()
    code = pl.when(lost).then(pl.lit(len(defects) - 1, dtype=pl.Int16))
    return frame.with_columns(pl.coalesce(pl.col("_defect"), code).alias("_defect")).drop("_known")


def _lost(frame: pl.LazyFrame, code: int, column: str) -> pl.Series:
    """The distinct ids that the other table lacks."""
    return frame.filter(pl.col("_defect") == code).select(column).unique().collect()[column].sort()


def _both_sides(frame: pl.LazyFrame, code: int, column: str, keys: pl.DataFrame) -> str:
    """Examples of ids that are not found, and of those that there are."""
    here = [repr(v) for v in _lost(frame, code, column).head(_EXAMPLES)]
    there = [repr(v) for v in keys.to_series().head(_EXAMPLES)]
    return f"here {', '.join(here)}; there {', '.join(there) or 'nothing'}"


def _say_aside(
    name: str,
    defects: list[Defect],
    counts: dict[int, int],
    examples: dict[int, str],
    told: Admitted,
) -> None:
    """Warn where much of a table is set aside; raise `SchemaError` where nothing is left of it."""
    came, aside = told.came[name], sum(counts.values())
    if aside * 3 <= came:
        return
    why = "; ".join(
        f"{defects[code].reason}: {n:,}" + (f" ({examples[code]})" if code in examples else "")
        for code, n in sorted(counts.items(), key=lambda pair: -pair[1])
    )
    if aside == came:
        raise SchemaError(
            f"Nothing is left of the table {name!r}: all {came:,} rows would be set aside. {why}. Correct the source, "
            "or say in a map which columns hold what."
        )
    told.warnings.append(
        f"{aside:,} of {came:,} rows of {name} ({aside / came:.0%}) were set aside. {why}. They lie in "
        f"rejected/{name}.parquet."
    )


def _write_blanks(staged: Staged, frame: pl.LazyFrame, folder: Path, told: Admitted) -> None:
    """Count the cells that were blanked, and write what they were to `blanked/`."""
    if not staged.blanks:
        return
    rows = frame.filter(pl.col("_defect").is_null() & (pl.col("_blank") > 0))
    bits = [(pl.col("_blank") & (1 << i)) > 0 for i in range(len(staged.blanks))]
    sums = rows.select(bit.sum().alias(str(i)) for i, bit in enumerate(bits)).collect().row(0)
    found = {d.reason: int(n) for d, n in zip(staged.blanks, sums, strict=True) if n}
    if not found:
        return
    told.blanked[staged.name] = found
    reasons = [
        pl.when(bit).then(pl.lit(defect.reason))
        for bit, defect in zip(bits, staged.blanks, strict=True)
        if defect.reason in found
    ]
    plain = dict.fromkeys(d.column for d in staged.blanks if d.reason in found)
    ids = [c for c in staged.columns if c in ("item_id", "user_id")]
    columns = [
        pl.col(f"raw {c}" if is_plain(TABLES[staged.name].columns[c].dtype) else c).alias(c)
        for c in plain
    ]
    reason = pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias("reason")
    out = rows.select(*ids, *columns, reason, FILE, ROW)
    sink(out, folder / "blanked" / f"{staged.name}.parquet")
    number, first = sum(found.values()), next(iter(found))
    example = out.filter(pl.col("reason").str.contains(first, literal=True)).head(1).collect()
    value = example[first.partition(":")[0]][0]
    told.notes.append(
        f"Malformed cells of {staged.name} were blanked, {number:,} in all ({first}: {_shown(value)} in row "
        f"{example[ROW][0]}); their rows stay. They lie in blanked/{staged.name}.parquet."
    )


def _tell_returns(folder: Path, told: Admitted) -> None:
    """Say how many events give something back."""
    path = folder / "events.parquet"
    if not path.exists():
        return
    events = pl.scan_parquet(path, glob=False)
    amounts = [c for c in ("quantity", "value") if c in events.collect_schema()]
    if not amounts:
        return
    back = events.filter(pl.any_horizontal([pl.col(c) < 0 for c in amounts]))
    with guarded("the log"):
        number = int(back.select(pl.len()).collect(engine="streaming").item())
    if number:
        told.notes.append(
            f"Events with a negative quantity or value: {number:,}. They are returns, and count as purchases until "
            "`wareloom clean` takes them and what they gave back."
        )


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
    reason = (
        pl.when(reason == "line: broken")
        .then("line: " + pl.col(BROKEN))
        .when(reason == "picture: unusable")
        .then(pl.col(BROKEN))
        .otherwise(reason)
    )
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


__all__ = [
    "BROKEN",
    "FILE",
    "ITEM",
    "ROW",
    "TRANSACTION",
    "UNIT_PRICE",
    "Admitted",
    "admit",
    "guarded",
]
