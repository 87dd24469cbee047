"""A session at hand as a plan: the same past for each of several draws, so many events further."""

from __future__ import annotations

import numpy as np

from wareloom.errors import InputError
from wareloom.synthesis.behaviour._walk import Plan


def check_onward(past: np.ndarray, draws: int, length: int) -> None:
    """Raise `InputError` for a session of no event, for no draw, or for no length."""
    if not len(past) or draws < 1 or length < 1:
        raise InputError(
            f"Asked to go on {draws} times, {length} events each, after {len(past)}; give at least 1 of all."
        )


def onward(past: np.ndarray, draws: int, length: int, event: int) -> Plan:
    """A plan of `draws` users who all had `past` (int32 codes), as events of one kind, and have `length` more."""
    had = np.tile(np.asarray(past, dtype=np.int32), draws)
    return Plan(
        np.arange(draws + 1, dtype=np.int64) * length,
        np.arange(draws + 1, dtype=np.int64) * len(past),
        had,
        np.full(len(had), event, dtype=np.int8),
        np.empty(0, dtype=np.int32),
    )
