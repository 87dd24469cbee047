"""LambdaMART: trees that learn from judgments what makes an item a good answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Share, Size
from wareloom.core.top import top_k
from wareloom.rankers.search.base import SearchRanker, lifted
from wareloom.rankers.search.judged import Mining, judged, with_lower
from wareloom.rankers.search.match import Matcher
from wareloom.rankers.search.trees import Trees, taught
from wareloom.shop import Shop, Vocabulary

START = 8.0
"""Weight of BM25 by the query's rarity, which the trees are added to"""


@dataclass(kw_only=True, eq=False)
class LambdaMART(Trees, SearchRanker):
    """Add to BM25 small trees over how query and item match, each fitted to what swapped pairs change in nDCG.

    They see BM25 by field, shares of words, the cosines of tf-idf and of runs of three characters. Items are first
    found by BM25; the `candidates` best are put in order by the trees and all others stand below. Rows of one query and
    one origin are compared with each other alone, and with items that BM25 finds and nobody judged. Without judgments
    it goes by BM25. Needs the extra `learned`. Burges (2010); Ke et al. (2017).
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    candidates: Size = 200
    """Items found by BM25 that are put in order."""
    k1: NonNegative = 1.2
    """As in the ranker bm25."""
    b: Share = 0.75
    """As in the ranker bm25."""

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        for name, value in Matcher.learn(texts, self.k1, self.b).state().items():
            setattr(self, name, value)
        self.trees_ = ""
        rows = judged(shop, Vocabulary(self.items_))
        if len(rows):
            rows = with_lower(
                rows,
                Mining(self._found, self.hard_negatives, self.training_queries),
                run.rng("lambdamart", "mined"),
            )
        if len(rows) == 0:
            return
        query = rows["query"].rank("dense").to_numpy().astype(np.int64) - 1
        names = rows.group_by("query").len().sort("query")["query"].to_list()
        table = self._matcher.pairs(
            self._matrices, self._matcher.ask(names), query, rows["item"].to_numpy()
        )
        self.trees_ = taught(
            self, table, rows, lambda grade: grade, run, START * table[:, 1].astype(np.float64)
        )

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher.of(self, self.k1, self.b)

    @cached_property
    def _matrices(self) -> dict[str, Any]:
        return self._matcher.weighted()

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        if len(query) == 0:
            return np.zeros(0)
        table = self._matcher.pairs(self._matrices, self._matcher.ask(queries), query, item)
        if not self.trees_:
            return table[:, 0].astype(np.float64)
        return self._grown(table) + START * table[:, 1]

    def _found(self, queries: list[str]) -> Iterator[np.ndarray]:
        """The candidates of each query."""
        for start, stop in self._blocks(len(queries)):
            scores = self._by_words(queries[start:stop])
            yield from top_k(scores, min(self.candidates, scores.shape[1]))

    def _by_words(self, queries: Sequence[str]) -> np.ndarray:
        """BM25 of all items: float32 [queries, items]."""
        found: np.ndarray = (
            (self._matcher.ask(queries).counts @ self._matrices["all"].T)
            .toarray()
            .astype(np.float32)
        )
        return found

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        scores = self._by_words(queries)
        if not self.trees_:
            return scores
        best = top_k(scores, min(self.candidates, scores.shape[1]))
        row, item = np.repeat(np.arange(len(best)), best.shape[1]), best.ravel()
        return lifted(scores, row, item, self._match_pairs(queries, row, item))
