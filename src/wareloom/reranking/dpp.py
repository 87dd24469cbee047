"""DPP: lists whose items span as much as they can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import Share
from wareloom.reranking import Lists, Reranker, greedy
from wareloom.reranking.catalogue import Catalogue, Similarity, parse_likeness

FLOOR = 1e-10
"""What is left of an item that the chosen ones span altogether."""


@dataclass(kw_only=True, eq=False)
class DPP(Reranker):
    """Take next the item that adds most to relevance × Σ scores + (1 - relevance) × log det of the likenesses.

    The most probable list of a determinantal point process, place after place. With S the similarity matrix mixed with
    the identity by `ridge`, the determinant grows by an item's squared distance to what the chosen ones span, which an
    incremental Cholesky factorisation keeps up to date exactly: k² × candidates steps a list. Scores are brought to
    [0, 1] within each list. Memory: 1024 × candidates × k × 8 bytes. Chen, Zhang and Zhou (2018), with their θ in the
    place of `relevance`.
    """

    faithful: ClassVar[Mapping[str, Any]] = {"relevance": 1.0}

    relevance: Share = 0.9
    """Weight of the score, θ; 1 keeps the order."""
    similarity: str = "category brand"
    """What items are alike in, with weights if wanted, as in "category^2 text": category (the path), leaf (the whole
    path or nothing), brand, text. What the shop lacks is passed over."""
    ridge: Share = 0.1
    """Share of the identity in the likenesses: the more, the less two items that are alike throughout exclude each
    other."""
    embedder: str = "tfidf"
    """What makes the vectors of the texts, where they are compared."""

    def _check(self) -> None:
        parse_likeness("dpp", self.similarity)

    def _rerank(self, lists: Lists, catalogue: Catalogue, k: int) -> np.ndarray:
        score, rows = lists.relevance(), np.arange(len(lists))
        alike = Similarity("dpp", self.similarity, catalogue, self.embedder)
        left = np.ones(score.shape)
        factor = np.zeros((k, *score.shape))

        def gain(place: int) -> np.ndarray:
            found: np.ndarray = self.relevance * score + (1 - self.relevance) * np.log(
                np.maximum(left, FLOOR)
            )
            return found

        def take(place: int, chosen: np.ndarray) -> None:
            column = (1 - self.ridge) * alike(lists.item[rows, chosen], lists.item)
            column[rows, chosen] = 1.0
            done = factor[:place]
            column -= np.einsum("prn,pr->rn", done, done[:, rows, chosen])
            own = left[rows, chosen]
            # An item that the others span altogether adds no direction, only noise of the rounding.
            factor[place] = (
                column * np.where(own > FLOOR, 1 / np.sqrt(np.maximum(own, FLOOR)), 0.0)[:, None]
            )
            np.maximum(left - factor[place] ** 2, 0.0, out=left)

        return greedy(lists, k, gain, take)
