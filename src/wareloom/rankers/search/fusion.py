"""Fusion: several rankers of search as one, by their places or by their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Positive, Size
from wareloom.core.top import top_k
from wareloom.errors import require
from wareloom.rankers.search.base import SearchRanker, scaled
from wareloom.rankers.search.judged import judged
from wareloom.rankers.search.members import Members
from wareloom.shop import Shop, Vocabulary

GRID = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Weights that are tried for each member, beside the first's 1"""
SWEEPS = 2
"""How often the weight of each member is chosen anew"""
DEPTH = 10
"""Places by which weights are judged"""


@dataclass(kw_only=True, eq=False)
class Fusion(Members, SearchRanker):
    """Add up what each member says of an item, by its place in the member's list or by its score.

    "rrf" adds up 1 / (`constant` + place): reciprocal-rank fusion over the first `depth` places (Cormack, Clarke and
    Büttcher 2009); "zscore" adds up scores less their mean, in units of their spread: it takes the mean and the
    standard deviation of each member's scores over the catalogue (Fox and Shaw 1994 add them up). Weights are given,
    equal, or learned from the judgments: those of the highest mean nDCG@10 of judged items, one member after the other.
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    quick: ClassVar[Mapping[str, Any]] = {"members": ("bm25", "lambdamart")}

    spelling: bool = True
    """Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the
    extra `text`."""
    by: Literal["zscore", "rrf"] = "zscore"
    """What is added up: scores in units of their spread, or reciprocal ranks."""
    weights: dict[str, float] = field(default_factory=dict)
    """Weights by member; 1 where nothing is said."""
    learn: bool = False
    """Whether the weights are learned from the judgments, where there are any."""
    constant: Positive = 60.0
    """What is added to a place before it is inverted."""
    depth: Size = 1_000
    """Places of each member that count."""

    def _check(self) -> None:
        super()._check()
        known = {*self.weights} <= {*self.members}
        known = known and all(weight >= 0 for weight in self.weights.values())
        wanted = f"numbers from 0, for names among {', '.join(self.members)}"
        require("fusion", "weights", self.weights, known, wanted)

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        self.shares_ = np.array([self.weights.get(name, 1.0) for name in self.members])
        rows = (
            judged(shop, Vocabulary(self.items_)) if self.learn and len(self.members) > 1 else None
        )
        if rows is not None and len(rows):
            self.shares_ = self._learned(
                rows["said"].to_list(), rows["item"].to_numpy(), rows["grade"].to_numpy()
            )

    def _learned(self, said: list[str], item: np.ndarray, grade: np.ndarray) -> np.ndarray:
        queries = list(dict.fromkeys(said))
        code = {text: place for place, text in enumerate(queries)}
        query = np.array([code[text] for text in said])
        order = np.argsort(query, kind="stable")
        query, item, grade = query[order], item[order].astype(np.int64), grade[order]
        parts = self._said_pairs(queries, query, item)
        best = self.shares_.copy()
        value = _ndcg(best @ parts, grade, query)
        for _ in range(SWEEPS):
            for member in range(1, len(best)):
                for weight in GRID:
                    tried = best.copy()
                    tried[member] = weight
                    if (found := _ndcg(tried @ parts, grade, query)) > value:
                        best, value = tried, found
        return best

    def _said_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        """What each member says of pairs: float64 [members, pairs]."""
        found = np.zeros((len(self.members), len(query)))
        for start, stop in self._blocks(len(queries)):
            rows = np.flatnonzero((query >= start) & (query < stop))
            for member, scores in enumerate(self._said(queries[start:stop])):
                found[member, rows] = scores[query[rows] - start, item[rows]]
        return found

    def _said(self, queries: Sequence[str]) -> list[np.ndarray]:
        """What each member says of all items: float32 [queries, items] each."""
        return [
            self._placed(scores) if self.by == "rrf" else scaled(scores)
            for scores in self._asked(queries)
        ]

    def _placed(self, scores: np.ndarray) -> np.ndarray:
        best = top_k(scores, min(self.depth, scores.shape[1]))
        found = np.zeros_like(scores)
        value = (1 / (self.constant + 1 + np.arange(best.shape[1]))).astype(np.float32)
        there = np.take_along_axis(scores, best, axis=1) > scores.min(axis=1, keepdims=True)
        np.put_along_axis(
            found, best, np.where(there, value[None, :], 0.0).astype(np.float32), axis=1
        )
        return found

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        said = self._said(queries)
        total = np.zeros_like(said[0])
        for share, scores in zip(self.shares_, said, strict=True):
            total += np.float32(share) * scores
        return total


def _ndcg(score: np.ndarray, grade: np.ndarray, query: np.ndarray) -> float:
    """Mean nDCG@10 of judged items; `query` ascends."""
    start = np.concatenate([[0], np.flatnonzero(np.diff(query)) + 1])
    group = np.repeat(np.arange(len(start)), np.diff(np.append(start, len(query))))

    def gained(by: np.ndarray) -> np.ndarray:
        order = np.lexsort((-by, group))
        place = np.arange(len(order)) - start[group]
        gain = np.where(place < DEPTH, grade[order] / np.log2(place + 2), 0.0)
        return np.bincount(group, weights=gain)

    best = gained(grade)
    return float((gained(score)[best > 0] / best[best > 0]).mean()) if (best > 0).any() else 0.0
