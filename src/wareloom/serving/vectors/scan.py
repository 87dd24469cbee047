"""Compiled loops of vector search: exact, though most of what is read are vectors of eight bits.

A vector v is kept as s × b, b of int8, and beside it how far that is from v, e = |v - s b|. What q · (s b) says of an
item is then wrong by |q| e at most. Items whose highest possible score is below the k-th best of the lowest possible
cannot be among the k best; the others, few, are scored again in 32 bits. So a quarter of the memory is read, and the
answer is that of reading all of it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wareloom.core.top import best_of_row, buffers

QUICK = {"reassoc", "contract"}
"""Sums may be taken in any order, so that they are taken by vector instructions"""


@njit(cache=True, nogil=True, fastmath=QUICK)
def _low(query, length, table, row):  # type: ignore[no-untyped-def]
    """The least that the score of a row can be."""
    small, scale, slack = table
    total = np.float32(0.0)
    one = small[row]
    for d in range(len(query)):
        total += query[d] * np.float32(one[d])
    return total * scale[row] - length * slack[row]


@njit(cache=True, nogil=True, fastmath=QUICK)
def dot(query, row):  # type: ignore[no-untyped-def]
    """Inner product of two float32 vectors."""
    total = np.float32(0.0)
    for d in range(len(query)):
        total += query[d] * row[d]
    return total


@njit(cache=True, nogil=True)
def open_codes(barred, had):  # type: ignore[no-untyped-def]
    """Codes that are neither barred (uint8 [items]) nor among `had`, in order: int32."""
    n = 0
    for code in range(len(barred)):
        n += barred[code] == 0
    found = np.empty(n, dtype=np.int32)
    n = 0
    for code in range(len(barred)):
        if barred[code] == 0:
            found[n] = code
            n += 1
    if len(had):
        kept = 0
        for at in range(n):
            out = False
            for code in had:
                out |= code == found[at]
            if not out:
                found[kept] = found[at]
                kept += 1
        n = kept
    return found[:n]


@njit(cache=True, nogil=True)
def best_exact(query, length, vectors, table, codes, had, k, sizes):  # type: ignore[no-untyped-def]
    """The k best rows for a query, of `codes` or, where that is None, of all but `had`: codes int32, scores float32.

    `length` is that of the query; `sizes` are those of `core.top` for as many columns as there are rows.
    """
    slack = table[2]
    low = np.empty(len(vectors) if codes is None else len(codes), dtype=np.float32)
    if codes is None:
        for row in range(len(low)):
            low[row] = _low(query, length, table, row)
        for code in had:
            low[code] = -np.inf
    else:
        for place in range(len(low)):
            low[place] = _low(query, length, table, codes[place])
    tie = np.arange(len(low), dtype=np.int32)
    best = np.empty(k, dtype=np.int32)
    best_of_row(low, tie, buffers(sizes, k), best)
    # Fewer than k are left where one is -1: then all that are left are wanted.
    bar = low[best[k - 1]] if k and best[k - 1] >= 0 else -np.inf
    n = 0
    for place in range(len(low)):
        row = place if codes is None else codes[place]
        if low[place] > -np.inf and low[place] + np.float32(2.0) * length * slack[row] >= bar:
            tie[n] = row
            n += 1
    return rescored(query, vectors, tie[:n], k)


@njit(cache=True, nogil=True)
def rescored(query, vectors, rows, k):  # type: ignore[no-untyped-def]
    """The k best of some rows, which are in order, by their vectors in 32 bits; equal scores by code."""
    score = np.empty(len(rows), dtype=np.float32)
    for at in range(len(rows)):
        score[at] = dot(query, vectors[rows[at]])
    width = min(k, len(rows))
    best = np.empty(width, dtype=np.int32)
    best_of_row(score, np.arange(len(rows), dtype=np.int32), buffers((0, 0), width), best)
    return rows[best], score[best]
