"""The door: the one place where what comes from outside is checked, and from where a shop's tables go to disk.

Two kinds of defects. *Rows that cannot be used* (no key, an unknown item) are always set aside in `rejected/`.
*Malformed cells* (no number, no date, a negative price, an item id used twice) stop the reading with the table, the
column, the row, the value and the remedy, or are set aside too where the caller said so. Nothing is dropped silently.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from wareloom.errors import SchemaError, SettingError, SourceError, near, unknown
from wareloom.preparing.cells import EMPTY, TELLING, Cell, Clock, Defect, cell, clock, undecided
from wareloom.shop import schema
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
POLICIES = ("stop", "reject")
ORDER = ("items", "users", "searches", "events", "judgments", "dialogues", "images", "soft_labels")
ASIDE = "correct the source, or pass --on-error reject to set such rows aside in rejected/"


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
        staged = _stage(name, tables[name], folder, told, time_format)
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
    _derive_items(folder, told, tables.get("events"))
    _complete_users(folder, told)
    return told


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


def _sink(frame: pl.LazyFrame, path: Path) -> None:
    """Write one frame, streaming and in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.sink_parquet(path, row_group_size=ROW_GROUP, maintain_order=True)


def _stage(
    name: str, frame: pl.LazyFrame, folder: Path, told: Admitted, time_format: str
) -> Staged:
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
    raw = [
        _raw(c, found[c]).alias(f"raw {c}") for c in columns if _is_plain(table.columns[c].dtype)
    ]
    plan = frame.select(*own, *raw, *source, broken.alias(BROKEN), index.alias("_defect"))
    plan = plan.with_columns(
        pl.when(pl.col("_defect").is_not_null()).then(pl.col(r)).alias(r)
        for r in (f"raw {c}" for c in columns if _is_plain(table.columns[c].dtype))
    )
    path = folder / "staged" / f"{name}.parquet"
    with guarded(f"table {name!r}"):
        _sink(plan, path)
        told.came[name] = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    return Staged(name, path, columns, tuple(defect for _, defect in checks))


def _is_plain(dtype: Any) -> bool:
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
        _sink(schema.conform(name, kept), folder / f"{name}.parquet")
        if by_code:
            words = {code: defects[code].reason for code in by_code}
            _sink(_aside(staged, frame, words), folder / "rejected" / f"{name}.parquet")


def _aside(staged: Staged, frame: pl.LazyFrame, words: dict[int, str]) -> pl.LazyFrame:
    """Rejected rows: their cells as they came, the reason, and where they stood."""
    plain = [c for c in staged.columns if _is_plain(TABLES[staged.name].columns[c].dtype)]
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


def _derive_items(folder: Path, told: Admitted, log: pl.LazyFrame | None) -> None:
    """Make the table of items from the log, where the source brought none, with what the log says of them."""
    path = folder / "items.parquet"
    if path.exists():
        return
    with guarded("the log"):
        items = _ids(folder, ("events", "judgments", "dialogues", "images"), "item_id")
        told.derived["items"] = len(items)
        if log is not None and (about := _described(log)) is not None:
            items = items.join(about, on="item_id", how="left", maintain_order="left")
        _sink(schema.conform("items", items.lazy()), path)


def _described(log: pl.LazyFrame) -> pl.DataFrame | None:
    """What the log says of its items: the first cell of each column that is not empty, and the first price above 0."""
    found, rules = log.collect_schema(), TABLES["items"].columns
    columns = [c for c in rules if ITEM + c in found]
    if not columns:
        return None
    log = log.select("item_id", *(pl.col(ITEM + c).alias(c) for c in columns))
    cells = [cell("item_id", rules["item_id"], found["item_id"]).value.alias("item_id")]
    for column in columns:
        dtype = found[ITEM + column]
        value = cell(column, rules[column], dtype).value if column == "price" else pl.col(column)
        if column == "price":
            value = pl.when((value > 0) & value.is_finite()).then(value)
        elif dtype == pl.String:
            value = pl.when(~value.str.strip_chars().is_in(EMPTY)).then(value)
        cells.append(value.alias(column))
    first = (
        log.select(cells)
        .drop_nulls("item_id")
        .group_by("item_id")
        .agg(pl.all().first(ignore_nulls=True))
    )
    about = first.collect(engine="streaming")
    return about.select(
        "item_id", *(cell(c, rules[c], about.schema[c]).value.alias(c) for c in columns)
    )


def _complete_users(folder: Path, told: Admitted) -> None:
    """Append to the table of users those whom only the log knows, so that every user id points somewhere."""
    path = folder / "users.parquet"
    if not path.exists():
        return
    with guarded("the log"):
        ids = _ids(folder, ("events", "searches"), "user_id")
        users = pl.read_parquet(path)
        new = ids.join(users.select("user_id"), on="user_id", how="anti").sort("user_id")
        if len(new):
            told.derived["users"] = len(new)
            both = pl.concat([users, schema.conform("users", new.lazy()).collect()], how="diagonal")
            _sink(both.lazy(), path)


def _ids(folder: Path, tables: tuple[str, ...], column: str) -> pl.DataFrame:
    """Distinct values of a column over some tables, sorted."""
    frames = []
    for name in tables:
        if (folder / f"{name}.parquet").exists():
            scan = pl.scan_parquet(folder / f"{name}.parquet")
            if column in scan.collect_schema():
                frames.append(scan.select(column).drop_nulls().unique())
    if not frames:
        return pl.DataFrame({column: []}, schema={column: pl.String})
    return pl.concat(frames).unique().sort(column).collect()
