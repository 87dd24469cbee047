"""Numbers that say how well an item matches a query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.language.sizes import Terms
from wareloom.rankers.search.index import at_pairs, bm25, counted, idf, learn_terms, trigrams, unit
from wareloom.shop import Vocabulary

NAMES = (
    "BM25 of all text", "BM25 by the query's rarity", "BM25 of the first field", "BM25 of the other fields",
    "cosine of tf-idf", "cosine of trigrams", "share of the query's rarity in the first field",
    "share of the query's words in the first field", "share of the query's rarity in all text",
    "words of the query", "words of the first field", "share of the first field's words in the query",
    "last word in the first field",
)  # fmt: skip
"""What the columns of `Matcher.pairs` are; the first field is the title where there is one."""

LEARNED = ("terms", "grams", "first", "rest", "runs", "rarity", "gram_rarity")
"""What is learned of the items, and saved"""


@dataclass(frozen=True)
class Matcher:
    """The words of items, and how queries match them; every attribute is an array, a matrix or a Series."""

    terms: pl.Series
    grams: pl.Series
    first: sparse.csr_matrix
    """Counts of the first field's words [items, terms]"""
    rest: sparse.csr_matrix
    """Counts of the other fields' words [items, terms]"""
    runs: sparse.csr_matrix
    """Runs of three characters of the first field, rows of length 1 [items, grams]"""
    rarity: np.ndarray
    """idf of each term over all text; float32 [terms + 1], at the end that of a word nobody has"""
    gram_rarity: np.ndarray
    k1: float
    b: float

    @classmethod
    def learn(cls, texts: dict[str, list[str]], k1: float, b: float) -> Matcher:
        """Read the items' texts by field, the most telling one first."""
        words = [Terms().all_found(column) for column in texts.values()]
        terms, grams = learn_terms(words), trigrams(next(iter(texts.values())))
        first, *others = (counted(column, terms) for column in words)
        rest = sum(others, start=sparse.csr_matrix(first.shape, dtype=np.float32)).tocsr()
        whole = (first + rest).tocsr()
        nobody = np.log1p((whole.shape[0] + 0.5) / 0.5)
        known = learn_terms([grams])
        runs = counted(grams, known)
        weight = idf(runs)
        return cls(
            terms, known, first, rest, unit(runs, weight), np.append(idf(whole), nobody).astype(np.float32), weight,
            k1, b,
        )  # fmt: skip

    def state(self) -> dict[str, object]:
        """What was learned, under the names of attributes that are saved."""
        return {f"{name}_": getattr(self, name) for name in LEARNED}

    @classmethod
    def of(cls, owner: object, k1: float, b: float) -> Matcher:
        """Put together again what `state` laid out as attributes of `owner`."""
        kept: dict[str, Any] = {name: getattr(owner, f"{name}_") for name in LEARNED}
        return cls(**kept, k1=k1, b=b)

    def weighted(self) -> dict[str, sparse.csr_matrix]:
        """The matrices that are multiplied with queries, made of the counts."""
        whole = (self.first + self.rest).tocsr()
        spread = {
            name: bm25(counts, self.k1, self.b) for name, counts in self._zones(whole).items()
        }
        there = {
            f"{name} has": _ones(counts) for name, counts in (("first", self.first), ("all", whole))
        }
        return {**spread, **there, "unit": unit(whole, self.rarity[:-1])}

    def _zones(self, whole: sparse.csr_matrix) -> dict[str, sparse.csr_matrix]:
        return {"all": whole, "first": self.first, "rest": self.rest}

    def ask(self, queries: Sequence[str]) -> QueryTerms:
        """Read the words of queries."""
        words = Terms().all_asked(queries)
        counts = counted(words, self.terms)
        there = _ones(counts)
        distinct = words.list.n_unique().to_numpy().astype(np.float64)
        rare = np.asarray(there @ self.rarity[:-1]).ravel()
        lacking = distinct - np.asarray(there.sum(axis=1)).ravel()
        last = Vocabulary(self.terms).encode(words.list.last())
        runs = unit(counted(trigrams(queries), self.grams), self.gram_rarity)
        return QueryTerms(
            counts,
            there,
            unit(counts, self.rarity[:-1]),
            runs,
            distinct,
            rare + lacking * self.rarity[-1],
            last,
        )

    def pairs(
        self,
        matrices: dict[str, sparse.csr_matrix],
        asked: QueryTerms,
        query: np.ndarray,
        item: np.ndarray,
    ) -> np.ndarray:
        """How well item `item[i]` matches query `query[i]`: float32 [pairs, NAMES]."""

        def of(rows: sparse.csr_matrix, name: str) -> np.ndarray:
            return at_pairs(rows, matrices[name], query, item)

        rare, words = asked.rare[query] + 1e-9, asked.words[query]
        long = np.asarray(matrices["first has"].sum(axis=1)).ravel()[item]
        weighed = asked.there.multiply(self.rarity[:-1][None, :]).tocsr()
        whole, shared = of(asked.counts, "all"), of(asked.there, "first has")
        last = asked.last[query]
        held = np.zeros(len(query))
        known = last >= 0
        held[known] = np.asarray(matrices["first has"][item[known], last[known]]).ravel()
        columns = (
            whole, whole / rare, of(asked.counts, "first"), of(asked.counts, "rest"), of(asked.unit, "unit"),
            at_pairs(asked.runs, self.runs, query, item), of(weighed, "first has") / rare,
            shared / np.maximum(words, 1), of(weighed, "all has") / rare, words, long,
            shared / np.maximum(long, 1), held,
        )  # fmt: skip
        return np.stack(columns, axis=1).astype(np.float32)


@dataclass(frozen=True)
class QueryTerms:
    """Queries as rows of matrices over terms and trigrams."""

    counts: sparse.csr_matrix
    there: sparse.csr_matrix
    unit: sparse.csr_matrix
    runs: sparse.csr_matrix
    words: np.ndarray
    """float64 [queries], different words"""
    rare: np.ndarray
    """float64 [queries], idf of all of them together"""
    last: np.ndarray
    """int32 [queries], the last word, -1 where no item has it"""


def _ones(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """1 for each count above 0."""
    return sparse.csr_matrix(
        (np.ones_like(counts.data), counts.indices, counts.indptr), shape=counts.shape
    )
