"""Counters that the processes of a machine share: a row of a mapped file for each, added up when they are asked for."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path

NAMES = {
    "requests_total": "Requests that were answered.",
    "errors_total": "Requests that were refused (4xx).",
    "failures_total": "Requests that failed (5xx).",
    "busy_total": "Requests that were sent away (429).",
    "events_total": "Events that were acknowledged.",
    "event_syncs_total": "Writes to the disk that acknowledged them.",
    "repeated_events_total": "Events whose ids were there already.",
    "exposures_total": "Items that were shown.",
    "fallback_total": "Answers that left something out.",
    "seconds_total": "Seconds from the last byte of a request to its answer.",
    "visible_seconds_total": "Seconds from an event's arrival until answers have seen it.",
    "refused_versions_total": "Versions that were made live and could not be opened.",
}
PLACES = {name: place for place, name in enumerate(NAMES)}
ROWS = 64
NUMBER = struct.Struct("<d")


class Counters:
    """One process's row, and the sums over all."""

    def __init__(self, path: Path, row: int) -> None:
        size = ROWS * len(NAMES) * NUMBER.size
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size != size:
                os.ftruncate(file, size)
            self._map = mmap.mmap(file, size)
        finally:
            os.close(file)
        self._start = (row % ROWS) * len(NAMES) * NUMBER.size

    def add(self, name: str, amount: float = 1.0) -> None:
        """Count."""
        at = self._start + PLACES[name] * NUMBER.size
        NUMBER.pack_into(self._map, at, NUMBER.unpack_from(self._map, at)[0] + amount)

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer; a disk that is full is no failure of ours."""
        self.add("requests_total")
        self.add("seconds_total", seconds)
        if status == 429:
            self.add("busy_total")
        elif status >= 500 and status != 507:
            self.add("failures_total")
        elif status >= 400:
            self.add("errors_total")

    def total(self, name: str) -> float:
        """The sum over all processes."""
        step, first = len(NAMES) * NUMBER.size, PLACES[name] * NUMBER.size
        return float(
            sum(NUMBER.unpack_from(self._map, first + row * step)[0] for row in range(ROWS))
        )

    def text(self, gauges: Mapping[str, float]) -> str:
        """All of them in the text format of Prometheus; `gauges` as they are."""
        lines = []
        for name, what in NAMES.items():
            lines += [
                f"# HELP wareloom_{name} {what}",
                f"# TYPE wareloom_{name} counter",
                f"wareloom_{name} {self.total(name):.10g}",
            ]
        for name, value in gauges.items():
            lines += [f"# TYPE wareloom_{name} gauge", f"wareloom_{name} {value:.10g}"]
        return "\n".join(lines) + "\n"
