"""The k best of each row of scores, in one pass over the row that compares with vector instructions."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

LOWEST = np.float32(-np.inf)
HALVINGS = 24
"""Steps in the search for the bar; it need not be exact, as it only saves work."""


@njit(cache=True)
def insert(score, column, tie, best, value, filled):  # type: ignore[no-untyped-def]
    """Put a column in its place among the first `filled` of `best`, which are in order; return how many there are."""
    k = len(best)
    if filled == k:
        if score < value[k - 1] or (score == value[k - 1] and tie[column] > tie[best[k - 1]]):
            return filled
    else:
        filled += 1
    place = filled - 1
    while place > 0:
        above = value[place - 1]
        if score < above or (score == above and tie[column] > tie[best[place - 1]]):
            break
        best[place], value[place] = best[place - 1], above
        place -= 1
    best[place], value[place] = column, score
    return filled


@njit(cache=True)
def _highest(row, peak):  # type: ignore[no-untyped-def]
    """Write the highest number of each lane, the places c, c + lanes, c + 2 × lanes, … of `row`, into `peak`.

    The lanes are independent of one another, so that the compiler compares many at once. It does so only where what is
    stored has passed several comparisons: after a single one it stores under a mask, which is many times slower.
    """
    lanes, width = len(peak), len(row)
    peak[:] = LOWEST
    whole = width // (4 * lanes) * 4 * lanes
    for start in range(0, whole, 4 * lanes):
        one, two = row[start : start + lanes], row[start + lanes : start + 2 * lanes]
        three, four = (
            row[start + 2 * lanes : start + 3 * lanes],
            row[start + 3 * lanes : start + 4 * lanes],
        )
        for lane in range(lanes):
            top = peak[lane]
            top = one[lane] if one[lane] > top else top
            top = two[lane] if two[lane] > top else top
            top = three[lane] if three[lane] > top else top
            peak[lane] = four[lane] if four[lane] > top else top
    for start in range(whole, width, lanes):
        part = row[start : start + lanes]
        for lane in range(len(part)):
            peak[lane] = part[lane] if part[lane] > peak[lane] else peak[lane]


@njit(cache=True)
def _bar(group, k):  # type: ignore[no-untyped-def]
    """Return a score that at least k of `group` reach, and few more, by halving; -inf where there is none."""
    low, high, finite = np.float32(np.inf), LOWEST, np.int32(0)
    for score in group:
        if score > LOWEST:
            finite += np.int32(1)
            low = min(low, score)
            high = max(high, score)
    if finite < k or high == np.float32(np.inf):
        return LOWEST
    reach = finite
    for _ in range(HALVINGS):
        if reach <= k + k // 8:
            break
        middle = low + (high - low) * np.float32(0.5)
        count = np.int32(0)
        for place in range(len(group)):
            count += np.int32(group[place] >= middle)
        if count >= k:
            low, reach = middle, count
        else:
            high = middle
    return low


@njit(cache=True)
def best_of_row(row, tie, room, best):  # type: ignore[no-untyped-def]
    """Fill `best` with the columns of the highest scores, see `best_columns`; `room` is made by `buffers`."""
    peak, group, value = room
    filled, bar = 0, LOWEST
    if len(peak):
        _highest(row, peak)
        _highest(peak, group)
        bar = _bar(group, len(best))
    if bar > LOWEST:
        for place in range(len(group)):
            if group[place] >= bar:
                for lane in range(place, len(peak), len(group)):
                    if peak[lane] >= bar:
                        for column in range(lane, len(row), len(peak)):
                            if row[column] >= bar:
                                filled = insert(row[column], column, tie, best, value, filled)
    else:
        for column in range(len(row)):
            if row[column] > LOWEST:
                filled = insert(row[column], column, tie, best, value, filled)
    best[filled:] = -1


@njit(cache=True)
def buffers(sizes, k):  # type: ignore[no-untyped-def]
    """Return room for the lanes, the groups and the k best scores of a row."""
    return (
        np.empty(sizes[0], dtype=np.float32),
        np.empty(sizes[1], dtype=np.float32),
        np.empty(k, dtype=np.float32),
    )


@njit(cache=True, parallel=True)
def _best(scores, tie, k, sizes):  # type: ignore[no-untyped-def]
    best = np.empty((len(scores), k), dtype=np.int32)
    for r in prange(len(scores)):
        best_of_row(scores[r], tie, buffers(sizes, k), best[r])
    return best


def sizes(columns: int, k: int) -> tuple[int, int]:
    """Lanes and groups of lanes for the k best of so many columns; none where a plain pass over them is as quick."""
    groups = 64
    while groups < 4 * k:
        groups *= 2
    lanes = groups
    while lanes * lanes < groups * columns and lanes * 16 < columns:
        lanes *= 2
    return (lanes, groups) if lanes * 8 <= columns else (0, 0)


def best_columns(scores: np.ndarray, tie: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k highest scores of each row, best first: int32 [rows, k].

    `scores` float32 [rows, columns]; of equal scores that with the lower `tie` (int32 [columns], all different) comes
    first. Columns of -inf and NaN are left out; a row with fewer others ends in -1.

    A first pass finds the highest score of each lane of columns, then the highest of each group of lanes. A bar that k
    groups reach is reached by k columns at least, so that only groups and lanes that reach it are looked at closely.
    """
    rows = np.ascontiguousarray(scores, dtype=np.float32)
    found: np.ndarray = _best(
        rows, np.ascontiguousarray(tie, dtype=np.int32), k, sizes(scores.shape[1], k)
    )
    return found


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k highest scores of each row, best first, equal ones by column: int32 [rows, k].

    Scores of -inf come last, and those that are no number count as such.
    """
    columns = scores.shape[1]
    best = best_columns(scores, np.arange(columns, dtype=np.int32), min(k, columns))
    for row in np.flatnonzero(best[:, -1] < 0) if best.shape[1] else ():
        filled = int((best[row] >= 0).sum())
        best[row, filled:] = np.flatnonzero(~(scores[row] > -np.inf))[: best.shape[1] - filled]
    return best
