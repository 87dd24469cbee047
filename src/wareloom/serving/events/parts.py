"""Partitions: what tables were made of the log, and how a person is taken out of them again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from wareloom.serving.shoppers.sessions import digest_of
from wareloom.serving.versions.store import Store
from wareloom.shop import Shop

MARKER = "partition.json"


class Erased(NamedTuple):
    """What was deleted."""

    events: int
    sessions: frozenset[str]
    """Sessions that were the person's"""


def told_by(records: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Events and exposures of records: each is one of them, or a batch of events."""
    for record in records:
        told = json.loads(record)
        yield from told if isinstance(told, list) else [told]


def partitions(store: Store) -> list[Path]:
    """All partitions, oldest first."""
    return sorted(p for p in (store.root / "tables").glob("part-*") if (p / MARKER).is_file())


def erase_digests(parts: Sequence[Path], digests: set[str]) -> None:
    """Delete from partitions the users of these digests, who were deleted elsewhere."""
    for part in parts:
        users = set[str]()
        for path in part.rglob("*.parquet"):
            frame = pl.read_parquet(path, glob=False)
            if "user_id" in frame.columns:
                users |= set(frame["user_id"].cast(pl.String).drop_nulls().unique())
        for user in users:
            if digest_of(user) in digests:
                erase_from(part, user)


def erase_from(part: Path, user: str) -> Erased:
    """Write a partition's files without a user, each beside and renamed."""
    place, events, sessions = part / "shop", 0, set[str]()
    if place.is_dir():
        shop = Shop.open(place).in_memory()
        tables = {n: shop.table(n) for n in shop.names if "user_id" in shop.columns(n)}
        kept = {n: t.filter(pl.col("user_id").ne_missing(user)) for n, t in tables.items()}
        if any(len(kept[n]) < len(tables[n]) for n in tables):
            own = tables["events"].filter(pl.col("user_id") == user)
            events = len(own)
            if "session_id" in own.columns:
                sessions = set(own["session_id"].drop_nulls().to_list())
            rejected = place / "rejected"
            aside = part / "rejected.partial"
            if rejected.is_dir():
                shutil.copytree(rejected, aside, dirs_exist_ok=True)
            left = {n: t for n, t in kept.items() if len(t) or n == "events"}
            shop.with_tables(**{**dict.fromkeys(tables, None), **left}).save(place)
            if aside.is_dir():
                shutil.rmtree(rejected, ignore_errors=True)
                aside.rename(rejected)
    for path in part.rglob("*.parquet"):
        frame = pl.read_parquet(path, glob=False)
        if "user_id" in frame.columns and (frame["user_id"].cast(pl.String) == user).any():
            partial = path.with_suffix(".partial")
            frame.filter(pl.col("user_id").cast(pl.String).ne_missing(user)).write_parquet(partial)
            partial.replace(path)
    return Erased(events, frozenset(sessions))
