"""Objective: relevance, margin and diversity as one sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import NonNegative
from wareloom.errors import require
from wareloom.reranking import Lists, Reranker, greedy
from wareloom.reranking.catalogue import Catalogue, Similarity, parse_likeness


@dataclass(kw_only=True, eq=False)
class Objective(Reranker):
    """Take next the item that adds most to relevance × Σ scores + margin × Σ values + diversity × Σ unlikeness.

    Scores and values (a price, or a margin among the attributes) are brought to [0, 1] within each list, an unknown
    value is 0; unlikeness is the mean of 1 - similarity to the items above. A sum of weighted aims, each on its own
    scale; with diversity the greedy rule for max-sum diversification (Borodin, Lee and Ye 2012).
    """

    faithful: ClassVar[Mapping[str, Any]] = {"margin": 0.0, "diversity": 0.0}

    relevance: NonNegative = 1.0
    """Weight of the score."""
    margin: NonNegative = 0.2
    """Weight of the value."""
    diversity: NonNegative = 0.2
    """Weight of the unlikeness."""
    value: str = "price"
    """What an item is worth to the shop: price, or the name of an attribute that holds numbers."""
    similarity: str = "category brand"
    """What items are alike in, with weights if wanted, as in "category^2 text": category (the path), leaf (the whole
    path or nothing), brand, text. What the shop lacks is passed over."""
    embedder: str = "tfidf"
    """What makes the vectors of the texts, where they are compared."""

    def _check(self) -> None:
        total = self.relevance + self.margin + self.diversity
        require("objective", "relevance, margin and diversity", 0, total > 0, "one of them above 0")
        parse_likeness("objective", self.similarity)

    def _rerank(self, lists: Lists, catalogue: Catalogue, k: int) -> np.ndarray:
        worth, rows = self.relevance * lists.relevance(), np.arange(len(lists))
        if self.margin:
            worth += self.margin * _scaled(
                catalogue.number(self.value)[np.maximum(lists.item, 0)], lists.item >= 0
            )
        unlike = np.zeros(worth.shape)
        alike = (
            Similarity("objective", self.similarity, catalogue, self.embedder)
            if self.diversity
            else None
        )

        def gain(place: int) -> np.ndarray:
            found: np.ndarray = worth + self.diversity * unlike / max(1, place)
            return found

        def take(place: int, chosen: np.ndarray) -> None:
            if alike is not None:
                np.add(unlike, 1.0 - alike(lists.item[rows, chosen], lists.item), out=unlike)

        return greedy(lists, k, gain, take)


def _scaled(values: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Bring the known values of each list to [0, 1], 0 where they are all equal or unknown."""
    known = here & np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(known, values, -np.inf).max(axis=1, keepdims=True)
    spread = known & (high > low)
    safe = np.where(high > low, low, 0.0)
    return np.where(
        spread, (np.where(known, values, 0.0) - safe) / np.where(high > low, high - safe, 1.0), 0.0
    )
