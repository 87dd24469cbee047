"""Text-kNN: items that read alike are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.core.settings import Count, Size
from wareloom.language.embedders import LEAN
from wareloom.rankers.content.base import ContentKNN
from wareloom.rankers.content.nearest import nearest
from wareloom.shop import Log, Shop
from wareloom.shop.texts import DEFAULT, field_texts, item_texts, parse_fields, present

NEIGHBOURS, ENTRIES = 1_000, 200_000_000
"""Similar items that are kept for each item, and of all items together, where no number is given"""


@dataclass(kw_only=True, eq=False)
class TextKNN(ContentKNN):
    """Score items by how much their text is like that of the items of the history.

    The similarity of i and j is the cosine of their texts' vectors. A request's score of j is the sum over its events
    of decay^age × weight × similarity (i, j) over the `neighbours` items nearest to each; where that is 0, items follow
    by popularity, below all others. Items without a single event are scored like all others, by their text.

    Of tf-idf the nearest are found exactly in catalogues of some ten thousand items; in larger ones rare words find
    what is compared. Memory: items × neighbours × 16 bytes while it is fitted, half of it kept, beside the vectors.
    Raises `InputError` where there is no text to learn from. Lops et al. (2011) on content-based recommendation.
    """

    needs: ClassVar[str] = (
        "learns from the text of the items, but it was given a log alone: fit it on a shop whose items have a title, "
        "category or brand."
    )

    fields: str = DEFAULT
    """Columns of items that are read, some of title, category, brand, attributes and description; those that are
    missing are passed over. With weights, as in "title^2 brand", similarity is the weighted mean over the fields."""
    embedder: str = "tfidf"
    """What makes vectors of the texts: "tfidf", "minilm" or another embedder."""
    ngrams: Size = 1
    """Longest run of words that makes a term of tf-idf; other embedders have no such thing."""
    neighbours: Count = 0
    """Similar items kept for each item; 0 keeps 1,000, in catalogues of more than 200,000 items as many as come to 200
    million in all."""

    def _check(self) -> None:
        parse_fields(self.fields)

    def _alike(self, shop: Shop, log: Log, run: Run) -> sparse.csr_matrix:
        kept = self.neighbours or max(1, min(NEIGHBOURS, ENTRIES // max(1, len(log.items))))
        return nearest(self._vectors(shop, run), kept)

    def _vectors(self, shop: Shop, run: Run) -> Any:
        """Embed the items: one text each, or where fields have weights, one vector a field side by side."""
        if "^" not in self.fields:
            return self._embedded(item_texts(shop, self.fields), run)
        weights = present(shop, parse_fields(self.fields))
        parts = [self._embedded(field_texts(shop, field), run) for field in weights]
        scales = np.sqrt(np.array([*weights.values()], dtype=np.float32) / sum(weights.values()))
        scaled = [part * scale for part, scale in zip(parts, scales, strict=True)]
        if sparse.issparse(scaled[0]):
            return sparse.hstack(scaled, format="csr", dtype=np.float32)
        return np.hstack(scaled)

    def _embedded(self, texts: list[str], run: Run) -> Any:
        """Return the vectors of `texts`; of tf-idf the terms themselves, not their projection."""
        own = {"ngrams": self.ngrams} if self.embedder == "tfidf" else {}
        return (
            EMBEDDERS.make(self.embedder, **LEAN.get(self.embedder, {}), **own)
            .fit(texts, run)
            .vectors(texts, run)
        )
