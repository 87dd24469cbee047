"""SLIM: a sparse linear model, each item predicted from few others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import get_num_threads, njit, prange
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, Positive, Size
from wareloom.errors import MemoryLimitError
from wareloom.rankers import Ranker
from wareloom.rankers.history import distinct, popularity, recency, tail
from wareloom.rankers.neighbourhood import Neighbourhood, sum_neighbours
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps

GIB = 1 << 30
TOLERANCE = 1e-5
"""Coordinate descent on an item ends when no weight of a sweep changed by more."""


@dataclass(kw_only=True, eq=False)
class SLIM(Ranker):
    """Predict each item of a user from others by the elastic net, and score histories with the weights.

    With the Gram matrix G of the items, column j of the weights W is the minimum of
    ½ wᵀGw - Gⱼᵀw + l1 × Σ|w| + ½ l2 × Σw² with wⱼ = 0, over the items most like j that occur together with it. A
    user's value of an item is √(weight of the events), so that a user whose events weigh 2 counts as two such users.
    `pair_decay` counts a pair of items d places apart in a user's sequence pair_decay^d in G, as in EASE. A request's
    score of j is the sum over its events of decay^age × weight × W(i, j); where that is not above 0, items follow by
    popularity, below all others.

    Memory: 8 bytes for each pair of items that occur together, and items × neighbours × 8 for the weights; a
    `MemoryLimitError` is raised before more than `memory_limit` is taken. Ning and Karypis (2011); by coordinate
    descent as in Friedman et al. (2010).
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "moved by history",
            "weighted users",
            "weighted events",
        }
    )
    random: ClassVar[bool] = False

    l1: NonNegative = 0.1
    """Penalty on the absolute weights; more keeps fewer of them."""
    l2: NonNegative = 50.0
    """Penalty on the squared weights; more for sparse logs, less for dense ones."""
    non_negative: bool = True
    """Whether weights below 0 are ruled out."""
    neighbours: Size = 300
    """Items, of the highest cosine, that an item may be predicted from."""
    decay: Factor = 0.7
    """Factor for each step back in the history that is scored; 1 counts all events alike, as the paper does."""
    last: Count = 0
    """Events of the history that count, the latest ones; 0 takes all."""
    pair_decay: Factor = 0.8
    """Factor for each place between two items of one user in training; 1 counts all pairs alike, as the paper does."""
    epochs: Size = 100
    """Sweeps over the weights of an item, at most."""
    max_items: Count = 0
    """Learn the most popular items only, the others go below all by popularity; 0 takes all."""
    memory_limit: Positive = 4.0
    """GiB that the Gram matrix and the weights may take."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)
        if 0 < self.max_items < len(log.items):
            kept = np.zeros(len(log.items), dtype=bool)
            kept[np.argsort(-self.popularity_, kind="stable")[: self.max_items]] = True
            log = log.keep(kept[log.item])
        with run.task(f"SLIM over {len(log.items)} items"):
            start, column, value = self._gram(log)
            width = int(min(self.neighbours, np.diff(start).max(initial=1)))
            parts = _descend(
                (start, column, value),
                (self.l1, self.l2, self.non_negative, self.epochs),
                width,
                min(len(log.items), 8 * get_num_threads()),
            )
            self.table_ = _by_row(parts)

    def _gram(self, log: Log) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The Gram matrix by rows, without zeros, once it is known to fit."""
        offsets, item, values = distinct(log)
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        order = np.argsort(item, kind="stable")
        starts = np.searchsorted(item[order], np.arange(len(log.items) + 1))
        events = (starts, order, owner)
        chunks = min(len(log.items), 8 * get_num_threads())
        count = _count((offsets, item), events, chunks)
        self._check_memory(count)
        start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        column, value = _fill(
            (offsets, item, np.sqrt(values)), events, start, self.pair_decay, chunks
        )
        return start, column, value

    def _check_memory(self, count: np.ndarray) -> None:
        width = min(self.neighbours, int(count.max(initial=0)))
        pairs, learned = int(count.sum()), int((count > 0).sum())
        needed = 8 * (pairs + len(count) * width) / GIB
        if needed > self.memory_limit:
            raise MemoryLimitError(
                f"SLIM over {learned:,} items, {pairs:,} pairs of which occur together, needs {needed:.2g} GiB, "
                f"more than memory_limit={self.memory_limit:g}. Set max_items to learn the most popular ones only, or "
                f"memory_limit={needed * 1.01:.2g} if the machine has it."
            )

    def neighbourhood(self) -> Neighbourhood:
        """Return the table whose rows it adds up over the history."""
        return Neighbourhood(self.table_, self.decay, self.last)

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        history = recency(requests.histories, self.decay, self.last)
        return sum_neighbours(history, self.table_, tail(self.popularity_))


