"""What each shopper did last, in memory that all processes of a machine share and that never grows.

A file that is mapped: a fixed number of sessions in sets of eight, a fixed number of events in each. Where a set is
full, the session that was quiet longest gives way. A process that looks at a set, or changes one, holds a lock of the
system on that set alone: what one process has written, the next look of any other sees. The file holds digests, no ids,
and is made anew from nothing: it is what is remembered, not what is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from wareloom.errors import OutputError
from wareloom.serving.wire import KINDS

JUMP = 3_600_000_000
"""Microseconds that a clock may jump back and nobody is the worse for it"""
WAYS = 8
"""Sessions of a set"""
HEAD = struct.Struct("<16sqq")
"""Of a session: its key, when it was last heard of in microseconds, how many events were ever taken"""
FILE = struct.Struct("<8sQQ")
MAGIC = b"WLSESS1\n"
ENTRY = np.dtype([("item", "<u8"), ("event", "<u8"), ("time", "<i8"), ("kind", "u1")])
"""Digest of the item, digest of the event's id, microseconds, code of the kind"""
NO_ENTRIES = np.zeros(0, dtype=ENTRY)
LASTING = np.array([code for kind, code in KINDS.items() if kind in ("purchase", "hide")])
"""Kinds of events that outlast others, since their items never come back"""


class Sessions:
    """The sessions of a store."""

    def __init__(
        self, path: Path, *, sessions: int = 1 << 16, events: int = 50, expiry: float = 30 * 86400.0
    ) -> None:
        """Open the file, or make it; one of other sizes is made anew. `expiry`: seconds of silence."""
        self.sets, self.events = max(1, -(-sessions // WAYS)), events
        self.expiry = int(expiry * 1e6)
        self.slot = HEAD.size + events * ENTRY.itemsize
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = FILE.size + self.sets * WAYS * self.slot
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, 0)
        try:
            head = os.pread(self._file, FILE.size, 0)
            told = FILE.pack(MAGIC, self.sets, events)
            if head != told or os.fstat(self._file).st_size != size:
                if head[: len(MAGIC)] not in (MAGIC, b""):
                    raise OutputError(f"{path} is no file of sessions: move it away.")
                os.ftruncate(self._file, 0)
                os.ftruncate(self._file, size)
                os.pwrite(self._file, told, 0)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, 0)
        self._map = mmap.mmap(self._file, size)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        os.close(self._file)

    def take(self, who: str, entries: np.ndarray, now: int) -> int:
        """Add events (of `ENTRY`, oldest first) to a session; returns how many of their ids it had already."""
        key = key_of(who)
        with self._held(key) as start:
            place = self._find(key, start) or self._oldest(start)
            known, stamp, count = HEAD.unpack_from(self._map, place)
            if known != key or stamp < now - self.expiry:
                count = 0
            have = self._entries(place, count)
            fresh = each_once(entries[~np.isin(entries["event"], have["event"])])
            if len(fresh):
                both = kept(np.concatenate([have, fresh]), self.events)
                content = both.tobytes()
                self._map[place + HEAD.size : place + HEAD.size + len(content)] = content
            # Who was heard of last is not the quietest, also where the clock jumped back.
            newest = self._newest(start, place)
            moment = newest + 1 if now < newest <= now + JUMP else now
            HEAD.pack_into(self._map, place, key, moment, min(self.events, len(have) + len(fresh)))
            return len(entries) - len(fresh)

    def of(self, who: str, now: int) -> np.ndarray:
        """The events of a session (of `ENTRY`, oldest first); none of one that is unknown or expired."""
        key = key_of(who)
        with self._held(key, fcntl.LOCK_SH) as start:
            place = self._find(key, start)
            if place is None:
                return NO_ENTRIES
            _, stamp, count = HEAD.unpack_from(self._map, place)
            return NO_ENTRIES if stamp < now - self.expiry else self._entries(place, count)

    def forget(self, who: str) -> bool:
        """Delete a session; whether there was one."""
        key = key_of(who)
        with self._held(key) as start:
            place = self._find(key, start)
            if place is not None:
                self._map[place : place + self.slot] = bytes(self.slot)
            return place is not None

    def known(self) -> int:
        """How many sessions there are."""
        shape, steps = (self.sets * WAYS, 2), (self.slot, 8)
        keys = np.ndarray(shape, np.int64, self._map, offset=FILE.size, strides=steps)
        return int(keys.any(axis=1).sum())

    def _entries(self, place: int, count: int) -> np.ndarray:
        at = place + HEAD.size
        count = max(0, min(count, self.events))
        if not count:
            return NO_ENTRIES
        return np.frombuffer(self._map[at : at + count * ENTRY.itemsize], dtype=ENTRY)

    def _find(self, key: bytes, start: int) -> int | None:
        for place in range(start, start + WAYS * self.slot, self.slot):
            if self._map[place : place + 16] == key:
                return place
        return None

    def _newest(self, start: int, but: int) -> int:
        """When any other session of a set was heard of last."""
        places = range(start, start + WAYS * self.slot, self.slot)
        return max(HEAD.unpack_from(self._map, place)[1] for place in places if place != but)

    def _oldest(self, start: int) -> int:
        places = range(start, start + WAYS * self.slot, self.slot)
        return min(places, key=lambda place: HEAD.unpack_from(self._map, place)[1])

    @contextlib.contextmanager
    def _held(self, key: bytes, how: int = fcntl.LOCK_EX) -> Iterator[int]:
        """Hold the set of a key: its first byte in the file."""
        number = int.from_bytes(key[:8], "little") % self.sets
        start = FILE.size + number * WAYS * self.slot
        fcntl.lockf(self._file, how, 1, start)
        try:
            yield start
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, start)


def key_of(who: str) -> bytes:
    """The digest by which a session is known."""
    return hashlib.blake2b(who.encode(), digest_size=16).digest()


def digest_of(user: str | None) -> str:
    """What is kept of a user who was deleted."""
    return key_of(f"u:{user}").hex()


def entries_of(rows: Sequence[tuple[int, int, int, int]]) -> np.ndarray:
    """Rows of digest of the item, digest of the id, microseconds and kind, as an array of `ENTRY`."""
    return np.array(rows, dtype=ENTRY)


def each_once(entries: np.ndarray) -> np.ndarray:
    """Events by their ids, of each the first that came."""
    if len(entries) < 2:
        return entries
    _, first = np.unique(entries["event"], return_index=True)
    found: np.ndarray = entries[np.sort(first)]
    return found


def kept(entries: np.ndarray, most: int) -> np.ndarray:
    """The latest events, oldest first: up to half of the room is for what was bought or hidden, however long ago."""
    if len(entries) <= most:
        return entries
    lasting = np.isin(entries["kind"], LASTING)
    first = np.flatnonzero(lasting)[-(most // 2) :] if most > 1 else np.zeros(0, np.int64)
    rest = np.setdiff1d(np.arange(len(entries)), first)[len(first) - most :]
    found: np.ndarray = entries[np.sort(np.concatenate([first, rest]))]
    return found


def merged(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The events of two sessions, oldest first, each id once.

    What came last to a session is its last, whatever its time says: clocks jump back, and clients send what waited.
    """
    if not len(other):
        return one
    if not len(one):
        return other
    moments = [np.maximum.accumulate(own["time"]) for own in (one, other)]
    order = np.argsort(np.concatenate(moments), kind="stable")
    return each_once(np.concatenate([one, other])[order])
