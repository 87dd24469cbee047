"""Cleaning: what cannot be right is set aside with its reason, text gets one form, nothing is dropped silently."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.state import write_json
from wareloom.preparing.clean_settings import CleanSettings
from wareloom.preparing.cleaning_events import (
    CODE_OF,
    REASONS,
    EventCleaner,
    impossible_amount,
    narrow_columns,
)
from wareloom.preparing.cleaning_text import cleaned
from wareloom.preparing.resolution import (
    add_histogram,
    arrays_of,
    future_bound,
    log_bins,
    robust_bounds,
)
from wareloom.shop import schema
from wareloom.shop.buckets import CODE, ROW, bucketed, coded, in_file_order, sink, user_hash
from wareloom.shop.shop import Shop
from wareloom.shop.spans import moved
from wareloom.shop.storage import write_head

TEXT = {
    "items": ("title", "description", "brand", "category"),
    "searches": ("query",),
    "judgments": ("query",),
    "dialogues": ("text",),
}
"""Columns that hold text for people, by table."""
MUST_HAVE = {"searches": "query", "judgments": "query", "dialogues": "text"}
"""The text without which a row says nothing."""
_DAY = 86_400 * 1_000_000


@dataclass
class _Work:
    """One cleaning on its way: where it writes and what it found."""

    shop: Shop
    settings: CleanSettings
    folder: Path
    items: pl.Series = field(default_factory=lambda: pl.Series("item_id", [], dtype=pl.UInt64))
    """Hashes of the ids of the items that are kept"""
    robots: set[int] = field(default_factory=set)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def write(self, name: str, frame: pl.LazyFrame, codes: np.ndarray, **facts: Any) -> None:
        """Write the rows with code 0 to the table and the others, with their reasons, to `rejected/`."""
        number = np.bincount(codes, minlength=len(REASONS))
        both = coded(frame, codes)
        frames = {self.folder / f"{name}.parquet": both.filter(pl.col(CODE) == 0).drop(CODE)}
        if number[1:].any():
            reason = pl.col(CODE).cat.to(pl.Enum(REASONS)).cast(pl.String)
            bad = both.filter(pl.col(CODE) > 0).with_columns(reason=reason).drop(CODE)
            frames[self.folder / "rejected" / f"{name}.parquet"] = bad
        sink(frames)
        rejected = {reason: int(n) for reason, n in zip(REASONS[1:], number[1:], strict=True) if n}
        self.tables[name] = {
            "before": len(codes),
            "after": int(number[0]),
            "rejected": rejected,
            **facts,
        }


def clean(
    shop: Shop,
    settings: CleanSettings | None = None,
    to: str | Path = "clean",
    run: Run | None = None,
) -> Shop:
    """Clean `shop`, write the result to the folder `to` and return it opened from there.

    Beside the tables lie `rejected/TABLE.parquet` (the rows taken out, with `reason`), `blanked/items.parquet` (prices
    taken back, with `reason`) and `clean.json` (settings, thresholds, and what each step did to how many rows). Rows in
    are rows kept plus rows rejected, for each table, but for users that are added; the order of the rows stays;
    cleaning what was cleaned changes nothing. Items never go for lack of events. The event log may be larger than
    memory. Raises `OutputError` where `to` holds something else.
    """
    # The day is asked once, and written down: to clean with that day gives the same bytes.
    settings, run = (settings or CleanSettings()).dated(), run or Run()
    with replacing(Path(to)) as folder, run.task("clean", total=len(shop.names)) as advance:
        work = _Work(shop, settings, folder)
        for name in ("items", "events", "searches", "judgments", "dialogues", "images", "users"):
            if shop.has(name):
                _STEPS.get(name, _clean_table)(work, name)
                advance()
        head = {
            "settings": dataclasses.asdict(settings),
            "found": work.found,
            "tables": work.tables,
        }
        write_json(folder / "clean.json", head)
        write_head(folder, shop.meta, shop.keeps)
    return Shop.open(to)


def _clean_events(work: _Work, name: str) -> None:
    events = work.shop.scan(name)
    columns = narrow_columns(events.collect_schema().names())
    with bucketed(events, columns, work.folder) as buckets:
        cleaner = EventCleaner(work.settings, buckets, work.items)
        codes = cleaner.run()
    work.robots, work.found = cleaner.robots, cleaner.found
    facts = {"rounds": cleaner.rounds}
    if cleaner.left is not None:
        left = cleaner.left.filter(pl.Series(codes[cleaner.left[ROW].to_numpy()] == 0))
        events = _reduced(events, left)
        facts["reduced"] = len(left)
    work.write(name, events, codes, **facts)


def _reduced(events: pl.LazyFrame, left: pl.DataFrame) -> pl.LazyFrame:
    """The events with what is `left` (`row` and amounts) of purchases of which a part was given back."""
    columns, place = events.collect_schema().names(), " row"
    new = left.rename({name: f" {name}" for name in left.columns}).lazy()
    new = new.with_columns(pl.col(place).cast(pl.UInt32))
    rows = events.with_row_index(place).join(new, on=place, how="left", maintain_order="left")
    changed = [name for name in left.columns if name != ROW]
    here = pl.any_horizontal([pl.col(f" {name}").is_not_null() for name in changed])
    return rows.with_columns(
        pl.when(here).then(pl.col(f" {name}")).otherwise(pl.col(name)).alias(name)
        for name in changed
    ).select(columns)


def _clean_table(work: _Work, name: str) -> None:
    """Clean a table other than events and users: text, keys, times, orphans."""
    frame, changed = _with_text(work, name)
    frame, forgotten = _forget_items(work, name, frame)
    checks = [(check, reason) for check, reason in _checks(work, name, frame) if check is not None]
    verdict: pl.Expr = pl.repeat(0, pl.len(), dtype=pl.UInt8)
    for check, reason in reversed(checks):
        verdict = pl.when(check).then(pl.lit(CODE_OF[reason], dtype=pl.UInt8)).otherwise(verdict)
    keys = list(schema.TABLES[name].key) if work.settings.missing_keys else []
    decided = in_file_order(frame, *keys, _verdict=verdict)
    codes = decided["_verdict"].to_numpy().copy()
    if keys:
        alive = decided.with_row_index("_row").filter(pl.col("_verdict") == 0)
        again = alive.filter(~pl.struct(keys).is_first_distinct())["_row"].to_numpy()
        codes[again] = CODE_OF["duplicate key"]
    facts: dict[str, Any] = {"changed": changed, **forgotten}
    if name == "judgments":
        kept = coded(frame, codes).filter(pl.col(CODE) == 0)
        if number := contradicting(kept):
            facts["contradicting"] = number
    if name == "items":
        frame, facts["blanked"] = _blank_prices(work, frame, codes)
        work.items = (
            in_file_order(frame, "item_id")["item_id"].filter(pl.Series(codes == 0)).hash(seed=2)
        )
    work.write(name, frame, codes, **facts)


def contradicting(judgments: pl.LazyFrame) -> int:
    """Return how many pairs of query and item have several grades; they stay, and count with their mean."""
    grades = judgments.group_by("query", "item_id").agg(n=pl.col("grade").n_unique())
    return int(grades.select((pl.col("n") > 1).sum()).collect(engine="streaming").item())


def _with_text(work: _Work, name: str) -> tuple[pl.LazyFrame, dict[str, int]]:
    """Clean the text of a table, and count the rows that it changes by column."""
    frame, settings = work.shop.scan(name), work.settings.text
    dtypes = frame.collect_schema()
    texts = {c: cleaned(c, dtypes[c], settings) for c in TEXT.get(name, ()) if c in dtypes}
    if not texts or not any(dataclasses.astuple(settings)):
        return frame, {}
    counts = frame.select(
        (expr.ne_missing(pl.col(c))).sum().alias(c) for c, expr in texts.items()
    ).collect(engine="streaming")
    changed = {c: n for c, n in counts.row(0, named=True).items() if n}
    if not changed:
        return frame, changed
    made = {c: texts[c] for c in changed}
    if "text" in made and "slots" in dtypes:
        both = pl.struct("slots", pl.col("text").alias("old"), made["text"].alias("new"))
        made["slots"] = both.map_batches(_moved, return_dtype=schema.SLOTS, is_elementwise=True)
    return frame.with_columns(**made), changed


def _moved(cells: pl.Series) -> pl.Series:
    """The slots of texts that were cleaned, at their new spans."""
    rows = (cells.struct.field(name).to_list() for name in ("slots", "old", "new"))
    made = [
        (moved(slots, old or "", new or "") or None) if slots else None
        for slots, old, new in zip(*rows, strict=True)
    ]
    return pl.Series(made, dtype=schema.SLOTS)


def _forget_items(
    work: _Work, name: str, frame: pl.LazyFrame
) -> tuple[pl.LazyFrame, dict[str, int]]:
    """Null the unknown items that dialogues mention: the talk itself is worth keeping."""
    if (
        name != "dialogues"
        or not work.settings.orphans
        or "item_id" not in frame.collect_schema().names()
    ):
        return frame, {}
    unknown = pl.col("item_id").is_not_null() & ~pl.col("item_id").hash(seed=2).is_in(
        work.items.implode()
    )
    number = int(frame.select(unknown.sum()).collect(engine="streaming").item())
    if not number:
        return frame, {}
    return frame.with_columns(item_id=pl.when(unknown).then(None).otherwise("item_id")), {
        "forgotten_items": number
    }


def _checks(work: _Work, name: str, frame: pl.LazyFrame) -> list[tuple[pl.Expr | None, str]]:
    """Conditions under which a row of a table is rejected, the first that holds being its reason."""
    s, columns = work.settings, frame.collect_schema().names()
    checks: list[tuple[pl.Expr | None, str]] = []
    required = [
        c for c, column in schema.TABLES[name].columns.items() if column.required and c in columns
    ]
    if s.missing_keys:
        text = [
            c
            for c in required
            if frame.collect_schema()[c] == pl.String and c != MUST_HAVE.get(name)
        ]
        checks += [
            (pl.col(c).is_null() | (pl.col(c).str.strip_chars() == ""), "missing key") for c in text
        ]
        if name in MUST_HAVE:
            empty = pl.col(MUST_HAVE[name]).is_null() | (pl.col(MUST_HAVE[name]) == "")
            if unless := schema.TABLES[name].columns[MUST_HAVE[name]].unless:
                empty &= pl.col(unless[0]).ne_missing(pl.lit(unless[1]))
            checks.append((empty, "empty text"))
    if s.times and name == "searches" and "time" in columns:
        time = pl.col("time").cast(pl.Int64)
        checks.append((s.impossible_time(time), "impossible time"))
        bound = _far(work, frame)
        checks.append((time // _DAY > bound if np.isfinite(bound) else None, "far in the future"))
    if s.orphans and name in ("judgments", "images"):
        checks.append((~pl.col("item_id").hash(seed=2).is_in(work.items.implode()), "unknown item"))
    if name == "searches" and work.robots:
        robots = pl.Series(sorted(work.robots), dtype=pl.UInt64)
        checks.append((user_hash(frame).is_in(robots.implode()), "robot"))
    if s.duplicates != "none" and name == "judgments":
        told = [c for c in columns if c != "weight"]
        checks.append((~pl.struct(told).is_first_distinct(), "exact duplicate"))
    return checks


def _far(work: _Work, searches: pl.LazyFrame) -> float:
    """The last day that is not far in the future of the events, or of the searches where there are no events."""
    if "day" in work.found:
        last = work.found["day"][1]
        return float(np.datetime64(last, "D").astype(int)) if last else np.inf
    time = pl.col("time").cast(pl.Int64)
    fine = searches.filter(~work.settings.impossible_time(time)).select((time // _DAY).alias("day"))
    days = fine.group_by("day").len().collect(engine="streaming").sort("day")
    return (
        future_bound(days["day"].to_numpy(), days["len"].to_numpy().astype(np.int64))
        if len(days)
        else np.inf
    )


def _blank_prices(
    work: _Work, frame: pl.LazyFrame, codes: np.ndarray
) -> tuple[pl.LazyFrame, dict[str, int]]:
    """Null the prices of items that are impossible or outliers, and write what they were to `blanked/items.parquet`."""
    s = work.settings
    if "price" not in frame.collect_schema().names() or not (s.amounts or s.outlier_z):
        return frame, {}
    prices = in_file_order(frame, "item_id", "price")
    price = prices["price"].fill_null(np.nan).to_numpy()
    why = np.zeros(len(price), dtype=np.uint8)
    if s.amounts:
        wrong = (
            prices.select(impossible_amount(pl.col("price"), zero=s.zero_amounts).fill_null(False))
            .to_series()
            .to_numpy()
        )
        why[wrong] = CODE_OF["impossible amount"]
    if s.outlier_z:
        bins = log_bins(price)
        sound = (bins > np.iinfo(np.int64).min) & (why == 0) & (codes == 0)
        histogram: dict[int, int] = {}
        add_histogram(histogram, bins[sound])
        low, high = robust_bounds(*arrays_of(histogram), s.outlier_z)
        why[sound & ((bins < low) | (bins > high))] = CODE_OF["outlier"]
    why[codes != 0] = 0
    if not why.any():
        return frame, {}
    reason = pl.Series("reason", np.array(REASONS)[why])
    sink(
        {
            work.folder / "blanked" / "items.parquet": prices.with_columns(reason)
            .filter(pl.Series(why > 0))
            .lazy()
        }
    )
    blanked = (
        coded(frame, why).with_columns(price=pl.when(pl.col(CODE) == 0).then("price")).drop(CODE)
    )
    return blanked, {REASONS[code]: int(n) for code, n in enumerate(np.bincount(why)) if code and n}


def _clean_users(work: _Work, name: str) -> None:
    """Keep users once each, and add those that events or searches know and the table does not."""
    _clean_table(work, name)
    if not work.settings.orphans:
        return
    path = work.folder / "users.parquet"
    seen = [
        pl.scan_parquet(work.folder / f"{table}.parquet", glob=False)
        for table in ("events", "searches")
        if work.shop.has(table)
    ]
    ids = [frame.select("user_id") for frame in seen if "user_id" in frame.collect_schema().names()]
    if not ids:
        return
    known = pl.scan_parquet(path, glob=False)
    new = (
        pl.concat(ids)
        .drop_nulls()
        .unique()
        .join(known.select("user_id"), on="user_id", how="anti")
        .collect(engine="streaming")
    )
    if len(new):
        added = schema.conform("users", new.sort("user_id").lazy())
        whole = (
            pl.concat([known, added], how="diagonal")
            .select(known.collect_schema().names())
            .collect()
        )
        sink({path: whole.lazy()})
        work.tables[name] |= {"added": len(new), "after": len(whole)}


_STEPS: Mapping[str, Any] = {"events": _clean_events, "users": _clean_users}


__all__ = ["CleanSettings", "clean"]
