"""A history as a text that an encoder reads."""

from __future__ import annotations

from itertools import islice
from typing import Protocol

import numpy as np

HISTORY = "history: "
"""Begins the text of a request that looks for nothing in particular, so that it is told from a query."""


class Names(Protocol):
    """What items are called, by code."""

    def __getitem__(self, code: int, /) -> str:
        """The name of an item."""
        ...


def history_text(items: np.ndarray, names: Names, last: int) -> str:
    """The names of the `last` items, the latest first; items [events] in order of time. "" where none has a name."""
    named = (names[item] for item in items[::-1] if names[item].strip())
    found = list(islice(named, last))
    return HISTORY + "; ".join(found) if found else ""
