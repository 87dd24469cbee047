"""What a ranker of search is judged by: held-out queries, and the grades that people gave items for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.metrics import Ranked
from wareloom.metrics._collect import Collector
from wareloom.rankers.search._base import SearchRanker, without_history
from wareloom.run import Run
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.splits_by import normal_query

LONG = 3
"""Words from which a query is a long one, where words are divided by spaces"""


@dataclass(frozen=True)
class QueryTask:
    """Queries whose judged items can be told apart; those of query q are offsets[q]:offsets[q+1]."""

    queries: Sequence[str]
    offsets: np.ndarray
    """int64 [queries + 1]"""
    item: pl.Series
    """Ids of the judged items"""
    grade: np.ndarray
    """float64 [judged]"""
    left_out: int
    """Queries whose judged items all have one grade: every order of them is as good"""
    relevant: float

    def __len__(self) -> int:
        return len(self.queries)

    @classmethod
    def of(cls, shop: Shop, part: str, relevant: float) -> QueryTask:
        """Read the judgments of a held-out part; an item that was judged twice for a query has its mean grade."""
        rows = shop.scan("judgments").with_columns(key=normal_query()).collect()
        rows = rows.group_by("key", "item_id", maintain_order=True).agg(pl.col("query").first(), pl.col("grade").mean())
        told = rows.filter(pl.col("grade").n_unique().over("key") > 1).sort("key", maintain_order=True)
        if told.is_empty():
            raise InputError(
                f"No query of the {part} part has two items of different grades: no order can be judged. Give it a "
                "larger share of the split."
            )
        queries = told.group_by("key", maintain_order=True).agg(pl.col("query").first(), pl.len())
        offsets = np.concatenate([[0], np.cumsum(queries["len"].to_numpy())]).astype(np.int64)
        left_out = rows["key"].n_unique() - len(queries)
        grade = told["grade"].to_numpy()
        return cls(queries["query"].to_list(), offsets, told["item_id"], grade, left_out, relevant)

    @property
    def query(self) -> np.ndarray:
        """Query of each judged item, int64 [judged]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def slices(self) -> dict[str, np.ndarray]:
        """Queries by slice: all, and short and long ones where there are both; bool [queries]."""
        long = np.array([len(query.split()) >= LONG for query in self.queries])
        found = {"all": np.ones(len(self), dtype=bool)}
        return found | {"short queries": ~long, "long queries": long} if 0 < long.sum() < len(long) else found

    def rank_judged(self, ranker: SearchRanker, run: Run) -> Ranked:
        """Put each query's judged items in order, none else; equal scores go by a permutation drawn from the seed."""
        score = ranker.match(self.queries, self.query, self.item.to_list())
        tie = run.rng("ties").permutation(len(score))
        order = np.lexsort((tie, -score, self.query))
        counts = np.diff(self.offsets)
        rank = np.arange(len(score)) - self.offsets[self.query] + 1
        none = np.zeros((len(self), 0), dtype=np.int32)
        item = np.arange(len(score), dtype=np.int32)[order]
        return Ranked(self.offsets, rank, self.grade[order], item, counts, none, np.zeros(len(score)))

    def rank_all(self, ranker: SearchRanker, run: Run) -> Ranked:
        """Rank the whole catalogue for each query; right is what was graded `relevant` or more, all alike."""
        items = Vocabulary(ranker.items_)
        code = items.encode(self.item)
        right = self.grade >= self.relevant
        offsets = np.concatenate([[0], np.cumsum(right)])[self.offsets]
        code = code[right]
        collector = Collector(np.zeros(len(items)), depth=1, tie=run.rng("ties").permutation(len(items)))
        for start, _, scores in ranker.blocks(without_history(self.queries)):
            part = offsets[start : start + len(scores) + 1]
            collector.add(scores, part - part[0], code[part[0] : part[-1]])
        return collector.finish()
