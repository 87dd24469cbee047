"""Slices of a catalogue by popularity: each has as many events as the others, the first the most popular items."""

from __future__ import annotations

import numpy as np

NAMED = {1: ("all",), 2: ("head", "tail"), 3: ("head", "middle", "tail")}


def slices_of(counts: np.ndarray, parts: int) -> np.ndarray:
    """Return the slice of each item, int64 [items]: 0 the head, `parts` - 1 the tail and items without events.

    `counts`: events by item. An item belongs where its first event lies when all are laid out by falling popularity.
    """
    order = np.argsort(-counts, kind="stable")
    total = max(1.0, counts.sum())
    place = np.empty(len(order))
    place[order] = np.cumsum(counts[order]) / total - counts[order] / total
    found = np.searchsorted(np.arange(1, parts) / parts, place, side="right")
    found[counts <= 0] = parts - 1
    return found.astype(np.int64)


def slice_names(parts: int) -> tuple[str, ...]:
    """Return what the slices are called, from the head to the tail."""
    return NAMED.get(parts) or (
        "head",
        *(f"middle {place}" for place in range(1, parts - 1)),
        "tail",
    )
