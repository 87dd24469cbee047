"""The log of events: segments that only grow, written in groups; what was acknowledged is on the disk.

    log = EventLog(folder, most_waiting=8 << 20)
    await log.append(records)

A group is what came while the one before it was being written: no timer, so that one client alone waits for one
`fdatasync` and many share it. Each process writes segments of its own, and holds a lock on the one it writes; a segment
that nobody holds is finished, however its process ended.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wareloom.errors import OutputError
from wareloom.serving.files.frames import HEAD, MAGIC, datasync, framed

SEGMENT = 16 << 20
"""Bytes after which a new segment begins"""
GENERATION = "generation"
"""The file that says that segments older than it are to be finished"""
"""What waits for the disk; systems without the one have the other"""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Busy(OutputError):
    """More waits to be written than may wait."""


class Full(OutputError):
    """There is no room for what was to be written."""


class Away(OutputError):
    """What keeps events elsewhere does not answer."""


class Segment:
    """One file of the log, from the first to the last write of one process."""

    def __init__(self, folder: Path, generation: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{generation:08d}-{time.time_ns():020d}-{os.getpid()}.log"
        self.path, self.generation, self.size = folder / name, generation, 0
        self.file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(self.file, fcntl.LOCK_EX)
        try:
            self.write(MAGIC)
            _sync_folder(folder)
        except OSError:
            self.close()
            self.path.unlink(missing_ok=True)
            raise

    def write(self, content: bytes) -> None:
        """Append all or nothing, and wait for the disk; raises `OSError`."""
        done = 0
        try:
            while done < len(content):
                done += os.write(self.file, content[done:])
            datasync(self.file)
        except OSError:
            os.ftruncate(self.file, self.size)
            raise
        self.size += len(content)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.file)


class Groups(ABC):
    """What waits to be kept, in groups: a group is what came while the one before was being written."""

    def __init__(self, most_waiting: int) -> None:
        self.most = most_waiting
        self.waiting: list[tuple[Sequence[bytes], int, asyncio.Future[None]]] = []
        self.bytes_waiting = 0
        self.records, self.syncs = 0, 0
        self.sync_seconds = 0.0
        self._flushing: asyncio.Task[None] | None = None

    async def append(self, records: Sequence[bytes]) -> None:
        """Return when the records are kept; raises `Busy` or `Full` where they are not, and will not be."""
        if self.bytes_waiting > self.most:
            raise Busy("Events come faster than they can be kept: send them again later.")
        size = sum(map(len, records)) + HEAD.size * len(records)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((records, size, done))
        self.bytes_waiting += size
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await done
        self.records += len(records)

    @abstractmethod
    async def roll(self) -> None:
        """Do what is to be done from time to time, also where nothing comes."""

    @abstractmethod
    async def close(self) -> None:
        """Keep what waits, and let go."""

    async def forget(self, user: str) -> tuple[int, frozenset[str]]:
        """Delete a person where events are kept elsewhere; how many, and of which sessions. Raises `Away`."""
        return 0, frozenset()

    async def share(self, items: Sequence[dict[str, Any]]) -> None:
        """Tell other replicas of products; raises as `append`. Where there are none, nothing is to be done."""
        return None

    def spooled(self) -> int:
        """Bytes that wait on this disk for a place elsewhere."""
        return 0

    @abstractmethod
    async def _commit(self, records: list[bytes]) -> None:
        """Return when a group is kept; raises `Busy` or `Full`."""

    async def _flush(self) -> None:
        while self.waiting:
            group, self.waiting = self.waiting, []
            wrong: Exception | None = None
            begun = time.perf_counter()
            try:
                await self._commit([one for records, _, _ in group for one in records])
                self.syncs += 1
            except (Busy, Full) as error:
                wrong = error
            self.sync_seconds = time.perf_counter() - begun
            self.bytes_waiting -= sum(size for _, size, _ in group)
            for _, _, done in group:
                if done.cancelled():
                    continue
                if wrong is None:
                    done.set_result(None)
                else:
                    done.set_exception(wrong)


class EventLog(Groups):
    """Appends records to segments for one process."""

    def __init__(self, folder: Path, *, most_waiting: int = 8 << 20) -> None:
        super().__init__(most_waiting)
        self.folder = folder
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="events")
        self._segment: Segment | None = None

    async def close(self) -> None:
        """Write what waits, and let go of the segment."""
        if self._flushing is not None:
            await self._flushing
        await asyncio.get_running_loop().run_in_executor(self._thread, self._finish)
        self._thread.shutdown()

    async def roll(self) -> None:
        """Finish a segment that is older than the folder's generation, also where nothing comes."""
        if not self.waiting:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._roll)

    async def release(self) -> None:
        """Finish the segment, whatever its generation."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._finish)

    async def _commit(self, records: list[bytes]) -> None:
        content = framed(records)
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, content)
        except OSError as error:
            said = _said(error)
            raise (Full(said) if error.errno in FULL else Busy(said)) from error

    def _write(self, content: bytes) -> None:
        self._roll()
        if self._segment is None:
            self._segment = Segment(self.folder, generation(self.folder))
        try:
            self._segment.write(content)
        except OSError:
            # After a failed sync nobody knows what the disk has: what comes next begins anew.
            failed = self._segment
            self._finish()
            if failed.size == len(MAGIC):
                failed.path.unlink(missing_ok=True)
            raise

    def _roll(self) -> None:
        now = self._segment
        if now and (now.size > SEGMENT or now.generation < generation(self.folder)):
            self._finish()

    def _finish(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None


def _said(error: OSError) -> str:
    return f"The log of events cannot be written: {error.strerror}. Make room; events are taken again then."


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def generation(folder: Path) -> int:
    """The generation that segments of a folder are to be of."""
    try:
        return int((folder / GENERATION).read_text())
    except (FileNotFoundError, ValueError):
        return 0


def next_generation(folder: Path) -> int:
    """Ask all processes to finish the segments they write; returns the number that new ones have."""
    folder.mkdir(parents=True, exist_ok=True)
    number = generation(folder) + 1
    partial = folder / f".{GENERATION}-{os.getpid()}"
    partial.write_text(str(number))
    partial.replace(folder / GENERATION)
    return number


def finished(folder: Path) -> list[Path]:
    """Segments that nobody writes any more, oldest first."""
    found = []
    for path in sorted(folder.glob("*.log")):
        file = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            found.append(path)
        except BlockingIOError:
            pass
        finally:
            os.close(file)
    return found


def finish(folder: Path, patience: float) -> bool:
    """Ask all processes to finish what they write, and wait for it so many seconds; whether all did."""
    number, until = next_generation(folder), time.monotonic() + patience
    while True:
        held = set(folder.glob("*.log")) - set(finished(folder))
        if not any(int(path.name.partition("-")[0]) < number for path in held):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
