"""What keeps events elsewhere, as the outbox asks it, and as a compactor reads on from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

SECONDS = 2.0
"""Within which a sink must have answered"""


class Rows(NamedTuple):
    """What was written since a reader was last here."""

    told: list[dict[str, Any]]
    """Events and what was shown"""
    erased: list[str]
    """Digests of users who were deleted since"""
    until: dict[str, str]
    """Where it is now, by table"""
    more: bool
    """Whether there is more than was read at once"""


class Sink(ABC):
    """What keeps events elsewhere, asked by one thread at a time; methods raise `Away` where it is gone."""

    readable: ClassVar[bool] = False
    """Whether tables are made of what it keeps"""

    @abstractmethod
    def open(self) -> None:
        """Connect anew."""

    @abstractmethod
    def write(self, records: list[bytes]) -> None:
        """Return when all records are kept for good; an id that is there already stays as it is."""

    def forward(self, records: list[bytes]) -> None:
        """Write what waited on the disk."""
        self.write(records)

    def read(self, since: dict[str, str]) -> Rows:
        """All rows from a place on, a part of them where they are many; nothing where it is not read from."""
        return Rows([], [], since, False)

    def products(self, since: dict[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Products that any replica was told of from a place on, in one order for all; and where that ends."""
        return [], since

    @abstractmethod
    def forget(self, user: str) -> tuple[int, frozenset[str]]:
        """Delete a person's events; how many they were, and of which sessions."""

    def cut(self) -> None:  # noqa: B027
        """Let whoever waits for an answer wait no longer; called by another thread."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""
