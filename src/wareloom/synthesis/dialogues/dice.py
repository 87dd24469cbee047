"""Many single draws, fast: uniform numbers from one generator, taken from a buffer."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")
BUFFER = 4_096


class Weighed(Generic[T]):
    """Some things to be drawn by their weights."""

    __slots__ = ("sums", "things")

    def __init__(self, things: Sequence[T], weights: Sequence[float]) -> None:
        self.things, self.sums = list(things), list(accumulate(weights))

    def __len__(self) -> int:
        return len(self.things)


class Dice:
    """Draws by one generator; the same generator gives the same draws."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._held: list[float] = []

    def share(self) -> float:
        """Return a number from 0 up to 1."""
        if not self._held:
            self._held = self.rng.random(BUFFER).tolist()
        return self._held.pop()

    def chance(self, share: float) -> bool:
        """Return whether something of this chance happens."""
        return self.share() < share

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from `low` up to and with `high`."""
        return low + int(self.share() * (high - low + 1))

    def one(self, things: Sequence[T]) -> T:
        """Return one of some things, each alike."""
        return things[int(self.share() * len(things))]

    def weighed(self, things: Weighed[T]) -> T:
        """Return one of some things by their weights."""
        place = bisect_right(things.sums, self.share() * things.sums[-1])
        return things.things[min(place, len(things) - 1)]

    def digits(self, number: int) -> str:
        """Return so many digits, the first none of 0."""
        return str(self.whole(1, 9)) + "".join(str(self.whole(0, 9)) for _ in range(number - 1))
