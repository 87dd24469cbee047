"""What a user is like in numbers: features by which synthetic users are told from real ones."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from wareloom.mixing._draw import in_head
from wareloom.shop import Log, Shop
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS

CATEGORIES = 16
"""Top categories are dealt into so many groups by a hash of their names."""
SECOND = 1_000_000
"""Microseconds."""


def category_groups(shop: Shop) -> np.ndarray | None:
    """Group of each item of the catalogue by its top category: int64 [items]; None where there are no categories."""
    if not shop.has("items", "category"):
        return None
    top = shop.table("items")["category"].list.first().fill_null("")
    names = top.unique(maintain_order=True)
    groups = [hashlib.blake2b(name.encode(), digest_size=8).digest()[0] % CATEGORIES for name in names]
    found: np.ndarray = top.replace_strict(names, pl.Series(groups, dtype=pl.Int64)).to_numpy()
    return found


def traits(log: Log, real: Log, groups: np.ndarray | None) -> np.ndarray:
    """Describe the users of `log`, each with at least one event: float64 [users, features].

    Log length, and its square; mean log popularity, and its square; share of items in the head, and of those unknown;
    share of repeats; mean log seconds between events, and sessions an event; shares of kinds of event and of groups of
    categories; share of steps from item to item that real users took, and how often on the average.
    Popularity and steps are those of the users of `real`. Where `log` is `real` itself a user's own events do not
    count, since else every real user would know its own steps, and no synthetic one all of its own.
    """
    size, own = log.lengths().astype(np.float64), log is real
    user, n = log.user.astype(np.int64), len(log.items)
    counts = real.counts()
    mine = _times_of_own(user * n + log.item)
    others = counts[log.item] - (mine if own else 0)
    popular = _mean(np.log1p(others), user, size)
    inner = np.flatnonzero(np.diff(user, prepend=-1) == 0)
    known = np.zeros(len(log))
    known[inner] = _known_steps(log, real, inner, own)
    steps = np.maximum(size - 1, 1)
    columns = [
        np.log(size),
        np.log(size) ** 2,
        popular,
        popular**2,
        _mean(in_head(counts)[log.item], user, size),
        _mean(others <= 0, user, size),
        1 - np.bincount(user, weights=1 / mine, minlength=len(size)) / size,
        *_pace(log, user, inner, steps),
        (1 + log.session[log.offsets[1:] - 1]) / size,
        _mean(known > 0, user, steps),
        _mean(np.log1p(known), user, steps),
    ]
    columns += [_mean(log.event == kind, user, size) for kind in range(len(EVENTS))]
    if groups is not None:
        columns += [_mean(groups[log.item] == group, user, size) for group in range(CATEGORIES)]
    return np.stack(columns, axis=1)


def _mean(values: np.ndarray, user: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Sum of `values` by user, divided by `size`."""
    found: np.ndarray = np.bincount(user, weights=values, minlength=len(size)) / size
    return found


def _times_of_own(key: np.ndarray) -> np.ndarray:
    """How often each key is there: int64 [keys]."""
    _, place, times = np.unique(key, return_inverse=True, return_counts=True)
    found: np.ndarray = times[place]
    return found


def _pace(log: Log, user: np.ndarray, inner: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean log seconds between a user's events, and its square; 0 where times are unknown."""
    gap = np.zeros(len(log))
    timed = inner[(log.time[inner] != NO_TIME) & (log.time[inner - 1] != NO_TIME)]
    gap[timed] = np.log1p((log.time[timed] - log.time[timed - 1]) / SECOND)
    pace = _mean(gap, user, steps)
    return pace, pace**2


def _known_steps(log: Log, real: Log, inner: np.ndarray, own: bool) -> np.ndarray:
    """How often real users, other than the user itself, took each step to an event `inner`: float64 [inner]."""
    n = len(log.items)
    key = log.item[inner - 1].astype(np.int64) * n + log.item[inner]
    if own:
        pairs = pl.DataFrame({"user": log.user[inner], "key": key})
        return (
            pairs.select((pl.len().over("key") - pl.len().over("user", "key")).cast(pl.Float64)).to_series().to_numpy()
        )
    after = np.flatnonzero(np.diff(real.user, prepend=-1) == 0)
    seen, times = np.unique(real.item[after - 1].astype(np.int64) * n + real.item[after], return_counts=True)
    if len(seen) == 0:
        return np.zeros(len(inner))
    place = np.minimum(np.searchsorted(seen, key), len(seen) - 1)
    return np.where(seen[place] == key, times[place], 0).astype(np.float64)
