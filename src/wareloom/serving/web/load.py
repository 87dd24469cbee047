"""How much a process may have before it: what would wait longer than it should is sent away, before it is read.

A process that answers one request after the other needs no limit on what runs, but on what waits. What waits is
what was taken from connections and not begun; what it may be follows from the processor time that an answer took
lately, so that a slower ranker has a shorter queue. What waits for the disk or a slow ranker was begun and is not
counted: these have bounds of their own.
"""

from __future__ import annotations

import time

DELAY = 0.05
"""Seconds that a request may wait before it is begun"""
FEWEST, MOST = 128, 512
"""Requests that may wait, at least and at most, whatever was measured"""
ENOUGH = 20
"""Answers from which on their processor time is taken for what answers cost"""
RETRY = 1
"""Seconds after which a client may ask again"""
_SAID = b'{"error":"More is asked than can be answered in time: ask again later."}'
ANSWER = (
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"retry-after: %d\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\r\n%b"
    % (len(_SAID), RETRY, _SAID)
)
"""What is sent instead of an answer"""
HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", b"%d" % len(_SAID)),
    (b"retry-after", b"%d" % RETRY),
    (b"cache-control", b"no-store"),
]
CHANGING = (b"POST ", b"PUT ", b"DELETE ")
"""What can be sent away: how a process is, and pages, are told under any load"""


class Load:
    """The requests of a process: taken, begun, sent away."""

    def __init__(self) -> None:
        self.waiting = 0
        """Taken from a connection, not begun"""
        self.most = FEWEST
        self.begun = 0
        self.refused = 0
        """Sent away since it was asked last"""
        self._cost = 0.0
        self._then = (time.thread_time(), 0)

    def take(self) -> None:
        """A request was taken from a connection."""
        self.waiting += 1

    def begin(self) -> None:
        """A request is begun; one that came from no connection waited for nothing."""
        self.begun += 1
        if self.waiting:
            self.waiting -= 1

    @property
    def full(self) -> bool:
        """Whether what comes now would wait too long."""
        return self.waiting >= self.most

    def measure(self) -> int:
        """Look what answers cost this thread lately, and set the limit; returns how many were sent away."""
        spent, begun = time.thread_time(), self.begun
        answers = begun - self._then[1]
        if answers >= ENOUGH:
            cost = max((spent - self._then[0]) / answers, 1e-6)
            self._cost = cost if not self._cost else 0.5 * (self._cost + cost)
            self.most = int(min(max(DELAY / self._cost, FEWEST), MOST))
        if answers >= ENOUGH or not answers:
            self._then = (spent, begun)
        refused, self.refused = self.refused, 0
        return refused


def whole(data: bytes) -> bool:
    """Whether bytes are one request that can be sent away, all of it, so that the next one begins behind it."""
    if not data.startswith(CHANGING):
        return False
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return len(data) == end + 4 and b"\r\ntransfer-encoding:" not in head
    size = head[at + 17 :].split(b"\r\n", 1)[0].strip()
    return size.isdigit() and len(data) == end + 4 + int(size)


async def busy(scope: object, receive: object, send: object) -> None:
    """The application that sends away what came in pieces."""
    await send({"type": "http.response.start", "status": 429, "headers": HEADERS})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": _SAID})  # type: ignore[operator]
