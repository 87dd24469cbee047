"""Sets of items by user, and how near each is to the nearest of others: exact duplicates and near ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.shop.runs import whole_codes

MOST_SEEN = 5_000
"""Entries of the index that are looked at for one user, those of its rarest items first."""


class Sets(NamedTuple):
    """The distinct items of each user, the rarest first."""

    offsets: np.ndarray
    """int64 [users + 1]"""
    item: np.ndarray
    """int32, ranks: 0 is the item that fewest have; ranks from `items` on are of items that nobody else knows"""
    items: int
    """Items that are known"""

    def sizes(self) -> np.ndarray:
        """Distinct items of each user, int64 [users]."""
        return np.diff(self.offsets)


class Index(NamedTuple):
    """Which users have an item among their rarest."""

    start: np.ndarray
    """int64 [items + 1], places in `entries`"""
    entries: np.ndarray
    """int32 [entries, 3]: the user, how many distinct items it has, and the item's place among these"""


def sets(
    user: np.ndarray, item: np.ndarray, users: int, rank: np.ndarray, strange: np.ndarray
) -> Sets:
    """Sort each user's distinct items by rarity.

    `item`: codes, -1 for one that `rank` lacks, whose own code in `strange` (≥ 0) then tells it from others.
    """
    known = item >= 0
    place = np.where(known, rank[item] if len(rank) else 0, len(rank) + strange).astype(np.int64)
    width = int(place.max(initial=0)) + 1
    both = distinct(user.astype(np.int64) * width + place)
    offsets = np.searchsorted(both, np.arange(users + 1, dtype=np.int64) * width).astype(np.int64)
    return Sets(offsets, (both % width).astype(np.int32), len(rank))


def rarity(user: np.ndarray, item: np.ndarray, items: int) -> np.ndarray:
    """Rank of each of so many items by how many users have it, the rarest 0: int64 [items]; an entry an event."""
    having = distinct(user.astype(np.int64) * items + item) % max(1, items)
    rank = np.empty(items, dtype=np.int64)
    rank[np.argsort(np.bincount(having, minlength=items), kind="stable")] = np.arange(items)
    return rank


def occurrence(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """How often the user of each event had its item before: int64 [events].

    Items told apart by it are sets again: two multisets share as many entries as such sets share items.
    """
    order = np.lexsort((item, user))
    same = (np.diff(user[order], prepend=-1) == 0) & (np.diff(item[order], prepend=-1) == 0)
    place = np.arange(len(order))
    before = np.empty(len(order), dtype=np.int64)
    before[order] = place - np.maximum.accumulate(np.where(same, 0, place))
    return before


def nearest(mine: Sets, among: Sets, least: float, own: np.ndarray | None = None) -> np.ndarray:
    """Return the greatest Jaccard similarity of each user's items to those of a user of `among`: float64 [users].

    0 where it is below `least`. `own`: places in `among` of the users themselves, int64 [users]; each is then held
    beside all others. Two sets of similarity t share one of the (1 - t) · size + 1 rarest items of each, so that an
    index over these finds all (Chaudhuri, Ganti and Kaushik 2006); of more than `MOST_SEEN` that do, the first are
    looked at. Equal sets are always found.
    """
    code, theirs = whole_codes(mine.item, mine.offsets), whole_codes(among.item, among.offsets)
    values, counts = np.unique(theirs, return_counts=True)
    equal = np.isin(code, values if own is None else values[counts > 1]) & (mine.sizes() > 0)
    index, chunks = _index(among, least), get_num_threads() * 8
    itself = np.full(len(code), -1, dtype=np.int64) if own is None else own
    return _search(mine, among, index, equal, least, itself, chunks)


def _index(among: Sets, least: float) -> Index:
    """An index over so many of each user's rarest items that two sets of similarity `least` share one of them."""
    sizes = among.sizes()
    first = np.where(sizes > 0, sizes - np.ceil(least * sizes - 1e-9).astype(np.int64) + 1, 0)
    place = np.arange(len(among.item)) - np.repeat(among.offsets[:-1], sizes)
    taken = place < np.repeat(first, sizes)
    user, item = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)[taken], among.item[taken]
    order = np.argsort(item, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=among.items))]).astype(
        np.int64
    )
    entries = np.stack([user, sizes[user].astype(np.int32), place[taken].astype(np.int32)], axis=1)
    return Index(start, np.ascontiguousarray(entries[order]))


@njit(cache=True, parallel=True)
def _search(mine, among, index, equal, least, own, chunks):  # type: ignore[no-untyped-def]
    """Search for each user; in chunks, each with a memory of its own of whom it has looked at."""
    users, found = len(mine.offsets) - 1, np.zeros(len(mine.offsets) - 1)
    for c in prange(chunks):
        met = np.full(len(among.offsets) - 1, -1, dtype=np.int32)
        for u in range(users * c // chunks, users * (c + 1) // chunks):
            found[u] = 1.0 if equal[u] else _one(u, mine, among, index, met, least, own[u])
    return found


@njit(cache=True)
def _one(u, mine, among, index, met, least, own):  # type: ignore[no-untyped-def]
    """Greatest similarity of one user that is no equal set; `met` says by whom a user was looked at last.

    Rare items first: few have them, and who shares none of the rarest ones cannot come near. The better the best so
    far, the fewer are left to be looked at.
    """
    items = mine.item[mine.offsets[u] : mine.offsets[u + 1]]
    size, best, seen = len(items), 0.0, 0
    for p in range(size):
        bound = (size - p) / size
        if bound <= best or bound < least or seen >= MOST_SEEN or items[p] >= len(index.start) - 1:
            break
        for x in range(index.start[items[p]], index.start[items[p] + 1]):
            seen += 1
            if seen > MOST_SEEN:
                break
            v, others, q = index.entries[x, 0], index.entries[x, 1], index.entries[x, 2]
            asked = max(least, best)
            # Where this is the first they share, what both can still share is what stands behind it in either.
            if min(size - p, others - q) < asked / (1.0 + asked) * (size + others) - 1e-9:
                continue
            if met[v] == u or v == own:
                continue
            met[v] = u
            theirs = among.item[among.offsets[v] : among.offsets[v + 1]]
            best = max(best, _jaccard(items, theirs, asked))
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


def distinct(values: np.ndarray) -> np.ndarray:
    """The different values, sorted; sorting is faster than hashing where nearly all are different."""
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first]
