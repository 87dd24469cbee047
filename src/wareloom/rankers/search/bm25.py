"""BM25: items that hold the words that are looked for, rare words before common ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Share
from wareloom.language.sizes import Terms
from wareloom.rankers.search.base import SearchRanker
from wareloom.rankers.search.index import at_pairs, bm25, counted, learn_terms
from wareloom.rankers.search.judged import RIGHT, judged
from wareloom.shop import Shop, Vocabulary


@dataclass(kw_only=True, eq=False)
class BM25(SearchRanker):
    """Add up, over the words of the query, how rare each is and how much of the item's text it makes up.

    Σ idf × (tf × (k1 + 1) / (tf + k1 × (1 - b + b × length / mean length)) + delta), over the words that the text has;
    idf = ln(1 + (N - n + ½) / (n + ½)). English and Chinese. A request without a query goes by popularity. Memory: 8
    bytes a different word of an item. Two words side by side are a term of their own that weighs `pairs` as much. An
    item is found by the bare numbers of its sizes and by the parts of its model numbers, too. With `expansion`, words
    that queries use and the text of what was right for them lacks are mentions in it. Robertson et al. (1994);
    Robertson and Zaragoza (2009); delta: Lv and Zhai (2011); pairs: Metzler and Croft (2005); expansion: Nogueira et
    al. (2019).
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    random: ClassVar[bool] = False

    k1: NonNegative = 1.2
    """How soon more mentions of a word stop counting; 0 counts the first alone."""
    b: Share = 0.75
    """How far long texts are held against their items: 0 not at all, 1 in full."""
    delta: NonNegative = 1.0
    """What it counts that a word is there at all, however long the text: a long title that holds all words of a query
    is then not put behind a short one that holds some. 0 is BM25 as it was."""
    stem: bool = True
    """Whether English plurals are taken for their singular."""
    sizes: bool = True
    """Whether "36" finds "36 in.", "2x4" finds "2 in. x 4 in.", and "dw705" finds "DW705-2"."""
    pairs: NonNegative = 0.15
    """Weight of two words side by side beside one word; 0 looks at single words alone."""
    expansion: NonNegative = 0.0
    """Mentions that a word is worth which all queries of an item use and its text lacks, by the judgments of grade 2
    and more; fewer where some of them use it. 0 reads no judgment."""

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        both = {name: self._terms.all_read(column) for name, column in texts.items()}
        words = {name: found for name, (found, _) in both.items()}
        beside = {name: pairs for name, (_, pairs) in both.items() if self.pairs}
        rows = pl.DataFrame()
        if self.expansion:
            rows = judged(shop, Vocabulary(self.items_))
            rows = rows.filter(pl.col("grade") >= RIGHT) if len(rows) else rows
        asked = replace(self._terms, pairs=False).all_asked(rows["said"] if len(rows) else [])
        self.terms_ = learn_terms([*words.values(), *beside.values(), asked])
        counts = self._counts(words, weights)
        if len(rows):
            counts = counts + np.float32(self.expansion) * self._lacking(counts, asked, rows)
        self.weights_ = bm25(counts, self.k1, self.b, self.delta)
        if beside:
            close = bm25(self._counts(beside, weights), self.k1, self.b, self.delta)
            self.weights_ = (self.weights_ + np.float32(self.pairs) * close).tocsr()

    def _counts(self, terms: dict[str, pl.Series], weights: dict[str, float]) -> sparse.csr_matrix:
        """Count the terms of all fields, each field with its weight: float32 CSR [items, terms]."""
        return sum(
            counted(column, self.terms_) * np.float32(weights[name])
            for name, column in terms.items()
        ).tocsr()

    def _lacking(
        self, counts: sparse.csr_matrix, asked: pl.Series, rows: pl.DataFrame
    ) -> sparse.csr_matrix:
        """Of each word that an item's text lacks, the share of its queries that use it: float32 CSR [items, terms]."""
        used = counted(asked, self.terms_)
        used.data[:] = 1.0
        item, weight = rows["item"].to_numpy(), rows["weight"].to_numpy().astype(np.float32)
        place = (item, np.arange(len(item)))
        by_item = sparse.csr_matrix((weight, place), shape=(counts.shape[0], len(item)))
        total = np.maximum(np.asarray(by_item.sum(axis=1)), 1e-12)
        shares = (by_item @ used).multiply(1 / total).tocsr()
        held = sparse.csr_matrix((np.ones_like(counts.data), counts.indices, counts.indptr))
        held.resize(shares.shape)
        return (shares - shares.multiply(held)).tocsr()

    @property
    def _terms(self) -> Terms:
        return Terms(self.stem, self.sizes, self.pairs > 0)

    def _asked(self, queries: Sequence[str]) -> sparse.csr_matrix:
        return counted(self._terms.all_asked(queries), self.terms_)

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        asked = self._asked(queries)
        return (asked @ self.weights_.T).toarray().astype(np.float32)

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        asked = self._asked(queries)
        return at_pairs(asked, self.weights_, query, item)
