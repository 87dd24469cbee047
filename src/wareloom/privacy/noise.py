"""Where the randomness of mechanisms comes from: the operating system. Never from a run's seed.

A seed that is published subtracts the noise. So this is the one exception to "same seed, same bytes". A seeded source
exists for tests, and what it makes is stamped.
"""

from __future__ import annotations

import os
import random
import secrets
from typing import Protocol

import numpy as np

NOT_PRIVATE = "not private: the noise came from a seed, as in tests"


class Noise(Protocol):
    """Random whole numbers, uniform and independent."""

    @property
    def private(self) -> bool:
        """Whether nobody can draw the same numbers again."""

    def words(self, count: int) -> np.ndarray:
        """uint64 [count], each of 64 random bits."""

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` − 1, of any size."""


class Entropy:
    """The operating system's entropy. It has no seed and no state."""

    private = True

    def words(self, count: int) -> np.ndarray:
        """uint64 [count], each of 64 random bits."""
        return np.frombuffer(os.urandom(8 * count), dtype=np.uint64)

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` − 1, of any size."""
        return secrets.randbelow(limit)


class Seeded:
    """Numbers that a seed decides: for tests alone. Whatever is made with it says `NOT_PRIVATE`."""

    private = False

    def __init__(self, seed: int) -> None:
        self._words = np.random.default_rng(seed)
        self._below = random.Random(seed)

    def words(self, count: int) -> np.ndarray:
        """uint64 [count], each of 64 random bits."""
        return self._words.integers(0, 2**64, size=count, dtype=np.uint64)

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` − 1, of any size."""
        return self._below.randrange(limit)


def source_of(noise_seed: int | None) -> Noise:
    """The operating system's entropy, or for tests what `noise_seed` decides."""
    return Entropy() if noise_seed is None else Seeded(noise_seed)
