"""Compiled loops of one request: what a history or a query touches is added up, and the best of it kept in order.

The room that they need lasts from request to request; nothing of the catalogue's size is made anew.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wareloom.core.top import best_of_row, buffers, insert

TOUCHED, HAD = 1, 2
"""Marks of an item while a request is answered: something was added; it was in the history"""


@njit(cache=True)
def add_rows(rows, weights, table, sums, mark, touched):  # type: ignore[no-untyped-def]
    """Add up rows of a table, `start`, `column` and `value`, times their weights; returns how many are `touched`."""
    start, column, value = table
    n = 0
    for h in range(len(rows)):
        weight = weights[h]
        for e in range(start[rows[h]], start[rows[h] + 1]):
            j = column[e]
            if mark[j] == 0:
                mark[j] = TOUCHED
                touched[n] = j
                n += 1
            sums[j] += weight * value[e]
    return n


@njit(cache=True)
def best_of_rows(rows, weights, table, rest, had, barred, room, found):  # type: ignore[no-untyped-def]
    """Fill `found`, codes and scores, with the highest sums of rows, then with `rest`; returns how many were filled.

    Of equal sums that with the lower `tie`, the third of `found`, comes first.
    `rest`: scores of items that get nothing, all below any sum above 0, and the items in the order of these scores.
    `had`: items that are left out; `barred`: uint8 [items], 1 for others that are, or empty.
    """
    sums, mark, touched = room
    tail, order = rest
    best, value, tie = found
    n = add_rows(rows, weights, table, sums, mark, touched)
    for h in range(len(had)):
        if mark[had[h]] == 0:
            touched[n] = had[h]
            n += 1
        mark[had[h]] = HAD
    shut, filled = len(barred) > 0, 0
    for t in range(n):
        j = touched[t]
        if mark[j] == TOUCHED and sums[j] > 0.0 and not (shut and barred[j]):
            filled = insert(sums[j], j, tie, best, value, filled)
    for j in order:
        if filled == len(best):
            break
        free = mark[j] == 0 or (mark[j] == TOUCHED and not sums[j] > 0.0)
        if free and not (shut and barred[j]):
            best[filled], value[filled] = j, tail[j]
            filled += 1
    for t in range(n):
        sums[touched[t]] = 0.0
        mark[touched[t]] = 0
    return filled


@njit(cache=True)
def scores_of_rows(rows, weights, table, tail, room, out):  # type: ignore[no-untyped-def]
    """Write the sums of rows into `out`, `tail` where there is nothing above 0."""
    sums, mark, touched = room
    n = add_rows(rows, weights, table, sums, mark, touched)
    out[:] = tail
    for t in range(n):
        j = touched[t]
        if sums[j] > 0.0:
            out[j] = sums[j]
        sums[j] = 0.0
        mark[j] = 0


@njit(cache=True)
def add_member(rows, weights, table, factor, room, total, told):  # type: ignore[no-untyped-def]
    """Add `factor` times the sums of rows that are above 0 to `total`, and mark in `told` where there were some."""
    sums, mark, touched = room
    n = add_rows(rows, weights, table, sums, mark, touched)
    for t in range(n):
        j = touched[t]
        if sums[j] > 0.0:
            total[j] += factor * sums[j]
            told[j] = 1
        sums[j] = 0.0
        mark[j] = 0


@njit(cache=True)
def add_scores(scores, factor, total, told):  # type: ignore[no-untyped-def]
    """Add `factor` times the scores above 0 to `total`, and mark in `told` where there were some."""
    for j in range(len(scores)):
        if scores[j] > 0.0:
            total[j] += factor * scores[j]
            told[j] = 1


@njit(cache=True)
def settle(total, told, tail):  # type: ignore[no-untyped-def]
    """Give `tail` to all of whom nothing was told, and clear `told`."""
    for j in range(len(total)):
        if told[j] == 0:
            total[j] = tail[j]
        told[j] = 0


@njit(cache=True)
def best_of_scores(scores, had, barred, tie, sizes, k):  # type: ignore[no-untyped-def]
    """Return the k best columns of one row of scores and their scores, which it changes where items are left out."""
    for code in had:
        scores[code] = -np.inf
    for j in range(len(barred)):
        if barred[j]:
            scores[j] = -np.inf
    best = np.empty(k, dtype=np.int32)
    best_of_row(scores, tie, buffers(sizes, k), best)
    filled = 0
    while filled < k and best[filled] >= 0:
        filled += 1
    return best[:filled], scores[best[:filled]]


@njit(cache=True)
def entry(table, row, column):  # type: ignore[no-untyped-def]
    """Return what a table has at a row and a column, 0 where there is nothing."""
    start, columns, values = table
    total = np.float32(0.0)
    for e in range(start[row], start[row + 1]):
        if columns[e] == column:
            total += values[e]
    return total


@njit(cache=True)
def add_scaled(scores, share, total):  # type: ignore[no-untyped-def]
    """Add scores in units of their spread, as `rankers.search` has them; nothing where all are alike."""
    mean = 0.0
    for i in range(len(scores)):
        mean += scores[i]
    mean /= len(scores)
    spread = 0.0
    for i in range(len(scores)):
        apart = scores[i] - mean
        spread += apart * apart
    deviation = np.sqrt(spread / len(scores))
    unit = deviation if deviation > 1e-9 else 1.0
    for i in range(len(scores)):
        total[i] += share * np.float32((scores[i] - mean) / unit)
