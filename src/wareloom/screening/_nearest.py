"""How near each user is to a user of another shop: sets of items, and runs of items in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import get_num_threads, njit, prange

from wareloom.shop import Log
from wareloom.shop.runs import run_codes, whole_codes

MOST_CHECKED = 2_000
"""Users that are looked at for one user; those that share its rarest items come first."""
LONGEST_RUN = 20
"""Runs are told apart up to this length."""


@dataclass(frozen=True)
class Sets:
    """The distinct items of each user, the rarest first."""

    offsets: np.ndarray
    """int64 [users + 1]"""
    item: np.ndarray
    """int32, ranks: 0 is the item that fewest have; ranks from `items` on are of items that nobody else knows"""
    items: int

    def sizes(self) -> np.ndarray:
        """Distinct items of each user, int64 [users]."""
        return np.diff(self.offsets)


def sets(user: np.ndarray, item: np.ndarray, users: int, rank: np.ndarray, strange: np.ndarray) -> Sets:
    """Sort each user's distinct items by rarity.

    `item`: codes, -1 for one that `rank` lacks, whose own code in `strange` (≥ 0) then tells it from others.
    """
    known = item >= 0
    place = np.where(known, rank[item] if len(rank) else 0, len(rank) + strange).astype(np.int64)
    width = int(place.max(initial=0)) + 1
    both = np.unique(user.astype(np.int64) * width + place)
    offsets = np.searchsorted(both, np.arange(users + 1, dtype=np.int64) * width).astype(np.int64)
    return Sets(offsets, (both % width).astype(np.int32), len(rank))


def rarity(log: Log) -> np.ndarray:
    """Rank of each item by how many users have it, the rarest 0: int64 [items]."""
    n = len(log.items)
    having = np.bincount(np.unique(log.user.astype(np.int64) * n + log.item) % max(1, n), minlength=n)
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(having, kind="stable")] = np.arange(n)
    return rank


def nearest(mine: Sets, among: Sets, least: float, *, own: bool) -> np.ndarray:
    """Return the greatest Jaccard similarity of each user's items to those of a user of `among`: float64 [users].

    0 where it is below `least`. `own`: the two are the same users, and each is held beside all others. Two sets of
    similarity t share one of the (1 - t) · size + 1 rarest items of each, so that an index over these finds all
    (Chaudhuri, Ganti and Kaushik 2006); where more than `MOST_CHECKED` share one, the first are looked at. Equal sets
    are always found.
    """
    code, theirs = whole_codes(mine.item, mine.offsets), whole_codes(among.item, among.offsets)
    values, counts = np.unique(theirs, return_counts=True)
    equal = np.isin(code, values[counts > 1] if own else values) & (mine.sizes() > 0)
    index, chunks = _index(among, least), get_num_threads() * 8
    return _search((mine.offsets, mine.item), (among.offsets, among.item), index, equal, (least, own), chunks)


def _index(among: Sets, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Which users have an item among their rarest: starts int64 [items + 1], users int32."""
    sizes = among.sizes()
    first = np.where(sizes > 0, sizes - np.ceil(least * sizes - 1e-9).astype(np.int64) + 1, 0)
    place = np.arange(len(among.item)) - np.repeat(among.offsets[:-1], sizes)
    taken = place < np.repeat(first, sizes)
    user, item = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[taken], among.item[taken]
    order = np.argsort(item, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=among.items))]).astype(np.int64)
    return start, user[order]


@njit(cache=True, parallel=True)
def _search(
    mine: tuple[np.ndarray, np.ndarray],
    among: tuple[np.ndarray, np.ndarray],
    index: tuple[np.ndarray, np.ndarray],
    equal: np.ndarray,
    how: tuple[float, bool],
    chunks: int,
) -> np.ndarray:
    users, found = len(mine[0]) - 1, np.zeros(len(mine[0]) - 1)
    for c in prange(chunks):
        met = np.full(len(among[0]) - 1, -1, dtype=np.int32)
        for u in range(users * c // chunks, users * (c + 1) // chunks):
            found[u] = 1.0 if equal[u] else _one(u, mine, among, index, met, how)
    return found


@njit(cache=True)
def _one(
    u: int,
    mine: tuple[np.ndarray, np.ndarray],
    among: tuple[np.ndarray, np.ndarray],
    index: tuple[np.ndarray, np.ndarray],
    met: np.ndarray,
    how: tuple[float, bool],
) -> float:
    """Greatest similarity of one user that is no equal set; `met` says by whom a user was looked at last."""
    items = mine[1][mine[0][u] : mine[0][u + 1]]
    size, best, checked = len(items), 0.0, 0
    for p in range(size):
        bound = (size - p) / size
        if bound <= best or bound < how[0] or checked >= MOST_CHECKED or items[p] >= len(index[0]) - 1:
            break
        for x in range(index[0][items[p]], index[0][items[p] + 1]):
            v = index[1][x]
            if met[v] == u or (how[1] and v == u):
                continue
            met[v] = u
            theirs = among[1][among[0][v] : among[0][v + 1]]
            least = max(how[0], best)
            if min(size, len(theirs)) < least * max(size, len(theirs)):
                continue
            checked += 1
            value = _jaccard(items, theirs, least)
            best = max(best, value)
            if checked >= MOST_CHECKED:
                break
    return best


@njit(cache=True)
def _jaccard(a: np.ndarray, b: np.ndarray, least: float) -> float:
    """Similarity of two sorted sets, 0 as soon as it must stay below `least`."""
    need = least / (1.0 + least) * (len(a) + len(b)) - 1e-9
    i, j, both = 0, 0, 0
    while i < len(a) and j < len(b):
        if both + min(len(a) - i, len(b) - j) < need:
            return 0.0
        if a[i] == b[j]:
            both, i, j = both + 1, i + 1, j + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return both / (len(a) + len(b) - both) if both >= need else 0.0


def longest_runs(item: np.ndarray, offsets: np.ndarray, log: Log, least: int, *, own: bool) -> np.ndarray:
    """Return how many items in a row each user shares, in order, with a user of `log` at most: int64 [users].

    0 where there are fewer than `least`, and `LONGEST_RUN` where there are more. `own`: as in `nearest`.
    """
    users = len(offsets) - 1
    longest = np.zeros(users, dtype=np.int64)
    user = np.repeat(np.arange(users), np.diff(offsets))
    theirs_user = log.user
    for length in range(least, LONGEST_RUN + 1):
        theirs = pl.DataFrame({"code": run_codes(log.item, log.offsets, length), "user": theirs_user})
        having = theirs.filter(pl.col("code") != 0).unique().group_by("code").len()
        known = having.filter(pl.col("len") > (1 if own else 0))["code"].to_numpy()
        codes = run_codes(item, offsets, length)
        still = np.flatnonzero((codes != 0) & ((length == least) | (longest[user] == length - 1)))
        shared = np.unique(user[still[np.isin(codes[still], known)]])
        if not len(shared):
            break
        longest[shared] = length
    return longest
