"""Counts of all processes of a machine, in one mapped file: each process has a row, `/metrics` adds them up.

What is counted for each version or cache has a table of its own in the row, of a fixed size: where it is full, what was
counted longest ago gives way, as a version does that answers no more.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections import OrderedDict
from collections.abc import Iterator, Mapping
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
OF = {
    "version_exposures_total": ("version", "Items that were shown by each version."),
    "cache_hits_total": ("cache", "What a cache had."),
    "cache_misses_total": ("cache", "What a cache had not."),
    "answer_seconds": ("le", "Seconds that answers took."),
}
"""What is counted for each of several things: what these are, and what it says"""
BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper ends of the buckets of the seconds that answers took, but the last"""
ENDS = (*map(str, BOUNDS), "+Inf")
PLACES = {name: place for place, name in enumerate(NAMES)}
NUMBERS = {name: number for number, name in enumerate(OF)}
ROWS, CELLS = 64, 40
NUMBER = struct.Struct("<d")
CELL = struct.Struct("<32sd")
"""What is counted of what (the number of its name, a colon and a label), and how often"""
FIRST = ROWS * len(NAMES) * NUMBER.size
"""Where the tables begin"""


class Counters:
    """One process's row, and the sums over all."""

    def __init__(self, path: Path, row: int) -> None:
        size = FIRST + ROWS * CELLS * CELL.size
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size != size:
                os.ftruncate(file, size)
            self._map = mmap.mmap(file, size)
        finally:
            os.close(file)
        self._start = (row % ROWS) * len(NAMES) * NUMBER.size
        self._cells = self._own_cells(FIRST + (row % ROWS) * CELLS * CELL.size)

    def add(self, name: str, amount: float = 1.0) -> None:
        """Count."""
        at = self._start + PLACES[name] * NUMBER.size
        NUMBER.pack_into(self._map, at, NUMBER.unpack_from(self._map, at)[0] + amount)

    def add_of(self, name: str, label: str, amount: float = 1.0) -> None:
        """Count for one of several things, of a label of at most 30 letters."""
        key = f"{NUMBERS[name]}:{label}".encode()[: CELL.size - NUMBER.size]
        at = self._cells.get(key)
        if at is None:
            _, at = self._cells.popitem(last=False)
            CELL.pack_into(self._map, at, key, 0.0)
            self._cells[key] = at
        self._cells.move_to_end(key)
        at += CELL.size - NUMBER.size
        NUMBER.pack_into(self._map, at, NUMBER.unpack_from(self._map, at)[0] + amount)

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer; a disk that is full is no failure of ours."""
        self.add("requests_total")
        self.add("seconds_total", seconds)
        end = next((n for n, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))
        self.add_of("answer_seconds", ENDS[end])
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

    def totals_of(self, name: str) -> dict[str, float]:
        """The sums over all processes by label, sorted."""
        found: dict[str, float] = {}
        start = f"{NUMBERS[name]}:".encode()
        for key, amount in self._every_cell():
            if key.startswith(start):
                label = key[len(start) :].decode()
                found[label] = found.get(label, 0.0) + amount
        return dict(sorted(found.items()))

    def text(self, gauges: Mapping[str, float]) -> str:
        """All of them in the text format of Prometheus; `gauges` as they are."""
        lines = []
        for name, what in NAMES.items():
            lines += [
                f"# HELP wareloom_{name} {what}",
                f"# TYPE wareloom_{name} counter",
                f"wareloom_{name} {self.total(name):.10g}",
            ]
        for name, (label, what) in OF.items():
            kind = "histogram" if name == "answer_seconds" else "counter"
            lines += [f"# HELP wareloom_{name} {what}", f"# TYPE wareloom_{name} {kind}"]
            lines += self._buckets() if kind == "histogram" else self._labelled(name, label)
        for name, value in gauges.items():
            lines += [f"# TYPE wareloom_{name} gauge", f"wareloom_{name} {value:.10g}"]
        return "\n".join(lines) + "\n"

    def _labelled(self, name: str, label: str) -> list[str]:
        found = self.totals_of(name).items()
        return [f'wareloom_{name}{{{label}="{of}"}} {amount:.10g}' for of, amount in found]

    def _buckets(self) -> list[str]:
        """The histogram of the seconds that answers took."""
        name, found, below = "wareloom_answer_seconds", self.totals_of("answer_seconds"), 0.0
        lines = []
        for end in ENDS:
            below += found.get(end, 0.0)
            lines.append(f'{name}_bucket{{le="{end}"}} {below:.10g}')
        return [
            *lines,
            f"{name}_sum {self.total('seconds_total'):.10g}",
            f"{name}_count {below:.10g}",
        ]

    def _own_cells(self, start: int) -> OrderedDict[bytes, int]:
        """Where the cells of this process are, by what they count; free ones first, as they give way first."""
        free, held = list[tuple[bytes, int]](), list[tuple[bytes, int]]()
        for number in range(CELLS):
            at = start + number * CELL.size
            key = CELL.unpack_from(self._map, at)[0].rstrip(b"\0")
            (held if key else free).append((key or b"free %d" % number, at))
        return OrderedDict(free + held)

    def _every_cell(self) -> Iterator[tuple[bytes, float]]:
        for at in range(FIRST, FIRST + ROWS * CELLS * CELL.size, CELL.size):
            key, amount = CELL.unpack_from(self._map, at)
            if key[0]:
                yield key.rstrip(b"\0"), amount
