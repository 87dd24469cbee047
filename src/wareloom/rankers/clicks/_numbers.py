"""The numbers of a row: historic rate of its item, how well the item follows the history, what the history holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from wareloom.rankers.clicks.rows import ClickQuery, Rows
from wareloom.shop import Log
from wareloom.shop.pairs import follow_counts

HISTORY = 20
"""Latest events of a history that are read."""
DECAY = 0.7
"""Factor for each step back in a history."""
PRIOR = 5.0
"""Clicks at the average rate that every item's historic rate starts from."""
CHANCE = 20.0
"""Pairs that would follow one another by chance that every pair starts from."""
BLOCK = 1 << 16
"""Rows whose items are looked up at a time."""


def histories(asked: ClickQuery, items: int) -> tuple[Any, Any]:
    """Each request's latest events, CSR [requests, items]: decayed by their age, and how often each item is there."""
    size = np.minimum(asked.ends - asked.starts, HISTORY)
    offsets = np.concatenate([[0], np.cumsum(size)])
    age = np.repeat(offsets[1:], size) - 1 - np.arange(offsets[-1])
    item = asked.log.item[np.repeat(asked.ends, size) - 1 - age]
    shape = (len(asked), items)
    near = sparse.csr_matrix((DECAY**age, item, offsets), shape=shape, copy=True)
    count = sparse.csr_matrix((np.ones(len(item)), item, offsets), shape=shape, copy=True)
    near.sum_duplicates()
    count.sum_duplicates()
    return near, count


def one_hot(category: np.ndarray) -> Any:
    """Say of each item which category it is of: CSR [items, categories]."""
    n = len(category)
    return sparse.csr_matrix(
        (np.ones(n), category, np.arange(n + 1)), shape=(n, int(category.max(initial=0)) + 1)
    )


def looked_up(
    near: Any, count: Any, follow: Any, category: np.ndarray, request: np.ndarray, item: np.ndarray
) -> list[np.ndarray]:
    """For each row: how well the item follows the history, how often it and its category are in it."""
    columns = follow.T.tocsr()
    group = (count @ one_hot(category)).tocsr()
    found = np.zeros((3, len(item)))
    for start in range(0, len(item), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(item)))
        rows = rows[item[rows] >= 0]
        if len(rows) == 0:
            continue
        q, i = request[rows], item[rows]
        found[0, rows] = np.asarray(near[q].multiply(columns[i]).sum(axis=1)).ravel()
        found[1, rows] = np.asarray(count[q, i]).ravel()
        found[2, rows] = np.asarray(group[q, category[i]]).ravel()
    return list(found)


def stacked(
    rate: np.ndarray, per_pair: list[np.ndarray], count: Any, request: np.ndarray
) -> np.ndarray:
    """Historic rate, affinity, had before, share of the category in the history, length of the history."""
    length = np.asarray(count.sum(axis=1)).ravel()[request]
    near, had, group = per_pair
    return np.stack(
        [rate, near, np.log1p(had), group / np.maximum(length, 1), np.log1p(length)], axis=1
    )


def fold_of_users(rows: Rows, fold: np.ndarray) -> np.ndarray:
    """The fold of each user of the log of histories; -1 where no row has such a history."""
    some = np.flatnonzero((rows.asked.ends > rows.asked.starts)[rows.request])
    of_user = np.full(len(rows.asked.log.users), -1)
    user = (
        np.searchsorted(rows.asked.log.offsets, rows.asked.starts[rows.request[some]], side="right")
        - 1
    )
    of_user[user] = fold[some]
    return of_user


def rates(rows: Rows, kept: np.ndarray, items: int) -> np.ndarray:
    """Log-odds of each item's smoothed share of clicks in some rows: float64 [items + 1]."""
    kept = kept & (rows.item >= 0)
    weight, item = rows.weight[kept], rows.item[kept]
    total = max(float(rows.weight.sum()), 1e-12)
    mean = (float(rows.label @ rows.weight) + 0.5) / (total + 1.0)
    shown = np.bincount(item, weights=weight, minlength=items + 1) + PRIOR / mean
    clicked = np.bincount(item, weights=weight * rows.label[kept], minlength=items + 1) + PRIOR
    return np.log(clicked) - np.log(shown - clicked)


def follow(log: Log, users: np.ndarray | None) -> Any:
    """How much likelier item j is shortly after item i than by chance: ln(1 + pairs / chance), CSR [items, items]."""
    weight = log.weight if users is None else log.weight * users[log.user]
    counts = follow_counts(log, window=3, decay=DECAY, weight=weight.astype(np.float32)).tocoo()
    chance = np.bincount(log.item, weights=weight, minlength=len(log.items)) + 1.0
    expected = CHANCE * chance / chance.sum()
    value = np.log1p(counts.data / expected[counts.col])
    return sparse.csr_matrix((value, (counts.row, counts.col)), shape=counts.shape)
