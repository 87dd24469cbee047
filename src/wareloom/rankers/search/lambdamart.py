"""LambdaMART: trees that learn from judgments what makes an item a good answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from wareloom.errors import require
from wareloom.rankers._top import top_k
from wareloom.rankers.search._base import SearchRanker, lifted
from wareloom.rankers.search._judged import judged
from wareloom.rankers.search._match import Matcher
from wareloom.rankers.search._trees import lightgbm, taught
from wareloom.run import Run
from wareloom.shop import Shop, Vocabulary

TIE = 1e-4
"""Weight of BM25, at most this in a score, where the trees say the same"""


@dataclass(kw_only=True, eq=False)
class LambdaMART(SearchRanker):
    """Add up small trees over how query and item match, each fitted to the change in nDCG that swapping a pair makes.

    They see BM25 by field, shares of words, the cosines of tf-idf and of runs of three characters. Items are first
    found by BM25; the `candidates` best are put in order by the trees and all others stand below. Rows of one query and
    one origin are compared with each other alone. Without judgments it goes by BM25. Needs the extra `learned`. Burges
    (2010); Ke et al. (2017).
    """

    trees: int = 150
    """Trees that are added up."""
    leaves: int = 15
    """Leaves of a tree at most."""
    learning_rate: float = 0.05
    """Share of each tree that counts."""
    min_rows: int = 50
    """Judgments a leaf has at least."""
    sample: float = 0.8
    """Share of the judgments, and of the numbers, that each tree sees."""
    candidates: int = 200
    """Items found by BM25 that are put in order."""
    k1: float = 1.2
    """As in the ranker bm25."""
    b: float = 0.75
    """As in the ranker bm25."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("trees", "min_rows", "candidates"):
            require("lambdamart", name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        require("lambdamart", "leaves", self.leaves, self.leaves >= 2, "2 or more")
        require("lambdamart", "learning_rate", self.learning_rate, self.learning_rate > 0, "a number above 0")
        require("lambdamart", "sample", self.sample, 0 < self.sample <= 1, "a share above 0, at most 1")
        require("lambdamart", "k1", self.k1, self.k1 >= 0, "0 or more")
        require("lambdamart", "b", self.b, 0 <= self.b <= 1, "a share from 0 to 1")

    def _learn(self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run) -> None:
        for name in ("_matcher", "_matrices", "_trees"):
            self.__dict__.pop(name, None)
        for name, value in Matcher.learn(texts, self.k1, self.b).state().items():
            setattr(self, name, value)
        self.trees_ = ""
        rows = judged(shop, Vocabulary(self.items_))
        if len(rows) == 0:
            return
        query = rows["query"].rank("dense").to_numpy().astype(np.int64) - 1
        names = rows.group_by("query").len().sort("query")["query"].to_list()
        table = self._matcher.pairs(self._matrices, self._matcher.ask(names), query, rows["item"].to_numpy())
        self.trees_ = taught(self, table, rows, lambda grade: grade, run)

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher.of(self, self.k1, self.b)

    @cached_property
    def _matrices(self) -> dict[str, Any]:
        return self._matcher.weighted()

    @cached_property
    def _trees(self) -> Any:
        return lightgbm(self.name).Booster(model_str=self.trees_)

    def _match_pairs(self, queries: Sequence[str], query: np.ndarray, item: np.ndarray) -> np.ndarray:
        if len(query) == 0:
            return np.zeros(0)
        table = self._matcher.pairs(self._matrices, self._matcher.ask(queries), query, item)
        if not self.trees_:
            return table[:, 0].astype(np.float64)
        said = np.asarray(self._trees.predict(table, raw_score=True, num_threads=1), dtype=np.float64)
        return said + TIE * table[:, 1] / (1 + table[:, 1])

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        asked = self._matcher.ask(queries)
        scores = (asked.counts @ self._matrices["all"].T).toarray().astype(np.float32)
        if not self.trees_:
            return scores
        best = top_k(scores, min(self.candidates, scores.shape[1]))
        row, item = np.repeat(np.arange(len(best)), best.shape[1]), best.ravel()
        return lifted(scores, row, item, self._match_pairs(queries, row, item))
