"""Delete a person from the log and from the tables that were made of it: no byte of the id is left."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from wareloom.core.files import locked
from wareloom.errors import OutputError
from wareloom.serving.compact import partitions, told_by
from wareloom.serving.events import Groups, finish, finished
from wareloom.serving.frames import MAGIC, framed, read_records
from wareloom.serving.memory import Memory
from wareloom.serving.store import Store
from wareloom.shop import Shop

PATIENCE = 10.0
"""Seconds within which every process finishes the segment that it writes"""


TICK = 0.05
"""Seconds after which a process lets go of its own segment while it deletes"""


class Erased(NamedTuple):
    """What was deleted."""

    events: int
    sessions: frozenset[str]
    """Sessions that were the person's"""


async def forgotten(store: Store, log: Groups, memory: Memory, user: str) -> int:
    """Delete a user from memory, from what keeps events elsewhere, from the log and the tables; how many events.

    Raises as `erase`, `Forgotten` and `Away`.
    """
    await memory.forget([f"u:{user}"])
    elsewhere, sessions = await log.forget(user)
    done = asyncio.get_running_loop().run_in_executor(None, erase, store, user)
    while not done.done():
        await log.roll()
        await asyncio.sleep(TICK)
    told = await done
    await memory.forget([f"s:{session}" for session in sessions | told.sessions])
    return elsewhere + told.events


def erase(store: Store, user: str) -> Erased:
    """Delete a user's events; raises `OutputError` where a process does not let go of its segment in time.

    What a version learned is not unlearned: train and publish anew without the person.
    """
    if not finish(store.events, PATIENCE):
        raise OutputError("A process still writes to the log of before: stop it, and delete again.")
    folder = store.root / "tables"
    folder.mkdir(exist_ok=True)
    events, sessions = 0, set[str]()
    with _waiting(folder):
        for path in finished(store.events):
            found = _from_segment(path, user)
            events, sessions = events + found.events, sessions | found.sessions
        for part in partitions(store):
            found = _from_partition(part, user)
            events, sessions = events + found.events, sessions | found.sessions
    return Erased(events, frozenset(sessions))


def erase_digests(parts: Sequence[Path], digests: set[str]) -> None:
    """Delete from partitions the users of these digests, who were deleted elsewhere."""
    from wareloom.serving.postgres import digest_of

    for part in parts:
        users = set[str]()
        for path in part.rglob("*.parquet"):
            frame = pl.read_parquet(path, glob=False)
            if "user_id" in frame.columns:
                users |= set(frame["user_id"].cast(pl.String).drop_nulls().unique())
        for user in users:
            if digest_of(user) in digests:
                _from_partition(part, user)


def _waiting(folder: Path) -> Any:
    """Hold the tables, as soon as the compactor lets go of them."""
    until = time.monotonic() + PATIENCE
    while True:
        held = locked(folder)
        try:
            held.__enter__()
        except OutputError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
            continue
        held.__exit__(None, None, None)
        return locked(folder)


def _from_segment(path: Path, user: str) -> Erased:
    content = read_records(path)
    own = [one for one in told_by(content.records) if one.get("user_id") == user]
    if not own:
        return Erased(0, frozenset())
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as file:
        file.write(MAGIC + framed(_without(content.records, user)))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return Erased(len(own), frozenset(one["session_id"] for one in own if one.get("session_id")))


def _without(records: Sequence[bytes], user: str) -> Iterator[bytes]:
    """Records without a user's events; those of others stay byte by byte."""
    for record in records:
        told = list(told_by([record]))
        left = [one for one in told if one.get("user_id") != user]
        if len(left) == len(told):
            yield record
        elif left:
            yield json.dumps(left, ensure_ascii=False).encode()


def _from_partition(part: Path, user: str) -> Erased:
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
