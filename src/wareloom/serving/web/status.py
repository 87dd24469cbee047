"""How a process is, what is live, what can be asked: routes that no request for items waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from wareloom.serving.events.log import Groups
from wareloom.serving.shoppers.memory import Memory
from wareloom.serving.versions.slots import Slots
from wareloom.serving.web.counters import Counters
from wareloom.serving.web.door import Refused
from wareloom.serving.web.load import Load
from wareloom.serving.web.openapi import openapi
from wareloom.serving.web.pages import FILES, page
from wareloom.serving.wire import written

JSON, TEXT = b"application/json", b"text/plain; charset=utf-8"
Reply = tuple[Any, ...]
"""Status, type of the content, content, and further headers where there are"""
Handler = Callable[[bytes, str], Awaitable[Reply]]


class Status:
    """What is told of one process and of its store."""

    def __init__(
        self, slots: Slots, counters: Counters, memory: Memory, log: Groups, load: Load
    ) -> None:
        self.slots, self.counters, self.memory = slots, counters, memory
        self.log, self.load, self.running = log, load, 0

    def routes(self) -> dict[tuple[str, str], tuple[str, Handler]]:
        """Methods and paths, each with what it needs of a key; what may be read, its head may be asked for, too."""
        found: dict[str, tuple[str, Handler]] = {
            "/metrics": ("read", self._metrics),
            "/healthz": ("", self._health),
            "/readyz": ("", self._ready),
            "/openapi.json": ("", self._openapi),
            "/slots": ("read", self._told_slots),
        }
        found |= {path: (role, partial(self._page, path)) for path, role in FILES.items()}
        return {(method, path): one for path, one in found.items() for method in ("GET", "HEAD")}

    def gauges(self) -> dict[str, float]:
        """What is so now, in this process or for all of them."""
        return {
            "sessions": self.memory.known(),
            "bytes_waiting": self.log.bytes_waiting,
            "bytes_spooled": self.log.spooled(),
            "running": self.running,
            "most_waiting_requests": self.load.most,
        }

    def tally(self) -> None:
        """Count what was counted elsewhere since the last time."""
        if refused := self.load.measure():
            self.counters.add("requests_total", refused)
            self.counters.add("busy_total", refused)
        if self.slots.refused:
            self.counters.add("refused_versions_total", self.slots.refused)
            self.slots.refused = 0
        for name, (hits, misses) in self.slots.kept().items():
            self.counters.add_of("cache_hits_total", name, hits)
            self.counters.add_of("cache_misses_total", name, misses)

    async def _metrics(self, _: bytes, __: str) -> Reply:
        self.tally()
        return 200, TEXT, self.counters.text(self.gauges()).encode()

    async def _health(self, _: bytes, __: str) -> Reply:
        return 200, JSON, b'{"ok":true}'

    async def _ready(self, _: bytes, __: str) -> Reply:
        if not len(self.slots):
            raise Refused(503, "No slot has a version yet: wareloom publish makes one.")
        return 200, JSON, b'{"ready":true}'

    async def _told_slots(self, _: bytes, __: str) -> Reply:
        return 200, JSON, written(self.slots.told())

    async def _openapi(self, _: bytes, __: str) -> Reply:
        return 200, JSON, openapi()

    async def _page(self, path: str, _: bytes, __: str) -> Reply:
        return 200, *page(path)
