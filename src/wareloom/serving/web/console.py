"""The console, a page for people: what is live in each slot, what was, counts and freshness, and rolling back.

Who is signed in says a cookie that is signed, so that every process knows it: name, end and a number, with a code over
these and the person's password hash. Another password, or none, ends all of it at once, and signing out ends one. What
changes something wants a token beside the cookie, which other sites cannot read.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from wareloom.core.files import beside
from wareloom.serving.versions.slots import Slots
from wareloom.serving.versions.store import Store, told_of
from wareloom.serving.web.counters import Counters
from wareloom.serving.web.door import LOOPBACK, Refused, bare_host
from wareloom.serving.web.people import FILE, LONGEST, People
from wareloom.serving.wire import Name, written

COOKIE = b"wareloom_console"
HOURS = 8
"""After which one signs in again"""
TRIES, PAUSE = 5, 60.0
"""Wrong passwords for a name in one process, and the seconds in which so many are too many"""
AT_ONCE = 4
"""Passwords that wait for being looked at: each takes 64 MiB and a third of a second"""
MOST_BYTES = 1 << 16
"""Of what was signed out, before what is over is dropped"""
HISTORY = 10
"""Changes of a slot that are shown"""
COUNTS = ("requests", "events", "exposures", "fallback", "busy", "errors", "failures")
JSON = b"application/json"
Answer = tuple[int, bytes, bytes, list[tuple[bytes, bytes]]]
"""Status, type, content, further headers"""


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """Who signs in."""

    name: str = ""
    password: str = ""


class Back(msgspec.Struct, forbid_unknown_fields=True):
    """Which slot rolls back, from which version: what another person did meanwhile is not undone."""

    slot: Name
    live: str


class Who(NamedTuple):
    """Who is signed in."""

    name: str
    number: bytes
    until: int
    token: str
    """What a change needs beside the cookie"""


class Console:
    """The console of one process."""

    def __init__(self, store: Store, slots: Slots, counters: Counters, bucket: str = "") -> None:
        """`bucket`: where slots are taken from, if not from the store."""
        self.bucket = bucket
        self.store, self.slots, self.counters = store, slots, counters
        self.people = People(store.root / FILE)
        self.ended = Ended(store.state / "signed-out")
        self._key = hmac.digest(store.secret, b"console", "sha256")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._waiting = 0
        self._wrong: dict[str, list[float]] = {}
        self.gauges: Callable[[], dict[str, float]] = dict
        self._routes: dict[tuple[str, str], Any] = {
            ("GET", "/console/state"): self._state,
            ("POST", "/console/sign-in"): self._sign_in,
            ("POST", "/console/sign-out"): self._sign_out,
            ("POST", "/console/roll-back"): self._roll_back,
        }

    @property
    def routes(self) -> Any:
        """Methods and paths that it answers."""
        return self._routes.keys()

    async def answer(self, scope: Any, body: bytes, _: str = "") -> Answer:
        """Answer one of its routes; raises `Refused`."""
        same_site(scope)
        headers = dict(scope["headers"])
        work = self._routes[scope["method"], scope["path"]]
        if work == self._sign_in:
            return await self._sign_in(headers, body)
        who = self._who(headers)
        if who is None:
            raise Refused(401, "Sign in first.")
        if scope["method"] == "POST":
            given = headers.get(b"x-csrf-token", b"")
            if not hmac.compare_digest(given, who.token.encode()):
                raise Refused(403, "The token of this page is not right: load it again.")
        answer: Answer = await work(who, body)
        return answer

    # -- what is asked

    async def _sign_in(self, headers: dict[bytes, bytes], body: bytes) -> Answer:
        asked = msgspec.json.decode(body, type=SignIn)
        if not len(self.people):
            raise Refused(403, "Nobody may sign in yet: wareloom keys STORE --person NAME.")
        name, now = asked.name[:64], time.monotonic()
        wrong = [then for then in self._wrong.get(name, []) if now - then < PAUSE]
        if len(wrong) >= TRIES or self._waiting >= AT_ONCE:
            raise Refused(429, "Too many tries: wait a minute.", [(b"retry-after", b"60")])
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            right = len(asked.password) <= LONGEST and await loop.run_in_executor(
                self._thread, self.people.check, name, asked.password
            )
        finally:
            self._waiting -= 1
        if not right:
            if len(self._wrong) > 1000:
                self._wrong.clear()
            self._wrong[name] = [*wrong, now]
            raise Refused(401, "The name or the password is wrong.")
        self._wrong.pop(name, None)
        until = int(time.time()) + HOURS * 3600
        value = self._signed(name, until, secrets.token_bytes(16))
        cookie = _cookie(value, HOURS * 3600, headers)
        return 200, JSON, b'{"ok":true}', [(b"set-cookie", cookie)]

    async def _sign_out(self, who: Who, _: bytes) -> Answer:
        self.ended.add(who.number, who.until)
        return 200, JSON, b'{"ok":true}', [(b"set-cookie", _cookie(b"", 0, {}))]

    async def _state(self, who: Who, _: bytes) -> Answer:
        told = {"name": who.name, "token": who.token, "slots": await self._slots()}
        counts: dict[str, float] = {n: self.counters.total(f"{n}_total") for n in COUNTS}
        seen, took = counts["events"], self.counters.total("visible_seconds_total")
        asked = counts["requests"] - counts["busy"]
        more = {
            "freshness_ms": took / seen * 1e3 if seen else None,
            "answer_ms": self.counters.total("seconds_total") / asked * 1e3 if asked > 0 else None,
        }
        return 200, JSON, written(told | {"counts": counts | self.gauges()} | more), []

    async def _slots(self) -> list[dict[str, Any]]:
        found = []
        for name in self.store.names():
            history = self.store.history(name)
            version = await self.slots.renewed(name)
            told = version.told
            proof = told["proof"]
            found.append(
                {
                    "slot": name,
                    "live": version.id,
                    "ranker": version.served.ranker,
                    "items": len(version.served),
                    "unproved": version.unproved,
                    "proof": None if proof is None else proof["sentence"],
                    "realtime": (told.get("realtime") or {}).get("generator"),
                    "history": [told_of(c) for c in history[: -HISTORY - 1 : -1]],
                }
            )
        return found

    async def _roll_back(self, who: Who, body: bytes) -> Answer:
        asked = msgspec.json.decode(body, type=Back)
        if asked.slot not in self.store.names():
            raise Refused(404, f"There is no slot {asked.slot!r}.")
        if self.bucket:
            raise Refused(
                409,
                "What is live is kept in a bucket: wareloom live s3://… --roll-back changes it.",
            )
        if self.store.history(asked.slot)[-1].live != asked.live:
            raise Refused(409, "Another version is live by now: load the page again.")
        loop = asyncio.get_running_loop()
        change = await loop.run_in_executor(None, partial(self.store.roll_back, asked.slot))
        await self.slots.renewed(asked.slot)
        return 200, JSON, written(told_of(change)), []

    # -- who asks

    def _who(self, headers: dict[bytes, bytes]) -> Who | None:
        """Who is signed in; None for a cookie that is forged, over, ended, or of another password."""
        for part in headers.get(b"cookie", b"").split(b";"):
            name, _, value = part.strip().partition(b"=")
            if name == COOKIE:
                return self._read(value)
        return None

    def _signed(self, name: str, until: int, number: bytes) -> bytes:
        told = b"%d.%b.%b" % (until, number.hex().encode(), name.encode())
        content = base64.urlsafe_b64encode(told).rstrip(b"=")
        return content + b"." + self._code(name, content).encode()

    def _code(self, name: str, content: bytes) -> str:
        mark = self.people.mark(name) or b""
        return hmac.digest(self._key, mark + content, "sha256").hex()

    def _read(self, value: bytes) -> Who | None:
        content, _, code = value.partition(b".")
        try:
            told = base64.b64decode(content + b"=" * (-len(content) % 4), b"-_", validate=True)
            end, number, name = told.decode().split(".", 2)
            until, mark = int(end), bytes.fromhex(number)
        except ValueError:
            return None
        right = hmac.compare_digest(self._code(name, content).encode(), code)
        if not right or self.people.mark(name) is None or until < time.time():
            return None
        if self.ended.has(mark):
            return None
        token = hmac.digest(self._key, b"token" + value, "sha256").hex()
        return Who(name, mark, until, token)


class Ended:
    """What was signed out before its time, on the disk so that all processes know."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size, self._numbers = -1, dict[str, int]()

    def add(self, number: bytes, until: int) -> None:
        """End one; where there are many, what is over anyway is dropped."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > MOST_BYTES:
                self.has(b"")
                left = "".join(f"{one} {until}\n" for one, until in self._numbers.items())
                with beside(self.path) as partial_:
                    partial_.write_text(left, encoding="ascii")
        with open(self.path, "a", encoding="ascii", opener=partial(os.open, mode=0o600)) as file:
            file.write(f"{number.hex()} {until}\n")

    def has(self, number: bytes) -> bool:
        """Whether one was ended."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return False
        if size != self._size:
            lines = self.path.read_text(encoding="ascii").splitlines()
            now = time.time()
            told = (line.partition(" ") for line in lines)
            self._numbers = {
                one: int(until) for one, _, until in told if until.isdigit() and int(until) > now
            }
            self._size = size
        return number.hex() in self._numbers


def _cookie(value: bytes, seconds: int, headers: dict[bytes, bytes]) -> bytes:
    """A cookie that scripts cannot read and other sites cannot send; off this machine over TLS alone."""
    here = bare_host(headers.get(b"host", b"localhost")).decode("latin-1") in LOOPBACK
    secure = b"" if here else b"; Secure"
    return b"%b=%b; Path=/console; Max-Age=%d; HttpOnly; SameSite=Strict%b" % (
        COOKIE,
        value,
        seconds,
        secure,
    )


def same_site(scope: Any) -> None:
    """Raise `Refused` for what a page of another site sends."""
    for name, value in scope["headers"]:
        if name == b"sec-fetch-site" and value not in (b"same-origin", b"none"):
            raise Refused(403, "Pages of other sites may not ask the console.")


__all__ = ["Console", "same_site"]
