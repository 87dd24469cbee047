"""BM25 of runs of characters: words that are misspelt, joined, parted or bent otherwise still share most of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Share, Size
from wareloom.language.typed import as_typed
from wareloom.rankers.search.base import SearchRanker
from wareloom.rankers.search.index import at_pairs, bm25, counted, learn_terms, trigrams
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class BM25Runs(SearchRanker):
    """Add up, over the runs of `size` characters of the query, how rare each is and how much of the text it makes up.

    The formula is `bm25`'s, with runs for words: those of the words with one space between them and at both ends, so
    that runs over a space say which words stand side by side. Queries are read as they were typed, also where a ranker
    made of several corrects them for the others. English and Chinese. A request without a query goes by popularity.
    McNamee and Mayfield (2004) index texts so.
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    random: ClassVar[bool] = False

    size: Size = 3
    """Characters of a run."""
    k1: NonNegative = 0.3
    """How soon more mentions of a run stop counting; 0 counts the first alone."""
    b: Share = 0.3
    """How far long texts are held against their items: 0 not at all, 1 in full."""

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        runs = {name: trigrams(column, self.size) for name, column in texts.items()}
        self.terms_ = learn_terms(list(runs.values()))
        counts = sum(
            counted(column, self.terms_) * np.float32(weights[name])
            for name, column in runs.items()
        )
        self.weights_ = bm25(counts.tocsr(), self.k1, self.b)

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        asked = counted(trigrams([as_typed(query) for query in queries], self.size), self.terms_)
        return (asked @ self.weights_.T).toarray().astype(np.float32)

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        asked = counted(trigrams([as_typed(query) for query in queries], self.size), self.terms_)
        return at_pairs(asked, self.weights_, query, item)
