"""What training says of a pair of items that it lacks: paths, popularity, category, and how alike they read."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from wareloom.family import EMBEDDERS
from wareloom.rankers.content._text import FIELDS, item_texts
from wareloom.run import Run
from wareloom.shop import Shop

READS = np.array([1e-9, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8])
"""Bounds of the bands of likeness"""


class Evidence:
    """Strata of pairs, and decoys.

    `counts`: how often an item follows another in the training part, CSR [items, items].
    """

    def __init__(self, counts: sparse.csr_matrix, train: Shop, run: Run) -> None:
        n = counts.shape[0]
        chance = sparse.diags_array(1.0 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)) @ counts
        self.onward, self.chance = sparse.csr_matrix(chance.T), sparse.csr_matrix(chance)
        self.size = np.log2(1 + np.bincount(counts.indices, weights=counts.data, minlength=n)).astype(int)
        self.leaf = np.full(n, -1)
        if train.has("items", "category"):
            names = train.table("items")["category"].list.last()
            self.leaf = names.rank("dense").fill_null(0).to_numpy().astype(int) - 1
        self.words = _words(train, run)
        if self.words is not None:
            self.having = self.words.tocsc()
            self.reach = np.concatenate([[0.0], np.cumsum(self.words.data.astype(np.float64) ** 2)])

    def strata(self, a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
        """Codes of the strata of pairs, int64 [pairs] each, from one for all to the finest; each divides the last."""
        paths = np.asarray(self.chance[a].multiply(self.onward[b]).sum(axis=1)).ravel()
        step = np.clip(np.floor(np.log2(np.maximum(paths, 2.0**-20))) + 20, 0, 20).astype(int)
        alike = ((self.leaf[a] == self.leaf[b]) & (self.leaf[a] >= 0)).astype(int)
        reads = np.zeros(len(a), dtype=int)
        if self.words is not None:
            cosine = np.asarray(self.words[a].multiply(self.words[b]).sum(axis=1)).ravel()
            reads = np.searchsorted(READS, cosine, side="right")
        parts = (reads * 2 + alike, step // 4, np.minimum(self.size[b] // 2, 15), step % 4, self.size[a] // 2)
        found = [np.zeros(len(a), dtype=np.int64)]
        for part in parts:
            found.append(found[-1] * 32 + part)
        return found

    def decoys(self, source: np.ndarray, target: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
        """Draw another target for each source: by turns one of the targets of others, and one that reads like it.

        The latter shares a word of the source, drawn by its squared weight, so that rare words decide; among the items
        with that word all are alike. That takes two steps a decoy in a catalogue of any size.
        """
        dealt: np.ndarray = rng.permutation(target)
        if self.words is None or number % 2:
            return dealt
        first, last = self.reach[self.words.indptr[source]], self.reach[self.words.indptr[source + 1]]
        drawn = first + rng.random(len(source)) * (last - first)
        place = np.clip(np.searchsorted(self.reach, drawn, side="right") - 1, 0, len(self.words.indices) - 1)
        word = self.words.indices[place]
        start, many = self.having.indptr[word], np.diff(self.having.indptr)[word]
        other = self.having.indices[start + (rng.random(len(source)) * many).astype(np.int64)]
        return np.where(last > first, other, dealt)


def _words(train: Shop, run: Run) -> Any:
    """Tf-idf of the items' texts, CSR [items, terms] with rows of length 1; None where there is no text."""
    columns = set(train.columns("items")) & set(FIELDS)
    if not columns:
        return None
    texts = item_texts(train)
    if not any(text.strip() for text in texts):
        return None
    return EMBEDDERS.make("tfidf", embedding_size=0, ngrams=1).fit(texts, run).vectors(texts, run)
