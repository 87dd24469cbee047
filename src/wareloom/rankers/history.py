"""What rankers share about histories and popularity: recency weights, counts, and the order where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from wareloom.shop import Log, Vocabulary
from wareloom.shop.pairs import recency as decayed

Columns = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A sparse matrix by rows: offsets int64 [rows + 1], columns int32, values float32; a row may name a column twice."""


def recency(histories: Log, decay: float, last: int) -> Columns:
    """Weigh each history: an event of age a (0 is the latest) counts its weight × decay^a.

    Only the `last` events stay, all where it is 0.
    """
    ends = np.repeat(histories.offsets[1:], histories.lengths())
    age = ends - 1 - np.arange(len(histories))
    value = (histories.weight * np.power(decay, age)).astype(np.float32)
    keep = value > 0
    if last:
        keep &= age < last
    offsets = np.concatenate([[0], np.cumsum(keep)])[histories.offsets].astype(np.int64)
    return offsets, histories.item[keep], value[keep]


def distinct(log: Log) -> Columns:
    """Each user's items once, in the order of their last events, with the summed weight of their events."""
    user = log.user.astype(np.int64)
    order = np.lexsort((np.arange(len(log)), log.item, user))
    first = np.ones(len(log), dtype=bool)
    first[1:] = (np.diff(log.item[order]) != 0) | (np.diff(user[order]) != 0)
    starts = np.flatnonzero(first)
    final = order[np.concatenate([starts[1:], [len(log)]]) - 1] if len(log) else order
    weight = (
        np.add.reduceat(log.weight[order].astype(np.float64), starts) if len(log) else log.weight
    )
    by_time = np.argsort(final)
    final, weight = final[by_time], weight[by_time]
    positive = weight > 0
    offsets = np.searchsorted(final[positive], log.offsets).astype(np.int64)
    return offsets, log.item[final[positive]], weight[positive].astype(np.float32)


def merged(columns: Columns, width: int) -> Columns:
    """Return the sparse matrix with each column at most once a row, in order, equal ones added up."""
    offsets, column, value = columns
    matrix = sparse.csr_matrix((value, column, offsets), shape=(len(offsets) - 1, width), copy=True)
    matrix.sum_duplicates()
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data


def popularity(log: Log, half_life: float | None = None) -> np.ndarray:
    """Weight of the events of each item, float64 [items].

    `half_life`: days after which an event counts half, seen from the latest event; events without a time count as the
    oldest.
    """
    counts: np.ndarray = np.bincount(
        log.item, weights=decayed(log, half_life), minlength=len(log.items)
    )
    return counts


def tail(counts: np.ndarray) -> np.ndarray:
    """Scores in [-1, 0) in the order of popularity, for items of which nothing else is known: float32 [items]."""
    shares: np.ndarray = counts / (counts.max(initial=0.0) * 1.0001 + 1e-12)
    return (shares - 1.0).astype(np.float32)


def rarity(counts: np.ndarray, power: float) -> np.ndarray:
    """Return log(1 + all weight / the item's)^power, 1 throughout where the power is 0: float32 [items]."""
    rare = np.log1p(counts.sum() / np.maximum(counts, 1e-12))
    return np.power(rare, power).astype(np.float32)


def into(histories: Log, items: Vocabulary) -> Log:
    """Return `histories` in codes of `items`; events on items unknown there fall out."""
    if histories.items == items:
        return histories
    code = items.recode(histories.items)[histories.item] if len(histories) else histories.item
    known = replace(
        histories, items=items, item=code.astype(np.int32), label_item=None, label_weight=None
    )
    return known.keep(code >= 0)
