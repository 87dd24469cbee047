"""MMR: relevance against likeness to what already stands in the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import Share
from wareloom.reranking import Lists, Reranker, greedy
from wareloom.reranking.catalogue import Catalogue, Similarity, parse_likeness


@dataclass(kw_only=True, eq=False)
class MMR(Reranker):
    """Take next the item with the highest relevance × score - (1 - relevance) × likeness to the likest item above it.

    Scores are brought to [0, 1] within each list. Maximal marginal relevance of Carbonell and Goldstein (1998), whose λ
    the setting `relevance` is.
    """

    faithful: ClassVar[Mapping[str, Any]] = {"relevance": 1.0}

    relevance: Share = 0.7
    """Weight of the score, λ; 1 keeps the order, 0 looks at likeness alone."""
    similarity: str = "category brand"
    """What items are alike in, with weights if wanted, as in "category^2 text": category (the path), leaf (the whole
    path or nothing), brand, text. What the shop lacks is passed over."""
    embedder: str = "tfidf"
    """What makes the vectors of the texts, where they are compared."""

    def _check(self) -> None:
        parse_likeness("mmr", self.similarity)

    def _rerank(self, lists: Lists, catalogue: Catalogue, k: int) -> np.ndarray:
        score, rows = lists.relevance(), np.arange(len(lists))
        alike = Similarity("mmr", self.similarity, catalogue, self.embedder)
        likest = np.full(score.shape, -np.inf)

        def gain(place: int) -> np.ndarray:
            if place == 0:
                return score
            found: np.ndarray = self.relevance * score - (1 - self.relevance) * likest
            return found

        def take(place: int, chosen: np.ndarray) -> None:
            np.maximum(likest, alike(lists.item[rows, chosen], lists.item), out=likest)

        return greedy(lists, k, gain, take)
