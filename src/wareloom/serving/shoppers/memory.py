"""Where what shoppers did last is remembered: in this machine's shared file, or in Redis for several machines.

Both give what `Sessions` gives. Where Redis does not answer, nothing waits for it: what it would have said is left out
and named, and it is asked again a second later.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.secrets import filled
from wareloom.errors import InputError, needed
from wareloom.serving.config import Settings
from wareloom.serving.shoppers.sessions import (
    ENTRY,
    LASTING,
    NO_ENTRIES,
    Sessions,
    each_once,
    kept,
    key_of,
)

SECONDS, AGAIN = 0.25, 1.0
"""Within which Redis must answer, and after which it is asked again when it did not"""
BOUGHT = b":b"
"""Behind the name of a list: that of what was bought or hidden, which outlasts the latest events"""
ABSENT = "sessions"
"""What an answer calls it where nothing was remembered"""


class Forgotten(Exception):
    """What is remembered cannot be asked now."""


class Memory(ABC):
    """What shoppers did last, by `u:USER` and `s:SESSION`."""

    @abstractmethod
    async def of(self, who: Sequence[str], now: int) -> list[np.ndarray]:
        """The events of each (of `ENTRY`, oldest first); raises `Forgotten`."""

    @abstractmethod
    async def take(self, rows: Mapping[str, np.ndarray], now: int) -> int:
        """Add events to each; the most of their ids that one had already. Raises `Forgotten`."""

    @abstractmethod
    async def forget(self, who: Sequence[str]) -> None:
        """Delete each; raises `Forgotten`."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of it."""

    def known(self) -> int:
        """How many are remembered, 0 where that is another's to say."""
        return 0


class Local(Memory):
    """The file that this machine's processes share."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions

    async def of(self, who: Sequence[str], now: int) -> list[np.ndarray]:
        """Look in the file."""
        return [self.sessions.of(one, now) for one in who]

    async def take(self, rows: Mapping[str, np.ndarray], now: int) -> int:
        """Write to the file."""
        return max((self.sessions.take(who, own, now) for who, own in rows.items()), default=0)

    async def forget(self, who: Sequence[str]) -> None:
        """Delete in the file."""
        for one in who:
            self.sessions.forget(one)

    async def close(self) -> None:
        """Close the file."""
        self.sessions.close()

    def known(self) -> int:
        """How many are in the file."""
        return self.sessions.known()


class Redis(Memory):
    """A Redis that several machines share: a session is a list of its latest events, and one of what it bought or hid.

    One round trip a request.
    """

    def __init__(self, url: str, *, events: int, expiry: float) -> None:
        """`url`: redis://HOST:PORT/DB; nothing is asked yet. Raises `InputError` for what is no such address."""
        redis = needed("redis", "replicas", "Sessions in Redis")
        self._asyncio = needed("redis.asyncio", "replicas", "Sessions in Redis")
        self._errors = (redis.exceptions.RedisError, OSError, TimeoutError)
        try:
            self._client = self._asyncio.from_url(
                url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS, retry=None
            )
        except ValueError as error:
            raise InputError(
                f"Sessions cannot be at {url.partition('@')[2] or url}: {error}."
            ) from error
        self.events, self.expiry = events, int(expiry)
        self._until = 0.0

    async def of(self, who: Sequence[str], now: int) -> list[np.ndarray]:
        """Ask for all at once."""
        pipe = self._client.pipeline(transaction=False)
        for one in who:
            pipe.lrange(_name(one) + BOUGHT, 0, -1)
            pipe.lrange(_name(one), 0, -1)
        said = await self._told(pipe.execute())
        every = zip(said[::2], said[1::2], strict=True)
        return [kept(_entries([*before, *latest]), self.events) for before, latest in every]

    async def take(self, rows: Mapping[str, np.ndarray], now: int) -> int:
        """Add to all at once; an id that came again is seen when the list is read."""
        pipe = self._client.pipeline(transaction=True)
        for who, own in rows.items():
            name = _name(who)
            pipe.lrange(name, 0, -1)
            pipe.rpush(name, *(own[n : n + 1].tobytes() for n in range(len(own))))
            pipe.ltrim(name, -self.events, -1)
            pipe.expire(name, self.expiry)
        for who, own in rows.items():
            if len(lasting := own[np.isin(own["kind"], LASTING)]):
                name = _name(who) + BOUGHT
                pipe.rpush(name, *(lasting[n : n + 1].tobytes() for n in range(len(lasting))))
                pipe.ltrim(name, -max(1, self.events // 2), -1)
                pipe.expire(name, self.expiry)
        if not rows:
            return 0
        said = await self._told(pipe.execute())
        before = [_entries(found)["event"] for found in said[: 4 * len(rows) : 4]]
        return max(
            len(own) - len(np.setdiff1d(own["event"], ids))
            for own, ids in zip(rows.values(), before, strict=True)
        )

    async def forget(self, who: Sequence[str]) -> None:
        """Delete all at once."""
        if who:
            names = [_name(one) for one in who]
            await self._told(self._client.delete(*names, *(name + BOUGHT for name in names)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _told(self, asked: Awaitable[Any]) -> Any:
        """What Redis says; raises `Forgotten` at once where it said nothing a moment ago."""
        if time.monotonic() < self._until:
            with contextlib.closing(asked):  # type: ignore[type-var]
                raise Forgotten
        try:
            return await asked
        except self._errors as error:
            self._until = time.monotonic() + AGAIN
            raise Forgotten from error


def memory_of(settings: Settings, state: Path) -> Memory:
    """Where a server remembers shoppers: as its settings say, else in its folder `state`."""
    events, expiry = settings.events_of_session, settings.expiry
    if settings.redis:
        return Redis(filled(settings.redis), events=events, expiry=expiry)
    sessions = Sessions(
        state / "sessions", sessions=settings.sessions, events=events, expiry=expiry
    )
    return Local(sessions)


def _name(who: str) -> bytes:
    return b"wareloom:" + key_of(who)


def _entries(found: Sequence[bytes]) -> np.ndarray:
    """The events of a list, each id once, the first that came; others' writing is passed over."""
    whole = [one for one in found if len(one) == ENTRY.itemsize]
    if not whole:
        return NO_ENTRIES
    return each_once(np.frombuffer(b"".join(whole), dtype=ENTRY))


def whose(user: str | None, session: str | None) -> Iterator[str]:
    """The names by which a shopper is remembered."""
    if user:
        yield f"u:{user}"
    if session:
        yield f"s:{session}"