def _by_row(parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> sparse.csr_matrix:
    """Turn (count, items, weights), one row for each column of W, into W as float32 CSR."""
    count, items, weights = parts
    filled = np.arange(items.shape[1]) < count[:, None]
    offsets = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    size = len(count)
    return sparse.csc_matrix((weights[filled], items[filled], offsets), shape=(size, size)).tocsr()


@njit(cache=True, parallel=True)
def _count(users, events, chunks):  # type: ignore[no-untyped-def]
    """Count the items that occur together with each item, itself included."""
    offsets, item = users
    starts, order, owner = events
    items = len(starts) - 1
    count = np.zeros(items, dtype=np.int64)
    for c in prange(chunks):
        # `mark` keeps the row that met an item last: nothing is swept between rows.
        mark = np.full(items, -1, dtype=np.int64)
        for i in range(items * c // chunks, items * (c + 1) // chunks):
            for e in order[starts[i] : starts[i + 1]]:
                for f in range(offsets[owner[e]], offsets[owner[e] + 1]):
                    if mark[item[f]] != i:
                        mark[item[f]] = i
                        count[i] += 1
    return count


@njit(cache=True, parallel=True)
def _fill(users, events, start, decay, chunks):  # type: ignore[no-untyped-def]
    """Sum the values of each pair of items: columns and values of the rows that begin at `start`."""
    offsets, item, root = users
    starts, order, owner = events
    items = len(starts) - 1
    column = np.empty(start[-1], dtype=np.int32)
    value = np.empty(start[-1], dtype=np.float32)
    for c in prange(chunks):
        mark = np.full(items, -1, dtype=np.int64)
        sums = np.zeros(items)
        for i in range(items * c // chunks, items * (c + 1) // chunks):
            n = start[i]
            for e in order[starts[i] : starts[i + 1]]:
                for f in range(offsets[owner[e]], offsets[owner[e] + 1]):
                    j = item[f]
                    if mark[j] != i:
                        mark[j] = i
                        sums[j] = 0.0
                        column[n] = j
                        n += 1
                    sums[j] += root[e] * root[f] * decay ** abs(e - f)
            column[start[i] : n] = np.sort(column[start[i] : n])
            for p in range(start[i], n):
                value[p] = sums[column[p]]
    return column, value


@njit(cache=True)
def _candidates(start, column, value, diagonal, j, k):  # type: ignore[no-untyped-def]
    """Return the places in row j of the items that may predict it: the k of the highest cosine, in order of columns."""
    row = np.arange(start[j], start[j + 1])
    row = row[column[row] != j]
    if len(row) > k:
        near = value[row] / np.sqrt(diagonal[column[row]])
        row = np.sort(row[np.argsort(-near, kind="mergesort")[:k]])
    return row


@njit(cache=True, parallel=True)
def _descend(gram, how, k, chunks):  # type: ignore[no-untyped-def]
    """Minimise each item's elastic net by coordinate descent: (weights kept, their items, their values), [items, k]."""
    start, column, value = gram
    l1, l2, non_negative, epochs = how
    items = len(start) - 1
    diagonal = np.zeros(items)
    for i in range(items):
        for p in range(start[i], start[i + 1]):
            if column[p] == i:
                diagonal[i] = value[p]
    count = np.zeros(items, dtype=np.int64)
    columns = np.zeros((items, k), dtype=np.int32)
    values = np.zeros((items, k), dtype=np.float32)
    for c in prange(chunks):
        # G w, which every step keeps up to date: a step costs one row of G, and none where the weight stays.
        product = np.zeros(items)
        for j in range(items * c // chunks, items * (c + 1) // chunks):
            row = _candidates(start, column, value, diagonal, j, k)
            weight = np.zeros(len(row))
            moved = np.zeros(len(row), dtype=np.bool_)
            for _ in range(epochs):
                biggest = 0.0
                for t in range(len(row)):
                    i = column[row[t]]
                    pull = value[row[t]] - product[i] + diagonal[i] * weight[t]
                    # The soft threshold: the minimum over this weight alone, all others held.
                    wanted = max(pull - l1, 0.0)
                    if not non_negative and pull < -l1:
                        wanted = pull + l1
                    step = wanted / (diagonal[i] + l2) - weight[t]
                    if step != 0.0:
                        weight[t] += step
                        moved[t] = True
                        biggest = max(biggest, abs(step))
                        for p in range(start[i], start[i + 1]):
                            product[column[p]] += step * value[p]
                if biggest <= TOLERANCE:
                    break
            for t in range(len(row)):
                i = column[row[t]]
                if moved[t]:
                    for p in range(start[i], start[i + 1]):
                        product[column[p]] = 0.0
                if weight[t] != 0.0:
                    columns[j, count[j]], values[j, count[j]] = i, weight[t]
                    count[j] += 1
    return count, columns, values
