"""Batches of histories of like length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def windows(offsets: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (starts, lengths) of the last `length` events of each user, int64 [users]."""
    sizes = np.minimum(np.diff(offsets), length)
    return offsets[1:] - sizes, sizes


def padded(values: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Lay histories out from the left: [users, longest, …] of the values [events, …], 0 behind the last."""
    width = int(sizes.max(initial=0))
    place = np.arange(width)
    there = place < sizes[:, None]
    out = np.zeros((len(sizes), width, *values.shape[1:]), dtype=values.dtype)
    out[there] = values[(starts[:, None] + place)[there]]
    return out


def bucketed(sizes: np.ndarray, tokens: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield users in batches of about `tokens` events, padding included; batches and ties of length in random order."""
    order = rng.permutation(len(sizes))
    order = order[np.argsort(sizes[order], kind="stable")]
    batches, start = [], 0
    while start < len(order):
        room = max(1, tokens // max(1, int(sizes[order[min(start + 1, len(order) - 1)]])))
        stop = min(len(order), start + room)
        while stop > start + 1 and (stop - start) * int(sizes[order[stop - 1]]) > tokens:
            stop -= max(1, (stop - start) // 8)
        batches.append(order[start : max(stop, start + 1)])
        start = max(stop, start + 1)
    for place in rng.permutation(len(batches)):
        yield batches[place]
