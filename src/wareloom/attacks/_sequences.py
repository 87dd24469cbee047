"""A sequence model of variable order: what comes next after the longest past that was seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from wareloom.shop.runs import run_codes


class Order(NamedTuple):
    """Pasts of one length, and what came after them."""

    past: np.ndarray
    """uint64, codes of pasts, rising"""
    times: np.ndarray
    """float64, how often each was followed by anything"""
    different: np.ndarray
    """float64, by how many different symbols"""
    both: np.ndarray
    """uint64, codes of pasts with what followed, rising"""
    counts: np.ndarray
    """float64, how often each"""


def learn(symbol: np.ndarray, offsets: np.ndarray, longest: int) -> list[Order]:
    """Count what follows each past of one to `longest` symbols, int64 [events], within a user."""
    return [_counted(past, both) for _, past, both in _pasts(symbol, offsets, longest)]


def _pasts(
    symbol: np.ndarray, offsets: np.ndarray, longest: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By length: (events that have such a past, codes of the pasts, codes with the event itself)."""
    place = np.arange(len(symbol)) - np.repeat(offsets[:-1], np.diff(offsets))
    for length in range(1, longest + 1):
        events = np.flatnonzero(place >= length)
        both = run_codes(symbol, offsets, length + 1)[events - length]
        past = run_codes(symbol, offsets, length)[events - length]
        yield events, past, both


def _counted(past: np.ndarray, both: np.ndarray) -> Order:
    values, first, counts = np.unique(both, return_index=True, return_counts=True)
    pasts, whose = np.unique(past[first], return_inverse=True)
    times = np.bincount(whose, weights=counts, minlength=len(pasts))
    different = np.bincount(whose, minlength=len(pasts)).astype(np.float64)
    return Order(pasts, times, different, values, counts.astype(np.float64))


def chances(
    symbol: np.ndarray, offsets: np.ndarray, model: list[Order], base: np.ndarray
) -> np.ndarray:
    """Probability of each event after its past, by interpolation from short pasts to long ones: float64 [events].

    After a past that was followed n times by t different symbols, one that followed c times has
    (c + t · p) / (n + t), p its probability after the past without its first symbol (Witten and Bell 1991). `base`
    [events]: probability without a look at the past.
    """
    chance = base.copy()
    for order, (events, past, both) in zip(model, _pasts(symbol, offsets, len(model)), strict=True):
        if len(order.both):
            times, place = _found(order.past, past)
            n, t = order.times[place], order.different[place]
            there, which = _found(order.both, both)
            c = np.where(there, order.counts[which], 0.0)
            chance[events] = np.where(times, (c + t * chance[events]) / (n + t), chance[events])
    return chance


def _found(known: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each is one of `known`, which rises, and where: bool, int64."""
    place = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return known[place] == asked, place
