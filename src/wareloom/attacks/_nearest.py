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


Sets = tuple[np.ndarray, np.ndarray, int]
"""The user of each entry and its item, int64, each pair once and users rising; and how many users there are"""


def nearest(mine: Log, among: Log, weight: np.ndarray) -> Near:
    """How similar the items of users are to those of the nearest of `among`, see `nearest_sets`."""
    return nearest_sets(_sets(mine), _sets(among), weight)


def nearest_sets(mine: Sets, among: Sets, weight: np.ndarray) -> Near:
    """Weighted Jaccard similarity of sets of items to the two nearest of `among`.

    `weight` [items]: what an item counts, above 0; where all are alike it is the plain similarity. Of items that more
    than `FREQUENT` people have, one that is shared counts with such people alone as share a rarer one.
    """
    user, item, users = among
    by_item = np.argsort(item, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=len(weight)))])
    total = np.bincount(user, weights=weight[item], minlength=users)
    offsets = np.searchsorted(mine[0], np.arange(mine[2] + 1))
    found = _search(
        offsets.astype(np.int64),
        mine[1],
        start.astype(np.int64),
        user[by_item],
        total,
        weight,
        get_num_threads() * 8,
    )
    return Near(*found)


def _sets(log: Log) -> Sets:
    """Distinct items of each user."""
    width = len(log.items)
    both = distinct(log.user.astype(np.int64) * width + log.item)
    return both // width, both % width, len(log.users)


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
