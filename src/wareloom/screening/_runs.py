"""How many items in a row each user shares with a user of another shop."""

from __future__ import annotations

import numpy as np

from wareloom.shop import Log
from wareloom.shop.item_sets import distinct
from wareloom.shop.runs import run_codes

LONGEST_RUN = 20
"""Runs are told apart up to this length."""


def longest_runs(
    item: np.ndarray, offsets: np.ndarray, log: Log, least: int, *, own: bool
) -> np.ndarray:
    """Return how many items in a row each user shares, in order, with a user of `log` at most: int64 [users].

    0 where there are fewer than `least`, and `LONGEST_RUN` where there are more. `own`: the two are the same users, and
    each is held beside all others.
    """
    users = len(offsets) - 1
    longest = np.zeros(users, dtype=np.int64)
    user = np.repeat(np.arange(users), np.diff(offsets))
    theirs_user = log.user
    for length in range(least, LONGEST_RUN + 1):
        theirs = run_codes(log.item, log.offsets, length)
        known = (
            _shared(theirs[theirs != 0], theirs_user[theirs != 0])
            if own
            else distinct(theirs[theirs != 0])
        )
        codes = run_codes(item, offsets, length)
        still = np.flatnonzero((codes != 0) & ((length == least) | (longest[user] == length - 1)))
        shared = distinct(user[still[_among(codes[still], known)]])
        if not len(shared):
            break
        longest[shared] = length
    return longest


def _shared(codes: np.ndarray, user: np.ndarray) -> np.ndarray:
    """The codes that two different users have, sorted; `user` never falls."""
    order = np.argsort(codes, kind="stable")
    code, whose = codes[order], user[order]
    return distinct(code[1:][(code[1:] == code[:-1]) & (whose[1:] != whose[:-1])])


def _among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Whether each value is one of `known`, which is sorted: bool."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    found: np.ndarray = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found
