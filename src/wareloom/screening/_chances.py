"""A second model of behaviour, by which users are judged: what an event's item and kind were likely to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from wareloom.shop import Log
from wareloom.shop.pairs import follow_counts
from wareloom.shop.schema import EVENTS

WINDOW = 3
"""Places apart at which items still count as following one another."""
LEVELS = 8
"""Weights are told apart by the power of two of how often the item before was left."""
ROUNDS = 30
"""Rounds of expectation maximisation."""
KINDS = len(EVENTS)


@dataclass(frozen=True)
class Chances:
    """Interpolated chances of the next item, and of the next kind of event.

    The item comes from one of: what followed the item before; what followed the one before that; the same item again;
    the items that the user had; the category that followed the item's, by popularity in it; popularity; any item. The
    weights of these are learned on users whose transitions were not counted (Jelinek and Mercer 1980).
    """

    after: sparse.csr_matrix
    """Chance of each follower, float64 [items, items], rows of sum 1 or 0"""
    often: np.ndarray
    """Level of each item: how often it was left"""
    category: np.ndarray
    """int64 [items]"""
    between: sparse.csr_matrix
    """Chance of the next category, float64 [categories, categories]"""
    popular: np.ndarray
    """Share of events on each item, float64 [items]"""
    within: np.ndarray
    """Share of its category's events on each item"""
    kinds: np.ndarray
    """Chance of the next kind by the one before (or none) and whether the item is the same: [kinds + 1, 2, kinds]"""
    weights: np.ndarray
    """float64 [LEVELS + 1, sources], of a first event in the last row; rows of sum 1"""

    @classmethod
    def fit(cls, log: Log, category: np.ndarray, order: np.ndarray) -> Chances:
        """Learn from the users of `log`; the weights on the last quarter of `order`, which is some order of them."""
        split = max(1, len(order) * 3 // 4)
        trial = cls._counted(log.select(np.sort(order[:split])), category)
        learned = trial._weighed(log.select(np.sort(order[split:])))
        whole = cls._counted(log, category)
        return cls(**(vars(whole) | {"weights": learned}))

    @classmethod
    def _counted(cls, log: Log, category: np.ndarray) -> Chances:
        counts = follow_counts(
            log, window=WINDOW, decay=0.5, weight=np.ones(len(log), dtype=np.float32)
        )
        left = np.asarray(counts.sum(axis=1)).ravel().astype(np.float64)
        popular = log.counts() / max(1, len(log))
        whole = np.bincount(category, weights=popular, minlength=int(category.max(initial=0)) + 1)
        first, same = _places(log)
        rows = np.flatnonzero(~first)
        a, b = category[log.item[rows - 1]], category[log.item[rows]]
        size = len(whole)
        steps = sparse.coo_matrix((np.ones(len(rows)), (a, b)), shape=(size, size)).tocsr()
        kinds = np.full((KINDS + 1, 2, KINDS), 0.5 / KINDS)
        np.add.at(kinds, (_before(log, first), same.astype(int), log.event.astype(int)), 1.0)
        return cls(
            after=_chance(counts),
            often=np.minimum(np.log2(1 + left).astype(np.int64), LEVELS - 1),
            category=category,
            between=_chance(steps),
            popular=popular,
            within=popular / np.maximum(whole[category], 1e-12),
            kinds=kinds / kinds.sum(axis=2, keepdims=True),
            weights=np.full((LEVELS + 1, 7), 1 / 7),
        )

    def sources(self, log: Log) -> np.ndarray:
        """Chance of each event's item by each source, float64 [events, sources]."""
        n, item = len(self.popular), log.item
        first, same = _places(log)
        found = np.zeros((len(item), self.weights.shape[1]))
        one = np.flatnonzero(~first)
        two = one[~first[one - 1]]
        found[one, 0] = _values(self.after, item[one - 1], item[one])
        found[two, 1] = _values(self.after, item[two - 2], item[two])
        found[:, 2] = same
        found[:, 3] = _had(log)
        a, b = self.category[item[one - 1]], self.category[item[one]]
        found[one, 4] = _values(self.between, a, b) * self.within[item[one]]
        found[:, 5] = self.popular[item]
        found[:, 6] = 1.0 / max(1, n)
        return found

    def _level(self, log: Log) -> np.ndarray:
        first, _ = _places(log)
        level = np.full(len(log), LEVELS)
        rows = np.flatnonzero(~first)
        level[rows] = self.often[log.item[rows - 1]]
        return level

    def _weighed(self, log: Log) -> np.ndarray:
        """Weights of the sources under which `log` is most likely, drawn a little towards even ones."""
        found, level = self.sources(log), self._level(log)
        weights = self.weights.copy()
        for _ in range(ROUNDS):
            part = weights[level] * found
            part /= np.maximum(part.sum(axis=1, keepdims=True), 1e-300)
            weights = np.full_like(weights, 1.0)
            np.add.at(weights, level, part)
            weights /= weights.sum(axis=1, keepdims=True)
        return weights

    def bits(self, log: Log) -> np.ndarray:
        """Mean surprise of each user's events in bits, float64 [users]; NaN where there are none.

        Items are by codes of the fitted log; -1 is an item that it lacks, which no source knows.
        """
        known = log.keep(log.item >= 0)
        first, same = _places(known)
        chance = (self.weights[self._level(known)] * self.sources(known)).sum(axis=1)
        chance *= self.kinds[_before(known, first), same.astype(int), known.event.astype(int)]
        total = np.bincount(
            known.user, weights=-np.log2(np.maximum(chance, 1e-300)), minlength=len(log.users)
        )
        strange = log.lengths() - known.lengths()
        total += strange * (np.log2(max(2, len(self.popular))) + 20.0)
        return np.where(log.lengths() > 0, total / np.maximum(log.lengths(), 1), np.nan)


def _places(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """Whether each event is its user's first, and whether it is on the item of the one before: bool [events]."""
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1][log.lengths() > 0]] = True
    same = np.zeros(len(log), dtype=bool)
    same[1:] = (log.item[1:] == log.item[:-1]) & ~first[1:]
    return first, same


def _before(log: Log, first: np.ndarray) -> np.ndarray:
    """Kind of the event before, `KINDS` for none: int64 [events]."""
    kind = np.full(len(log), KINDS)
    rows = np.flatnonzero(~first)
    kind[rows] = log.event[rows - 1]
    return kind


def _had(log: Log) -> np.ndarray:
    """One by the number of different items that the user had, where the event's item is one of them; else 0."""
    n = max(1, len(log.items))
    _, index = np.unique(log.user.astype(np.int64) * n + log.item, return_index=True)
    new = np.zeros(len(log), dtype=np.int64)
    new[index] = 1
    running = np.cumsum(new) - new
    start = running[np.minimum(log.offsets[:-1], max(0, len(log) - 1))] if len(log) else running
    had = running - np.repeat(start, log.lengths())
    return np.where(new == 0, 1.0 / np.maximum(had, 1), 0.0)


def _chance(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Divide each row by its sum."""
    total = np.asarray(counts.sum(axis=1)).ravel()
    return sparse.csr_matrix(
        sparse.diags_array(1.0 / np.maximum(total, 1e-12)) @ counts.astype(np.float64)
    )


def _values(matrix: sparse.csr_matrix, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Entries of a sparse matrix at (rows, columns)."""
    return np.asarray(matrix[rows, columns]).ravel() if len(rows) else np.zeros(0)
