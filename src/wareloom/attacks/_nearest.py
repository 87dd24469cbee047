"""The nearest of other people by the items they have in common."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.shop import Log
from wareloom.shop.item_sets import distinct

FREQUENT = 5_000
"""People that have an item, above which it finds nobody: too many share it for it to tell"""


class Near(NamedTuple):
    """How similar the most similar and the second most similar of other people are, 0 to 1: float64 [users]."""

    best: np.ndarray
    second: np.ndarray


def nearest(mine: Log, among: Log, weight: np.ndarray) -> Near:
    """Weighted Jaccard similarity of users' items to those of the two nearest of `among`.

    `weight` [items]: what an item counts; where all are alike it is the plain similarity. Of items that more than
    `FREQUENT` people have, one that is shared counts with such people alone as share a rarer one.
    """
    own, theirs = _sets(mine), _sets(among)
    by_item = np.argsort(theirs[1], kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(theirs[1], minlength=len(weight)))])
    user = np.repeat(np.arange(len(among.users)), np.diff(theirs[0]))[by_item]
    total = np.bincount(
        np.repeat(np.arange(len(among.users)), np.diff(theirs[0])),
        weights=weight[theirs[1]],
        minlength=len(among.users),
    )
    found = _search(
        *own, start.astype(np.int64), user.astype(np.int64), total, weight, get_num_threads() * 8
    )
    return Near(*found)


def _sets(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """Distinct items of each user: (offsets int64 [users + 1], items int64)."""
    width = len(log.items)
    both = distinct(log.user.astype(np.int64) * width + log.item)
    offsets = np.searchsorted(both, np.arange(len(log.users) + 1, dtype=np.int64) * width)
    return offsets.astype(np.int64), both % width


@njit(cache=True, parallel=True)
def _search(offsets, item, start, user, total, weight, chunks):  # type: ignore[no-untyped-def]
    """Hold each user beside all that share a rare item; in chunks, each with sums of its own."""
    users = len(offsets) - 1
    best, second = np.zeros(users), np.zeros(users)
    for c in prange(chunks):
        shared, met = np.zeros(len(total)), np.empty(len(total), dtype=np.int64)
        for u in range(users * c // chunks, users * (c + 1) // chunks):
            number, own = 0, 0.0
            for rare in (True, False):
                for x in range(offsets[u], offsets[u + 1]):
                    i = item[x]
                    if (start[i + 1] - start[i] <= FREQUENT) != rare:
                        continue
                    own += weight[i]
                    for y in range(start[i], start[i + 1]):
                        v = user[y]
                        if shared[v] == 0.0:
                            if not rare:
                                continue
                            met[number] = v
                            number += 1
                        shared[v] += weight[i]
            for m in range(number):
                v = met[m]
                similar = shared[v] / (own + total[v] - shared[v])
                shared[v] = 0.0
                if similar > best[u]:
                    best[u], second[u] = similar, best[u]
                elif similar > second[u]:
                    second[u] = similar
    return best, second
