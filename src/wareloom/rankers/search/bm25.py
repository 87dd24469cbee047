"""BM25: items that hold the words that are looked for, rare words before common ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Share
from wareloom.language.tokenise import tokenise_all
from wareloom.rankers.search.base import SearchRanker
from wareloom.rankers.search.index import at_pairs, bm25, counted, learn_terms
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class BM25(SearchRanker):
    """Add up, over the words of the query, how rare each is and how much of the item's text it makes up.

    Σ idf × tf × (k1 + 1) / (tf + k1 × (1 - b + b × length / mean length)), where idf = ln(1 + (N - n + ½) / (n + ½)).
    English and Chinese. A request without a query goes by popularity. Memory: 8 bytes a different word of an item.
    Robertson et al. (1994); Robertson and Zaragoza (2009).
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    random: ClassVar[bool] = False

    k1: NonNegative = 1.2
    """How soon more mentions of a word stop counting; 0 counts the first alone."""
    b: Share = 0.75
    """How far long texts are held against their items: 0 not at all, 1 in full."""
    stem: bool = True
    """Whether English plurals are taken for their singular."""

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        words = {name: tokenise_all(column, stem=self.stem) for name, column in texts.items()}
        self.terms_ = learn_terms(list(words.values()))
        counts = sum(
            counted(column, self.terms_) * np.float32(weights[name])
            for name, column in words.items()
        )
        self.weights_ = bm25(counts.tocsr(), self.k1, self.b)

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        asked = counted(tokenise_all(queries, stem=self.stem), self.terms_)
        return (asked @ self.weights_.T).toarray().astype(np.float32)

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        asked = counted(tokenise_all(queries, stem=self.stem), self.terms_)
        return at_pairs(asked, self.weights_, query, item)
