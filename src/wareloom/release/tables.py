"""What of a sample leaves: tables without origin, weights and columns for inside, ids that are numbered at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.privacy.noise import Noise, source_of
from wareloom.privacy.public import Public
from wareloom.release.policy import Policy
from wareloom.shop import Shop
from wareloom.shop.storage import row_group, write_head

LEAVES: dict[str, tuple[str, ...]] = {
    "items": ("item_id",),
    "users": ("user_id", "attributes"),
    "events": (
        "user_id",
        "session_id",
        "item_id",
        "event",
        "time",
        "position",
        "quantity",
        "value",
        "rating",
        "search_id",
    ),
    "searches": ("search_id", "user_id", "session_id", "query", "time", "results"),
    "judgments": ("query", "item_id", "grade"),
    "dialogues": (
        "dialogue_id",
        "turn",
        "role",
        "text",
        "intent",
        "item_id",
        "act",
        "slots",
        "language",
        "outcome",
    ),
}
"""Columns that leave by table, ids of persons and of sessions under other names; of items those that are public, too"""
IDS = ("user_id", "session_id", "search_id", "dialogue_id")
ORIGIN = "synthetic"
"""What stands in `origin` of all that left: without a word there, a reader takes rows for real ones"""
META = ("currency", "language")
MARK = "release"
"""Where the folder of a release, its certificate, and what is made of it have the release's mark: a random number"""


def leaving(synth: Shop, policy: Policy, real: Shop) -> Shop:
    """The part of `synth` that may leave: tables and columns, with all rows and the ids that they have inside.

    Raises `InputError` where no row is left.
    """
    tables: dict[str, pl.LazyFrame | pl.DataFrame] = {}
    for name in synth.names:
        has = synth.columns(name)
        if policy.columns == "all":
            wanted = [column for column in has if column != "origin"]
        else:
            wanted = [column for column in LEAVES.get(name, ()) if column in has]
        if wanted and name != "items":
            tables[name] = synth.scan(name).select(wanted)
    if not any(synth.rows(name) for name in tables if name not in ("users", "images")):
        more = (
            f" Pictures leave by a way of their own: wareloom pictures {synth.path or 'SYNTH'} --to FOLDER."
            if synth.rows("images")
            else ""
        )
        raise InputError(
            f"{synth.path or 'SYNTH'} has no events, searches, judgments or dialogues: there is nothing to "
            f"release.{more}"
        )
    tables["items"] = _items(synth, policy, real, tables)
    return Shop.trusted(tables, _meta(synth)).keeping(synth.keeps)


def _meta(synth: Shop) -> dict[str, object]:
    return {name: synth.meta[name] for name in META if name in synth.meta}


def _items(
    synth: Shop, policy: Policy, real: Shop, tables: dict[str, pl.LazyFrame | pl.DataFrame]
) -> pl.LazyFrame | pl.DataFrame:
    """The catalogue as far as it is public, and the ids that rows have."""
    if policy.columns == "all":
        wanted = [c for c in synth.columns("items") if c != "origin"]
        return synth.scan("items").select(wanted)
    ids = [pl.Series("item_id", [], dtype=pl.String).to_frame().lazy()]
    for table in tables.values():
        frame = table.lazy()
        names = frame.collect_schema().names()
        if "item_id" in names:
            ids.append(frame.select("item_id"))
        if "results" in names:
            ids.append(frame.select(pl.col("results").explode().alias("item_id")))
    named = pl.concat(ids).drop_nulls().unique().sort("item_id").collect()
    if not policy.public:
        return named
    # Rows may have items that are in no public catalogue: their ids leave with the rows, and nothing of them.
    known = Public.of(policy.public).items(real)
    return pl.concat([known, named.join(known, on="item_id", how="anti")], how="diagonal")


def written(shop: Shop, folder: Path, *, weights: bool = False, noise: Noise | None = None) -> None:
    """Write what leaves to `folder`: ids numbered at random, rows user after user in that order, by time within.

    The numbers come from the operating system: no seed gives away which user was which.
    """
    noise = noise or source_of(None)
    numbers = {column: _numbered(shop, column, noise) for column in IDS}
    for name in shop.names:
        frame = shop.table(name)
        # Only of the catalogue does the order say nothing of how the sample was made.
        dropped = ("origin",) if weights else ("origin", "weight")
        frame = frame.select(c for c in frame.columns if c not in dropped)
        if name in ("items", "images"):
            frame = frame.sort("item_id", maintain_order=True)
        else:
            frame = _renamed(frame, numbers, noise)
        frame.with_columns(origin=pl.lit(ORIGIN)).write_parquet(
            folder / f"{name}.parquet", row_group_size=row_group(name)
        )
    write_head(folder, shop.meta, shop.keeps)


def _numbered(shop: Shop, column: str, noise: Noise) -> pl.DataFrame:
    """New ids by old ones: a frame (column, new, number), the numbers in an order by chance."""
    parts = [
        shop.scan(name).select(column).unique() for name in shop.names if shop.has(name, column)
    ]
    if not parts:
        return pl.DataFrame(schema={column: pl.String, "new": pl.String, "number": pl.Int64})
    old = pl.concat(parts).drop_nulls().unique().sort(column).collect()
    number = np.empty(len(old), dtype=np.int64)
    number[_order(len(old), noise)] = np.arange(len(old))
    width = max(1, len(str(max(0, len(old) - 1))))
    new = [f"{column[0]}{n:0{width}d}" for n in number]
    return old.with_columns(pl.Series("new", new, dtype=pl.String), pl.Series("number", number))


def _order(count: int, noise: Noise) -> np.ndarray:
    """An order by chance, int64 [count]; of 64 random bits each, two are equal about never."""
    return np.argsort(noise.words(count), kind="stable")


def _renamed(frame: pl.DataFrame, numbers: dict[str, pl.DataFrame], noise: Noise) -> pl.DataFrame:
    """A table with new ids, in the order of its users', sessions' or other numbers, then of time."""
    columns: Sequence[str] = frame.columns
    keys = list[str]()
    for column, new in numbers.items():
        if column in columns:
            frame = frame.join(new, on=column, how="left", maintain_order="left")
            frame = frame.with_columns(pl.col("new").alias(column)).drop("new")
            frame = frame.rename({"number": f"#{column}"})
            keys.append(f"#{column}")
    if not keys:
        return frame[_order(len(frame), noise)]
    by = [pl.coalesce(keys[:2]), *(pl.col(c) for c in ("time", "turn") if c in columns)]
    return frame.sort(by, nulls_last=True, maintain_order=True).drop(keys).select(columns)
