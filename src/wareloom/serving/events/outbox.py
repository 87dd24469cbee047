"""Events that are kept elsewhere (PostgreSQL, Kafka), and on this disk, bounded, while what keeps them is gone.

    log = Outbox(sink, store.root / "spool", most_waiting=8 << 20, most_spooled=1 << 30)
    await log.append(records)       # when it returns: committed there, or on this disk

Groups form as in `EventLog`. What was spooled is sent on when the sink is back, a segment at a time, and a segment is
deleted after all of it is there. Whoever is killed in between sends it again; the sink knows each id once.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from wareloom.core import logging
from wareloom.core.state import read_json, write_json
from wareloom.errors import InputError
from wareloom.serving.config import Settings
from wareloom.serving.events.log import Away, EventLog, Full, Groups, finished
from wareloom.serving.events.sink import SECONDS, Sink
from wareloom.serving.files.frames import read_records
from wareloom.serving.versions.store import Store

AGAIN = 1.0
"""Seconds after which a sink is asked again when it did not answer"""
CHUNK = 500
"""Records that are sent on at once, so that new ones need not wait long"""
log = logging.get(__name__)
T = TypeVar("T")


class Outbox(Groups):
    """Appends records to a sink for one process."""

    def __init__(
        self,
        sink: Sink,
        spool: Path,
        *,
        most_waiting: int,
        most_spooled: int,
        take: Callable[[list[dict[str, Any]]], None] | None = None,
    ) -> None:
        """`take`: is given products that some replica was told of, all of them in one order."""
        super().__init__(most_waiting)
        self.sink, self.folder, self.most_spooled = sink, spool, most_spooled
        self.there, self.said = False, ""
        """Whether it answered last, and what was said when it did not"""
        self._log = EventLog(spool, most_waiting=4 * most_waiting)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink")
        self._asked: float | None = None
        self._looking: asyncio.Task[None] | None = None
        self._size = -1
        self._take, self._place = take, spool.parent / "state" / "products.json"
        self._followed = 0.0

    async def roll(self) -> None:
        """Ask a sink that is gone again, and send on what waits on the disk."""
        self._size = -1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Keep what waits, and let go; what is on the disk is sent on by the next process."""
        if self._flushing is not None:
            await self._flushing
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        await self._log.close()
        self.sink.cut()
        await asyncio.get_running_loop().run_in_executor(self._thread, self.sink.close)
        self._thread.shutdown()

    async def forget(self, user: str) -> tuple[int, frozenset[str]]:
        """Delete a person there; what waits on some disk is left out when it is sent on."""
        await self._opened()
        if not self.there:
            raise Away(f"{self.said or 'What keeps events is gone.'} Delete again when it is back.")
        try:
            return await self._timed(lambda: self.sink.forget(user), 30)
        except Away as error:
            self._lost(error)
            raise Away(f"{error} Delete again when it is back.") from error

    async def share(self, items: Sequence[dict[str, Any]]) -> None:
        """Tell other replicas of products, by the way that events go."""
        if self.sink.readable:
            told = {"id": secrets.token_hex(16), "products": True, "items": items}
            await self.append([json.dumps(told, ensure_ascii=False).encode()])

    def spooled(self) -> int:
        """Bytes in the spool of this machine."""
        if self._size < 0:
            self._size = sum(_size(path) for path in self.folder.glob("*.log"))
        return self._size

    async def _commit(self, records: list[bytes]) -> None:
        if self._asked is None:
            await self._opened()
        if self.there:
            try:
                await self._timed(lambda: self.sink.write(records))
                return
            except Away as error:
                self._lost(error)
        size = sum(map(len, records))
        if self.spooled() + size > self.most_spooled:
            raise Full(
                f"{self.said} As much waits on this disk as may ({self.most_spooled:,} bytes); events are taken again "
                "when it is back."
            )
        await self._log.append(records)
        self._size += size

    async def _look(self) -> None:
        """Connect where that is due, and send on what was spooled."""
        await self._opened()
        if self.there and any(self.folder.glob("*.log")):
            await self._log.release()
            with contextlib.suppress(BlockingIOError):
                await self._send_on()
        with contextlib.suppress(BlockingIOError, OSError):
            await self._follow()

    async def _follow(self) -> None:
        """Take over products; one process of a machine does it. Raises `BlockingIOError` where another one does."""
        if not self.there or self._take is None or time.monotonic() - self._followed < AGAIN / 2:
            return
        self._followed = time.monotonic()
        with _alone(self._place.with_name("following")):
            since = read_json(self._place) if self._place.is_file() else {}
            try:
                items, place = await self._timed(lambda: self.sink.products(since), 5)
            except Away as error:
                self._lost(error)
                return
            if items:
                await asyncio.get_running_loop().run_in_executor(None, self._take, items)
            if place != since:
                write_json(self._place, place)

    async def _opened(self) -> None:
        now = time.monotonic()
        if self.there or (self._asked is not None and now - self._asked < AGAIN):
            return
        self._asked = now
        try:
            await self._timed(self.sink.open, 2)
            self.there = True
        except Away as error:
            self._lost(error)

    async def _send_on(self) -> None:
        """One process of a machine at a time; raises `BlockingIOError` where another one does it."""
        with _alone(self.folder / "sending"):
            for path in finished(self.folder):
                try:
                    content = read_records(path)
                except FileNotFoundError:
                    continue
                for start in range(0, len(content.records), CHUNK):
                    some = content.records[start : start + CHUNK]
                    try:
                        await self._timed(lambda some=some: self.sink.forward(some), 5)  # type: ignore[misc]
                    except Away as error:
                        self._lost(error)
                        return
                path.unlink(missing_ok=True)
                self._size = -1

    async def _timed(self, work: Callable[[], T], times: float = 1.0) -> T:
        """Let the sink's thread work, and cut it off when it takes too long."""
        loop = asyncio.get_running_loop()
        late = loop.call_later(times * SECONDS, self.sink.cut)
        try:
            return await loop.run_in_executor(self._thread, work)
        finally:
            late.cancel()

    def _lost(self, error: Away) -> None:
        if self.there or str(error) != self.said:
            log.error("Events are kept on this disk until it is back: %s", error)
        self.there, self.said, self._asked = False, str(error), time.monotonic()


def log_of(
    settings: Settings, store: Store, take: Callable[[list[dict[str, Any]]], None]
) -> Groups:
    """Where a server keeps events: as its settings say, else in its own folder."""
    if not settings.events:
        return EventLog(store.events, most_waiting=settings.most_waiting)
    return Outbox(
        sink_at(settings.events),
        store.root / "spool",
        most_waiting=settings.most_waiting,
        most_spooled=settings.most_spooled,
        take=take,
    )


def sink_at(address: str) -> Sink:
    """What keeps events at an address, not yet asked; raises `InputError` for one that nobody keeps."""
    scheme = address.partition("://")[0].partition("+")[0]
    if scheme in ("postgresql", "postgres"):
        from wareloom.serving.events.postgres import Postgres

        return Postgres(address)
    if scheme == "kafka":
        from wareloom.serving.events.kafka import Kafka

        return Kafka(address)
    raise InputError(
        f"Events cannot be kept at {scheme}://…: give postgresql://USER@HOST/NAME, or kafka://HOST:PORT/TOPIC."
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a file by which processes of a machine know that one of them does something."""
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)
