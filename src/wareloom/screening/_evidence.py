"""What training says of a pair of items that it lacks: company, paths, popularity, category, how alike they read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.shop import Log, Shop
from wareloom.shop.pairs import follow_counts
from wareloom.shop.texts import FIELDS, item_texts

READS = np.array([1e-9, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8])
"""Bounds of the bands of likeness"""
COMPANY = np.array([1e-9, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4])
"""Bounds of the bands of shared company"""
NEAR = 12
"""Places within which two events of a user are in company."""
MOST_EVENTS = 2_000_000
"""Events from which company is counted; of a larger log a part of the users, drawn at random."""


class _Rows(NamedTuple):
    """Rows of weights that columns are drawn from."""

    weights: sparse.csr_matrix
    reach: np.ndarray
    """float64 [entries + 1], running sum of the weights"""

    @classmethod
    def of(cls, weights: sparse.csr_matrix) -> _Rows:
        return cls(weights, np.concatenate([[0.0], np.cumsum(weights.data, dtype=np.float64)]))

    def drawn(self, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw a column of each row by its weights, int64 [rows]; -1 where a row is empty."""
        weights, reach = self
        if len(weights.indices) == 0:
            return np.full(len(row), -1)
        first, last = reach[weights.indptr[row]], reach[weights.indptr[row + 1]]
        at = first + rng.random(len(row)) * (last - first)
        place = np.clip(np.searchsorted(reach, at, side="right") - 1, 0, len(weights.indices) - 1)
        return np.where(last > first, weights.indices[place], -1)


class Evidence:
    """Strata of pairs, and decoys.

    `counts`: how often an item follows another in the training part, CSR [items, items].
    """

    def __init__(self, counts: sparse.csr_matrix, train: Shop, run: Run) -> None:
        self.counts, n = counts, counts.shape[0]
        self.company = _company(_some(Log.of(train), run))
        self.near = _Rows.of(self.company)
        chance = (
            sparse.diags_array(1.0 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0))
            @ counts
        )
        self.onward, self.chance = sparse.csr_matrix(chance.T), sparse.csr_matrix(chance)
        self.size = np.log2(
            1 + np.bincount(counts.indices, weights=counts.data, minlength=n)
        ).astype(int)
        self.leaf = np.full(n, -1)
        if train.has("items", "category"):
            names = train.table("items")["category"].list.last()
            self.leaf = names.rank("dense").fill_null(0).to_numpy().astype(int) - 1
        self.words = _words(train, run)
        if self.words is not None:
            self.having = self.words.tocsc()
            self.telling = _Rows.of(self.words.power(2))

    def strata(self, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        """Codes of the strata of pairs, int64 [pairs] each, from one for all to the finest; each divides the last."""
        paths = np.asarray(self.chance[a].multiply(self.onward[b]).sum(axis=1)).ravel()
        step = np.clip(np.floor(np.log2(np.maximum(paths, 2.0**-20))) + 20, 0, 20).astype(int)
        alike = ((self.leaf[a] == self.leaf[b]) & (self.leaf[a] >= 0)).astype(int)
        reads = np.zeros(len(a), dtype=int)
        if self.words is not None:
            cosine = np.asarray(self.words[a].multiply(self.words[b]).sum(axis=1)).ravel()
            reads = np.searchsorted(READS, cosine, side="right")
        parts = (
            reads * 2 + alike,
            self._known(a, b),
            step // 4,
            np.minimum(self.size[b] // 2, 15),
            step % 4,
            self.size[a] // 2,
        )
        return _divided(np.zeros(len(a), dtype=np.int64), parts)

    def strata_of_runs(
        self, before: np.ndarray, walked: np.ndarray, a: np.ndarray, b: np.ndarray
    ) -> list[np.ndarray]:
        """The same of runs (before, a, b), of which the synthetic data walks from `before` to a `walked` times.

        What is bought in one session is all of one kind: b goes with what stood before a, too, and more so than decoys
        that go with a alone.
        """
        often = np.minimum(np.floor(np.log2(1 + walked)), 31).astype(int)
        wide = _divided(
            np.zeros(len(a), dtype=np.int64),
            (often, (before == b).astype(int), self._known(before, b)),
        )
        fine = self.strata(a, b)
        return wide[:-1] + [wide[-1] * 32 ** len(fine) + each for each in fine]

    def _known(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The band of the company that two items share, and whether they are in each other's, int [pairs]."""
        if len(a) == 0:
            return np.zeros(0, dtype=int)
        shared = np.asarray(self.company[a].multiply(self.company[b]).sum(axis=1)).ravel()
        near = np.asarray(self.company[a, b]).ravel() > 0
        known: np.ndarray = np.searchsorted(COMPANY, shared, side="right") * 2 + near
        return known

    def decoys(
        self, source: np.ndarray, target: np.ndarray, number: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw another target for each source: by turns one of others' targets, one in its company, one read alike.

        Company is taken by two steps from item to item that stand near one another in training, in either order. What
        reads alike shares a word of the source, drawn by its squared weight, so that rare words decide; among the items
        with that word all are alike. Both take two steps a decoy in a catalogue of any size.
        """
        dealt: np.ndarray = rng.permutation(target)
        turn = number % (2 if self.words is None else 3)
        if turn == 1:
            between = self.near.drawn(source, rng)
            other = np.where(between >= 0, self.near.drawn(between, rng), -1)
        elif turn == 2:
            word = self.telling.drawn(source, rng)
            start, many = self.having.indptr[word], np.diff(self.having.indptr)[word]
            other = np.where(
                word >= 0,
                self.having.indices[start + (rng.random(len(word)) * many).astype(np.int64)],
                -1,
            )
        else:
            other = dealt
        return np.where(other >= 0, other, dealt)


def _divided(first: np.ndarray, parts: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Codes that each part, of at most 32 values, divides further."""
    found = [first]
    for part in parts:
        found.append(found[-1] * 32 + part)
    return found


def _some(log: Log, run: Run) -> Log:
    """Users drawn at random with about `MOST_EVENTS` events, or all of a smaller log."""
    if len(log) <= MOST_EVENTS:
        return log
    share = MOST_EVENTS / len(log)
    return log.select(np.flatnonzero(run.rng("company").random(len(log.users)) < share))


def _company(log: Log) -> sparse.csr_matrix:
    """How often two items stand near one another, in either order, by what both do in all (rows of length 1).

    Float32 CSR [items, items], symmetric but for the rows' lengths.
    """
    counts = follow_counts(log, window=NEAR, weight=np.ones(len(log), dtype=np.float32))
    both = sparse.csr_matrix(counts + counts.T)
    length = np.sqrt(np.maximum(np.asarray(both.power(2).sum(axis=1)).ravel(), 1e-9))
    return sparse.csr_matrix(sparse.diags_array((1 / length).astype(np.float32)) @ both)


def _words(train: Shop, run: Run) -> Any:
    """Tf-idf of the items' texts, CSR [items, terms] with rows of length 1; None where there is no text."""
    columns = set(train.columns("items")) & set(FIELDS)
    if not columns:
        return None
    texts = item_texts(train)
    if not any(text.strip() for text in texts):
        return None
    return EMBEDDERS.make("tfidf", embedding_size=0, ngrams=1).fit(texts, run).vectors(texts, run)
