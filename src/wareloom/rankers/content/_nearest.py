"""Each item's nearest items by the vectors of their texts, in blocks: the full matrix is never held."""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange
from scipy import sparse

from wareloom.rankers._neighbours import keep_best, to_table
from wareloom.rankers._top import top_k

BLOCK_BYTES = 64 << 20
"""Similarities of dense vectors are computed for so many items at a time that they take about this."""


def nearest(vectors: np.ndarray | sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """Keep the k highest positive dot products of each row with the others: float32 CSR [rows, rows], itself never."""
    rows = vectors.shape[0]
    k = min(k, rows)
    if not isinstance(vectors, np.ndarray):
        columns = vectors.tocsc()
        parts = _products(
            (vectors.indptr, vectors.indices, vectors.data),
            (columns.indptr, columns.indices, columns.data),
            k,
            min(rows, 8 * get_num_threads()),
        )
    else:
        parts = _dense(np.ascontiguousarray(vectors, dtype=np.float32), k)
    return to_table(parts, rows)


def nearest_among(
    vectors: np.ndarray | sparse.csr_matrix, others: np.ndarray | sparse.csr_matrix, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each row's k highest dot products with the rows of `others`, best first: (codes int32, float32) [rows, k]."""
    rows, columns = vectors.shape[0], others.shape[0]
    k = min(k, columns)
    code, value = np.zeros((rows, k), dtype=np.int32), np.zeros((rows, k), dtype=np.float32)
    size = max(1, BLOCK_BYTES // (4 * columns))
    for start in range(0, rows, size):
        block = vectors[start : start + size] @ others.T
        block = block if isinstance(block, np.ndarray) else block.toarray()
        code[start : start + size] = best = top_k(block, k)
        value[start : start + size] = np.take_along_axis(block, best, axis=1)
    return code, value


def _dense(vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = len(vectors)
    count = np.zeros(rows, dtype=np.int64)
    columns = np.zeros((rows, k), dtype=np.int32)
    values = np.zeros((rows, k), dtype=np.float32)
    size = max(1, BLOCK_BYTES // (4 * rows))
    for start in range(0, rows, size):
        block = vectors[start : start + size] @ vectors.T
        place = np.arange(len(block))
        block[place, start + place] = -np.inf
        best = np.sort(top_k(block, k), axis=1)
        value = np.take_along_axis(block, best, axis=1)
        first = np.argsort(value <= 0, axis=1, kind="stable")
        count[start : start + size] = (value > 0).sum(axis=1)
        columns[start : start + size] = np.take_along_axis(best, first, axis=1)
        values[start : start + size] = np.take_along_axis(value, first, axis=1)
    return count, columns, values


@njit(cache=True, parallel=True)
def _products(rows, columns, k, chunks):  # type: ignore[no-untyped-def]
    """Build each row of the product of a matrix and its transpose in a buffer of its thread; keep the k best."""
    row_start, row_term, row_value = rows
    term_start, term_row, term_value = columns
    n_rows = len(row_start) - 1
    count = np.zeros(n_rows, dtype=np.int64)
    found = np.zeros((n_rows, k), dtype=np.int32)
    values = np.zeros((n_rows, k), dtype=np.float32)
    for c in prange(chunks):
        sums = np.zeros(n_rows)
        touched = np.empty(n_rows, dtype=np.int32)
        for i in range(n_rows * c // chunks, n_rows * (c + 1) // chunks):
            n = 0
            for e in range(row_start[i], row_start[i + 1]):
                term, value = row_term[e], row_value[e]
                for f in range(term_start[term], term_start[term + 1]):
                    j = term_row[f]
                    if j == i:
                        continue
                    if sums[j] == 0.0:
                        touched[n] = j
                        n += 1
                    sums[j] += value * term_value[f]
            if n > k:
                # Common words touch nearly all rows: what cannot be among the best must go before anything is sorted.
                least = np.partition(sums[touched[:n]], n - k)[n - k]
                near = 0
                for t in range(n):
                    j = touched[t]
                    if sums[j] >= least:
                        touched[near] = j
                        near += 1
                    else:
                        sums[j] = 0.0
                n = near
            count[i] = keep_best(sums, touched[:n], k, found[i], values[i])
    return count, found, values
