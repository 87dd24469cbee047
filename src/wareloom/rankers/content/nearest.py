"""Each item's nearest items by the vectors of their texts, in blocks: the full matrix is never held."""

from __future__ import annotations

import numpy as np
from numba import get_num_threads, njit, prange
from scipy import sparse

from wareloom.core.top import top_k
from wareloom.rankers.neighbourhood import keep_best, to_table

BLOCK_BYTES = 64 << 20
"""Similarities of dense vectors are computed for so many items at a time that they take about this."""


MOST = 20_000
"""Entries of the columns of sparse vectors that are read for each row, beyond which common terms are looked up only
among what rarer ones have found: with real titles, catalogues of fifty thousand items are read almost whole."""
CLOSER = 4
"""Times as many rows as are kept in which the terms left out are looked up"""


def nearest(vectors: np.ndarray | sparse.csr_matrix, k: int, most: int = MOST) -> sparse.csr_matrix:
    """Keep the k highest positive dot products of each row with the others: float32 CSR [rows, rows], itself never.

    Sparse vectors are compared exactly where no more than `most` entries share a term with a row; in larger catalogues
    the rarest terms find what is compared, and the time is `rows` × `most` at most.
    """
    rows = vectors.shape[0]
    k = min(k, rows)
    if not isinstance(vectors, np.ndarray):
        columns = vectors.tocsc()
        parts = _products(
            (vectors.indptr, vectors.indices, vectors.data),
            (columns.indptr, columns.indices, columns.data),
            k,
            most,
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
def _products(rows, columns, k, most, chunks):  # type: ignore[no-untyped-def]
    """Build each row of the product of a matrix and its transpose in a buffer of its thread; keep the k best."""
    row_start = rows[0]
    n_rows = len(row_start) - 1
    count = np.zeros(n_rows, dtype=np.int64)
    found = np.zeros((n_rows, k), dtype=np.int32)
    values = np.zeros((n_rows, k), dtype=np.float32)
    for c in prange(chunks):
        sums, own = np.zeros(n_rows), np.zeros(len(columns[0]) - 1)
        touched = np.empty(n_rows, dtype=np.int32)
        for i in range(n_rows * c // chunks, n_rows * (c + 1) // chunks):
            n, whole = _add_up(i, rows, columns, most, sums, touched)
            if not whole:
                n = _keep_highest(sums, touched, n, CLOSER * k)
                _look_up(i, rows, sums, touched[:n], own)
            # Common words touch nearly all rows: what cannot be among the best must go before anything is sorted.
            n = _keep_highest(sums, touched, n, k)
            count[i] = keep_best(sums, touched[:n], k, found[i], values[i])
    return count, found, values


@njit(cache=True)
def _add_up(i, rows, columns, most, sums, touched):  # type: ignore[no-untyped-def]
    """Add up what row i shares with others, rarest terms first; returns how many it touched, and whether it was all.

    Once `most` entries of the terms' columns would be passed, the rest of the terms is left out; of a first term that
    passes it alone the stretch about row i itself is read.
    """
    row_start, row_term, row_value = rows
    term_start, term_row, term_value = columns
    terms = row_term[row_start[i] : row_start[i + 1]]
    length = term_start[terms + 1] - term_start[terms]
    n, left = 0, most
    for e in np.argsort(length) if length.sum() > most else np.arange(len(terms)):
        a, b = term_start[terms[e]], term_start[terms[e] + 1]
        if b - a > left:
            if left < most:
                return n, False
            here = a + np.searchsorted(term_row[a:b], i)
            a = min(max(a, here - most // 2), b - most)
            b = a + most
        left -= b - a
        value = row_value[row_start[i] + e]
        for f in range(a, b):
            j = term_row[f]
            if j == i:
                continue
            if sums[j] == 0.0:
                touched[n] = j
                n += 1
            sums[j] += value * term_value[f]
    return n, length.sum() <= most


@njit(cache=True)
def _keep_highest(sums, touched, n, k):  # type: ignore[no-untyped-def]
    """Zero the sums that cannot be among the k highest, and leave the others in front of `touched`: how many."""
    if n <= k:
        return n
    least = np.partition(sums[touched[:n]], n - k)[n - k]
    kept = 0
    for t in range(n):
        j = touched[t]
        if sums[j] >= least:
            touched[kept] = j
            kept += 1
        else:
            sums[j] = 0.0
    return kept


@njit(cache=True)
def _look_up(i, rows, sums, touched, own):  # type: ignore[no-untyped-def]
    """Set the sums of the rows `touched` to their whole product with row i; `own` is zeros, one for each term."""
    row_start, row_term, row_value = rows
    # Row i is laid out densely once; each product then reads the other row alone.
    for e in range(row_start[i], row_start[i + 1]):
        own[row_term[e]] = row_value[e]
    for j in touched:
        total = 0.0
        for e in range(row_start[j], row_start[j + 1]):
            total += own[row_term[e]] * row_value[e]
        sums[j] = total
    for e in range(row_start[i], row_start[i + 1]):
        own[row_term[e]] = 0.0
