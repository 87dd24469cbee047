"""Small tables of what was decided where, backed off from the narrower circumstance to the wider."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.synthesis.behaviour._walk import _next


class Seen(NamedTuple):
    """Where a walk through real users writes down what was decided, an entry an event."""

    context: np.ndarray
    """int32 [events]"""
    outcome: np.ndarray
    """int16 [events], -1 where nothing was to be decided"""


def nothing_seen(events: int) -> Seen:
    """Room for so many events."""
    return Seen(np.zeros(events, np.int32), np.full(events, -1, np.int16))


def table(
    seen: Seen,
    user: np.ndarray,
    weight: np.ndarray,
    sizes: tuple[int, ...],
    outcomes: int,
    min_users: int,
) -> np.ndarray:
    """Chances of outcomes in each circumstance, cumulative: float32 [product of sizes, outcomes].

    A circumstance is a number of several places, of `sizes`, the first of which tells most. With n the (weighted) times
    of an outcome, N those of all and T how many different ones there were, the chance is (n + T p) / (N + T) for the
    chance p without the last place (Witten and Bell 1991), and so on up to all events together, where nothing is added.
    What fewer than `min_users` users did in a circumstance is not counted there but left to p, and what so few did
    at all is never drawn. `user`, `weight`: of each event.
    """
    there = np.flatnonzero(seen.outcome >= 0)
    outcome, context = seen.outcome[there].astype(np.int64), seen.context[there].astype(np.int64)
    who, weighs = user[there].astype(np.int64), weight[there].astype(np.float64)
    chance = np.full((1, outcomes), 1.0 / outcomes)
    for level in range(len(sizes) + 1):
        rest = int(np.prod(sizes[level:], dtype=np.int64))
        rows = int(np.prod(sizes[:level], dtype=np.int64))
        cell = (context // rest) * outcomes + outcome
        total, kept = _counted(cell, who, weighs, rows * outcomes, min_users)
        total, kept = total.reshape(rows, outcomes), kept.reshape(rows, outcomes)
        if level == 0:
            if kept.sum() > 0:
                chance = kept / kept.sum()
            continue
        different = (total > 0).sum(axis=1, keepdims=True)
        wider = np.repeat(chance, sizes[level - 1], axis=0)
        left = total.sum(axis=1, keepdims=True) - kept.sum(axis=1, keepdims=True) + different
        all_ = kept.sum(axis=1, keepdims=True) + left
        chance = np.where(all_ > 0, (kept + left * wider) / np.maximum(all_, 1e-12), wider)
    return np.cumsum(chance, axis=1).astype(np.float32)


def _counted(
    cell: np.ndarray, who: np.ndarray, weighs: np.ndarray, cells: int, min_users: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weight by cell, and the same without the cells of fewer than `min_users` users: float64 [cells] each."""
    total = np.bincount(cell, weights=weighs, minlength=cells)
    if min_users < 2 or len(cell) == 0:
        return total, total
    # Users come one after the other, so that each pair of cell and user is one stretch once cells are sorted.
    order = np.argsort(cell, kind="stable")
    cell, who = cell[order], who[order]
    new = np.ones(len(cell), dtype=bool)
    new[1:] = (cell[1:] != cell[:-1]) | (who[1:] != who[:-1])
    users = np.bincount(cell[new], minlength=cells)
    return total, np.where(users >= min_users, total, 0.0)


@njit(inline="always")
def decided(chances, seen, event, context, known, state):  # type: ignore[no-untyped-def]
    """What is decided at an event: what is `known` of a real user, written down, or else a draw."""
    if known >= 0:
        seen.context[event] = context
        seen.outcome[event] = known
        return known
    row = chances[context]
    u = _next(state) * row[-1]
    last = len(row) - 1
    for outcome in range(last):
        if u < row[outcome]:
            return outcome
    return last
