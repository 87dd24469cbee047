"""What several users did: counts without what fewer did, and dates that are no single user's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from wareloom.shop import Log
from wareloom.shop.log import NO_TIME

WEEK = 7 * 86_400_000_000
PERIODS = (1, 4, 16, 64)
"""Weeks within which dates of an item are told apart, the shortest in which enough users chose it"""


def users_of(key: np.ndarray, user: np.ndarray) -> np.ndarray:
    """How many different users did what each row did: int64 [rows]; `key` says what, `user` who."""
    if len(key) == 0:
        return np.zeros(0, np.int64)
    _, code = np.unique(key, return_inverse=True)
    order = np.lexsort((user, code))
    code_, user_ = code[order], user[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (code_[1:] != code_[:-1]) | (user_[1:] != user_[:-1])
    found: np.ndarray = np.bincount(code_[new], minlength=int(code.max()) + 1)[code]
    return found


def shared_counts(log: Log, weight: np.ndarray, min_users: int) -> np.ndarray:
    """Weight of each item's events, float64 [items]; items of fewer users share what all of these have."""
    n = len(log.items)
    counts = np.bincount(log.item, weights=weight, minlength=n).astype(np.float64)
    if min_users < 2:
        return counts
    users = np.zeros(n, np.int64)
    users[log.item] = users_of(log.item, log.user)
    rare = users < min_users
    counts[rare] = counts[rare].mean() if rare.any() else 0.0
    return counts


def shared_pairs(
    counts: sparse.csr_matrix, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], min_users: int
) -> sparse.csr_matrix:
    """The entries of `counts` [items, items] that enough users made; `pairs`: from, to and user of each time."""
    if min_users < 2:
        return counts
    source, target, user = pairs
    n = counts.shape[0]
    key = source.astype(np.int64) * n + target
    kept = np.unique(key[users_of(key, user) >= min_users])
    mask = sparse.csr_matrix(
        (np.ones(len(kept), np.float32), (kept // n, kept % n)), shape=counts.shape
    )
    found = counts.multiply(mask).tocsr()
    found.sort_indices()
    return found


def pairs_within(log: Log, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Items up to `window` places apart, and whose they are: from, to, user."""
    source, target, whose, user = [], [], [], log.user
    for far in range(1, window + 1):
        later = np.arange(far, len(log.item))
        later = later[user[later] == user[later - far]]
        source.append(log.item[later - far])
        target.append(log.item[later])
        whose.append(user[later])
    return np.concatenate(source), np.concatenate(target), np.concatenate(whose)


def with_shared_dates(log: Log, min_users: int, rng: np.random.Generator) -> Log:
    """The log with other times: of each event one within the shortest period in which enough users chose its item.

    Where no period will do, that of any event. What is left of the log are counts of items by period.
    """
    there = np.flatnonzero(log.time != NO_TIME)
    if len(there) == 0:
        return log
    begin, time = int(log.time[there].min()), log.time.copy()
    span = int(log.time[there].max()) - begin + 1
    weeks, item, user = (log.time[there] - begin) // WEEK, log.item[there], log.user[there]
    left = np.ones(len(there), dtype=bool)
    drawn = np.zeros(len(there), np.int64)
    for period in (*PERIODS, int(weeks.max()) + 1):
        cell = weeks // period
        key = item.astype(np.int64) * (int(weeks.max()) + 2) + cell
        fits = left & (users_of(key, user) >= min_users)
        wide = period * WEEK
        low, high = cell * wide, np.minimum((cell + 1) * wide, span)
        at = (low + rng.random(len(there)) * (high - low)).astype(np.int64)
        drawn[fits] = at[fits]
        left &= ~fits
    weekly = (weeks * WEEK + (rng.random(len(there)) * WEEK).astype(np.int64)).clip(0, span - 1)
    drawn[left] = rng.permutation(weekly)[left]
    time[there] = begin + drawn
    return replace(log, time=time)


def shared_shapes(
    offsets: np.ndarray, shape: np.ndarray, min_users: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Session lengths of as many users, nobody's: (offsets int64 [users + 1], events a session int32).

    How many sessions a user has, and how long one is after one about as long, are drawn from counts; numbers of fewer
    than `min_users` users become one that enough have.
    """
    number = _common(np.diff(offsets), np.arange(len(offsets) - 1), min_users)
    user = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    size = _common(shape.astype(np.int64), user, min_users)
    first = np.zeros(len(size), dtype=bool)
    first[offsets[:-1]] = True
    group = np.where(first, 0, 1 + np.minimum(np.log2(np.roll(size, 1)), 10).astype(np.int64))
    many = np.minimum(np.log2(number), 7).astype(np.int64)[user]
    drawn = rng.choice(number, size=len(number))
    out = np.concatenate([[0], np.cumsum(drawn)]).astype(np.int64)
    made = np.zeros(out[-1], np.int64)
    of = np.minimum(np.log2(drawn), 7).astype(np.int64)
    pools = {(g, m): size[(group == g) & (many == m)] for g in range(12) for m in range(8)}
    for turn in range(int(drawn.max())):
        going = np.flatnonzero(drawn > turn)
        at = out[going] + turn
        before = np.zeros(len(going), np.int64)
        if turn:
            before = 1 + np.minimum(np.log2(made[at - 1]), 10).astype(np.int64)
        for g, m in np.unique(np.stack([before, of[going]], axis=1), axis=0):
            rows = (before == g) & (of[going] == m)
            pool = pools[(int(g), int(m))]
            made[at[rows]] = rng.choice(pool if len(pool) else size, size=int(rows.sum()))
    return out, made.astype(np.int32)


def _common(value: np.ndarray, user: np.ndarray, min_users: int) -> np.ndarray:
    """Values with each that fewer users have replaced by the nearest that enough have; all alike where none has."""
    often = users_of(value, user) >= min_users
    if often.all():
        return value
    if not often.any():
        return np.full_like(value, int(np.median(value)))
    known = np.unique(value[often])
    place = np.clip(np.searchsorted(known, value), 1, max(1, len(known) - 1))
    low, high = known[place - 1], known[np.minimum(place, len(known) - 1)]
    near = np.where(value - low <= high - value, low, high)
    return np.where(often, value, near)
