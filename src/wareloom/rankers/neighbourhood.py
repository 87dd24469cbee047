"""Tables of each item's nearest items: kept small while they are built, summed over histories by compiled kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange
from scipy import sparse

from wareloom.rankers.history import Columns


class Neighbourhood(NamedTuple):
    """What a ranker adds up: rows of a table of items over a decayed history."""

    table: sparse.csr_matrix
    """float32 [items, items]"""
    decay: float
    """Factor for each step back in the history"""
    last: int
    """Events of the history that count, the latest ones; 0 takes all"""


@njit(cache=True)
def keep_best(sums, touched, k, columns, values):  # type: ignore[no-untyped-def]
    """Write the k highest of the `touched` entries of `sums` in the order of columns, zero all; return how many.

    Of equal ones at the edge the lowest columns stay. Entries are selected, not sorted: many more may be touched than
    are kept.
    """
    n = 0
    if len(touched) > k:
        chosen = sums[touched]
        edge = np.partition(chosen, len(chosen) - k)[len(chosen) - k]
        above = touched[chosen > edge]
        level = np.sort(touched[chosen == edge])[: k - len(above)]
        kept = np.sort(np.concatenate((above, level)))
    else:
        kept = np.sort(touched)
    for column in kept:
        if sums[column] > 0.0:
            columns[n] = column
            values[n] = sums[column]
            n += 1
    sums[touched] = 0.0
    return n


def highest(table: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """Return the table with the k highest entries of each row; of equal ones at the edge the lowest columns stay."""
    kept = _are_highest(table.indptr, table.data, k)
    offsets = np.concatenate([[0], np.cumsum(kept)])[table.indptr]
    return sparse.csr_matrix((table.data[kept], table.indices[kept], offsets), shape=table.shape)


@njit(cache=True)
def _are_highest(start, value, k):  # type: ignore[no-untyped-def]
    kept = np.ones(len(value), dtype=np.bool_)
    for r in range(len(start) - 1):
        a, b = start[r], start[r + 1]
        if b - a > k:
            row = value[a:b]
            edge = np.partition(row, b - a - k)[b - a - k]
            level = k - (row > edge).sum()
            for e in range(a, b):
                if value[e] == edge and level > 0:
                    level -= 1
                else:
                    kept[e] = value[e] > edge
    return kept


@njit(cache=True)
def put_in_order(score, code, scores, codes, filled):  # type: ignore[no-untyped-def]
    """Put a code in its place among the first `filled`, the highest scores first; return how many there are then.

    Of equal scores the one that was there first stays before the other.
    """
    if filled == len(codes) and score <= scores[filled - 1]:
        return filled
    at = filled if filled < len(codes) else len(codes) - 1
    while at > 0 and scores[at - 1] < score:
        scores[at], codes[at] = scores[at - 1], codes[at - 1]
        at -= 1
    scores[at], codes[at] = score, code
    return min(filled + 1, len(codes))


def to_table(parts: tuple[np.ndarray, np.ndarray, np.ndarray], items: int) -> sparse.csr_matrix:
    """Turn (count, columns, values), rows of `count` filled places, into an items × items float32 CSR matrix."""
    count, columns, values = parts
    filled = np.arange(columns.shape[1]) < count[:, None]
    offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    return sparse.csr_matrix((values[filled], columns[filled], offsets), shape=(items, items))


@njit(cache=True, parallel=True)
def _sum(offsets, items, weights, start, column, value, tail, chunks):  # type: ignore[no-untyped-def]
    """Add up rows of a table over each history, in a buffer of each thread; `tail` where nothing is added."""
    requests, width = len(offsets) - 1, len(tail)
    out = np.empty((requests, width), dtype=np.float32)
    for c in prange(chunks):
        # The buffer stays in the cache while the rows of the table are scattered into it; the answer is then written
        # once, in order. Adding up in `out` itself would miss the cache at every entry.
        sums = np.zeros(width, dtype=np.float32)
        for r in range(requests * c // chunks, requests * (c + 1) // chunks):
            for h in range(offsets[r], offsets[r + 1]):
                item, weight = items[h], weights[h]
                for e in range(start[item], start[item + 1]):
                    sums[column[e]] += weight * value[e]
            for i in range(width):
                out[r, i] = sums[i] if sums[i] > 0.0 else tail[i]
                sums[i] = 0.0
    return out


def sum_neighbours(history: Columns, table: sparse.csr_matrix, tail: np.ndarray) -> np.ndarray:
    """Sum the rows of `table` over each history; items that get nothing take `tail`. New float32 [requests, items]."""
    offsets, items, weights = history
    chunks = min(max(1, len(offsets) - 1), 4 * get_num_threads())
    rows = (table.indptr.astype(np.int64), table.indices, table.data)
    scores: np.ndarray = _sum(offsets, items, weights, *rows, np.ascontiguousarray(tail), chunks)
    return scores


@njit(cache=True, parallel=True)
def _product(offsets, items, weights, matrix):  # type: ignore[no-untyped-def]
    requests, width = len(offsets) - 1, matrix.shape[1]
    out = np.zeros((requests, width), dtype=np.float32)
    for r in prange(requests):
        for h in range(offsets[r], offsets[r + 1]):
            row = matrix[items[h]]
            weight = weights[h]
            for i in range(width):
                out[r, i] += weight * row[i]
    return out


def sum_rows(history: Columns, matrix: np.ndarray) -> np.ndarray:
    """Sum the rows of the dense float32 `matrix` over each history: new float32 [requests, columns]."""
    sums: np.ndarray = _product(*history, matrix)
    return sums
