"""HTTP/1.1 of uvicorn, with an end to what a client may take to say what it wants."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 << 10
"""Bytes that the head of a request may take, with what came along with it"""


class Patient(HttpToolsProtocol):
    """Closes a connection whose next head does not come in time, or is too long."""

    seconds = 10.0
    """From the connection, or from the first byte of a further request, until its head is there"""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._late: asyncio.TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes while a head is awaited."""
        if self._late is not None:
            self._bytes += len(data)
            if self._bytes > HEAD_BYTES + len(data):
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begin to wait for a further head."""
        super().on_message_begin()
        if self._late is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """Wait no longer."""
        self._came()
        super().on_headers_complete()

    def _wait(self) -> None:
        self._bytes = 0
        self._late = self.loop.call_later(self.seconds, self._close)

    def _came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        self._late = None
        self.transport.abort()


def patient(seconds: float) -> type[Any]:
    """The protocol, with its seconds."""
    return type("Patient", (Patient,), {"seconds": seconds})
