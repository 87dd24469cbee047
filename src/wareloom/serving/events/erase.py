"""Delete a person from the log and from the tables that were made of it: no byte of the id is left."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wareloom.core.files import locked
from wareloom.errors import OutputError
from wareloom.serving.events.log import Groups, finish, finished
from wareloom.serving.events.parts import Erased, erase_from, partitions, told_by
from wareloom.serving.files.frames import MAGIC, framed, read_records
from wareloom.serving.shoppers.memory import Memory
from wareloom.serving.versions.store import Store

PATIENCE = 10.0
"""Seconds within which every process finishes the segment that it writes"""


TICK = 0.05
"""Seconds after which a process lets go of its own segment while it deletes"""


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
            found = erase_from(part, user)
            events, sessions = events + found.events, sessions | found.sessions
    return Erased(events, frozenset(sessions))


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
