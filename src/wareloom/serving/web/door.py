"""What is looked at before a body is read: host, key, rate, sizes; and how a body is read."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from wareloom.core import logging
from wareloom.errors import InputError, SourceError
from wareloom.serving.config import Settings
from wareloom.serving.web.keys import Keys, may
from wareloom.serving.wire import BODY, PLAIN

log = logging.get(__name__)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
]
POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = [
    *HEADERS,
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
]
CHANGING = ("POST", "PUT", "DELETE")
BUCKETS = 10_000
"""Keys whose rate is followed"""


class Refused(Exception):
    """A request that is not answered, with its status."""

    def __init__(
        self, status: int, message: str, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or []


class Door:
    """Lets requests in, or refuses them."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self.settings, self.keys = settings, keys
        own = {*LOOPBACK, settings.host, *settings.hosts} - {"0.0.0.0", "::"}
        self._outside = settings.host not in LOOPBACK
        self._said = ""
        self._hosts = {name.encode() for name in own}
        self._buckets: dict[bytes, tuple[float, float]] = {}

    def check(self, scope: Any, role: str, running: int) -> None:
        """Raise `Refused` for a request that may not come in; `role` is what its route needs, "" for none."""
        # How a process is, and pages, are told under any load.
        if running > self.settings.most_running and scope["method"] in CHANGING:
            raise Refused(
                429, "Too much is asked at once: ask again later.", [(b"retry-after", b"1")]
            )
        host = key = b""
        size = -1
        kind = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"authorization":
                key = value
            elif name == b"content-length":
                size = int(value) if value.isdigit() else BODY + 1
            elif name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
                raise Refused(415, "Compressed bodies are not taken: send it plain.")
            elif name == b"content-type":
                kind = value
        if bare_host(host) not in self._hosts:
            raise Refused(421, "This host name is not served here: start it with --host-name NAME.")
        if size > BODY:
            raise Refused(
                413,
                f"The body is larger than {BODY:,} bytes: send less at once.",
                [(b"connection", b"close")],
            )
        if scope["method"] in ("POST", "PUT") and not kind.lower().startswith(b"application/json"):
            # A page of another site cannot send this type without asking first.
            raise Refused(415, "Send JSON, with content-type: application/json.")
        if role:
            self._check_key(key, role)

    def _check_key(self, given: bytes, role: str) -> None:
        if not self._keyed():
            return
        if role == "page":
            raise Refused(404, "The page is shown where no keys are set; ask with a key.")
        word, _, key = given.partition(b" ")
        if word.lower() != b"bearer" or not key:
            raise Refused(
                401, "Give a key: authorization: Bearer wl_…", [(b"www-authenticate", b"Bearer")]
            )
        has = self.keys.role(key.decode("latin-1"))
        if has is None:
            raise Refused(401, "The key is unknown, or over.", [(b"www-authenticate", b"Bearer")])
        if not may(has, role):
            raise Refused(403, f"The key may {has}; this needs one that may {role}.")
        if self.settings.rate:
            self._check_rate(key)

    def _keyed(self) -> bool:
        """Whether a key is needed: where others reach this, and wherever some were ever set."""
        try:
            return self.keys.wanted() or self._outside
        except SourceError as error:
            # Whoever asks is not told which file it is.
            if str(error) != self._said:
                log.error("Nobody is let in: %s", error)
            self._said = str(error)
            raise Refused(503, "The keys of this store cannot be read: see the log.") from error

    def _check_rate(self, key: bytes) -> None:
        """One token a request; so many come back each second."""
        now, rate = time.monotonic(), float(self.settings.rate)
        tokens, then = self._buckets.get(key, (rate, now))
        tokens = min(rate, tokens + (now - then) * rate)
        if tokens < 1:
            raise Refused(429, "This key asks more often than it may.", [(b"retry-after", b"1")])
        if len(self._buckets) > BUCKETS:
            self._buckets.clear()
        self._buckets[key] = (tokens - 1, now)

    async def body(self, scope: Any, receive: Any) -> bytes:
        """Read a body; raises `Refused` for one that is too large or too slow."""
        if scope["method"] not in ("POST", "PUT"):
            return b""
        message = await self._next(receive)
        if not message.get("more_body"):
            return self._checked(message.get("body", b""))
        parts, size, until = (
            [message.get("body", b"")],
            len(message.get("body", b"")),
            time.monotonic() + self.settings.body_seconds,
        )
        while message.get("more_body"):
            message = await self._next(receive, until)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > BODY:
                raise Refused(
                    413,
                    f"The body is larger than {BODY:,} bytes: send less at once.",
                    [(b"connection", b"close")],
                )
        return b"".join(parts)

    async def _next(self, receive: Any, until: float | None = None) -> dict[str, Any]:
        left = self.settings.body_seconds if until is None else max(0.0, until - time.monotonic())
        try:
            async with asyncio.timeout(left):
                message: dict[str, Any] = await receive()
        except TimeoutError:
            raise Refused(
                408, "The body did not come in time.", [(b"connection", b"close")]
            ) from None
        if message["type"] == "http.disconnect":
            raise Refused(400, "The client left before its body had come.")
        return message

    def _checked(self, body: bytes) -> bytes:
        if len(body) > BODY:
            raise Refused(413, f"The body is larger than {BODY:,} bytes: send less at once.")
        return body


def bare_host(host: bytes) -> bytes:
    """A host header without its port, in small letters."""
    host = host.strip().lower()
    if host.startswith(b"["):
        return host[1:].partition(b"]")[0]
    return host.rpartition(b":")[0] if b":" in host else host


def checked_id(text: str) -> str:
    """An id of a path; raises `InputError` for what is none."""
    if not 0 < len(text) <= 128 or not re.match(PLAIN, text):
        raise InputError("That is no id: give 1 to 128 characters without control characters.")
    return text
