"""HTTP/1.1 of uvicorn, with an end to what a client may take to say what it wants, and to what may wait."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wareloom.serving.web.load import ANSWER, Load, busy, whole

HEAD_BYTES = 64 << 10
"""Bytes that the head of a request may take, with what came along with it"""


class Patient(HttpToolsProtocol):
    """Closes a connection whose next head does not come in time, or is too long."""

    seconds = 10.0
    """From the connection, or from the first byte of a further request, until its head is there"""
    load = Load()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = None
        self._came_whole = True
        """Whether all of the request before this has come, so that the next byte begins one"""
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes while a head is awaited, and send away what would wait too long, before it is parsed."""
        if self.load.full and self._idle() and whole(data):
            self._send_away()
            return
        if self._late is not None:
            self._bytes += len(data)
            if self._bytes > HEAD_BYTES + len(data):
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin to wait for a further head."""
        super().on_message_begin()
        self._came_whole = False
        if self._late is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """Wait no longer."""
        self._came()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A further request may begin."""
        self._came_whole = True
        super().on_message_complete()

    def _idle(self) -> bool:
        """Whether nothing of this connection is unread or unanswered: only then do bytes that look like a request
        begin one, and not a body that pretends to."""
        return self._came_whole and (self.cycle is None or self.cycle.response_complete)

    def _send_away(self) -> None:
        self.load.refused += 1
        self._unset_keepalive_if_required()
        if self._late is None:
            self._wait()
        self._heard = self.loop.time()
        self.transport.write(ANSWER)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        if self.load.full and cycle.scope["method"] != "GET":
            self.load.refused += 1
            app = busy
        else:
            self.load.take()
        super()._start_asgi_task(cycle, app)

    def _wait(self) -> None:
        self._bytes, self._heard = 0, self.loop.time()
        self._late = self.loop.call_later(self.seconds, self._close)

    def _came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        left = self._heard + self.seconds - self.loop.time()
        if left > 0:
            # It asked, and was sent away.
            self._late = self.loop.call_later(left, self._close)
            return
        self._late = None
        self.transport.abort()


def patient(seconds: float, load: Load) -> type[Any]:
    """The protocol, with its seconds and the load of its process."""
    return type("Patient", (Patient,), {"seconds": seconds, "load": load})
