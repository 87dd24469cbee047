"""How often what was kept was asked for, and was there."""

from __future__ import annotations


class Tally:
    """Hits and misses of one cache since they were looked at last."""

    def __init__(self) -> None:
        self.hits, self.misses = 0, 0

    def take(self) -> tuple[int, int]:
        """Hits and misses, from 0 on again."""
        found = self.hits, self.misses
        self.hits, self.misses = 0, 0
        return found
