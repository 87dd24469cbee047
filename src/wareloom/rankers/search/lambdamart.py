"""LambdaMART: trees that learn from judgments what makes an item a good answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, Positive, Share, Size
from wareloom.core.top import top_k
from wareloom.rankers.search._trees import lightgbm, taught
from wareloom.rankers.search.base import SearchRanker, lifted
from wareloom.rankers.search.judged import Mining, judged, with_lower
from wareloom.rankers.search.match import Matcher
from wareloom.shop import Shop, Vocabulary

START = 8.0
"""Weight of BM25 by the query's rarity, which the trees are added to"""


@dataclass(kw_only=True, eq=False)
class LambdaMART(SearchRanker):
    """Add to BM25 small trees over how query and item match, each fitted to what swapped pairs change in nDCG.

    They see BM25 by field, shares of words, the cosines of tf-idf and of runs of three characters. Items are first
    found by BM25; the `candidates` best are put in order by the trees and all others stand below. Rows of one query and
    one origin are compared with each other alone, and with items that BM25 finds and nobody judged. Without judgments
    it goes by BM25. Needs the extra `learned`. Burges (2010); Ke et al. (2017).
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    renamed: ClassVar[Mapping[str, str]] = {
        "lessons": "training_queries",
        "mined": "hard_negatives",
    }

    trees: Size = 50
    """Trees that are added up; more suit many thousands of labelled queries."""
    leaves: Annotated[int, Ge(2)] = 15
    """Leaves of a tree at most."""
    learning_rate: Positive = 0.05
    """Share of each tree that counts."""
    min_rows: Size = 50
    """Judgments a leaf has at least."""
    sample: Factor = 0.8
    """Share of the judgments, and of the numbers, that each tree sees."""
    candidates: Size = 200
    """Items found by BM25 that are put in order."""
    hard_negatives: Count = 16
    """Items that BM25 finds for a query, that are taken for wrong: where only right ones were judged, or for every
    query where all have lower ones, too; lists of what people judged say nothing of the rest of a catalogue."""
    training_queries: Size = 3_000
    """Queries, at most, for which items are found."""
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

    @cached_property
    def _trees(self) -> Any:
        return lightgbm(self.name).Booster(model_str=self.trees_)

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        if len(query) == 0:
            return np.zeros(0)
        table = self._matcher.pairs(self._matrices, self._matcher.ask(queries), query, item)
        if not self.trees_:
            return table[:, 0].astype(np.float64)
        said = np.asarray(
            self._trees.predict(table, raw_score=True, num_threads=1), dtype=np.float64
        )
        return said + START * table[:, 1]

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
