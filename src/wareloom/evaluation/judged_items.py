"""What a ranker of search is judged by: held-out queries, and the grades that people gave items for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.ranking import Evaluation, metric
from wareloom.metrics import Ranked
from wareloom.metrics.collect import Collector
from wareloom.rankers.search.base import SearchRanker, without_history
from wareloom.rankers.search.members import Members
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.queries import normal_query

RELEVANT = 2.0
"""The grade, of 0 to 3, from which an item is right, where nothing else is said"""
Gain = Literal["linear", "exponential"]
CATALOGUE = ("ndcg@10", "recall@10", "recall@100", "judged@10")
"""What is measured with the whole catalogue ranked, where nothing else is said"""
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
    gain: np.ndarray
    """What an item of that grade is worth, float64 [judged]"""
    left_out: int
    """Queries that say nothing: nothing right for them was judged, or, unless these count too, every order is as
    good"""
    relevant: float

    def __len__(self) -> int:
        return len(self.queries)

    @classmethod
    def of(
        cls,
        shop: Shop,
        part: str,
        relevant: float,
        *,
        single_grade: bool | None = None,
        gain: Gain = "linear",
    ) -> QueryTask:
        """Read the judgments of a held-out part; an item that was judged twice for a query has its mean grade.

        `single_grade`: whether queries count whose judged items all have one grade above 0; None: where no query has
        two grades, as in logs of queries, each with what was chosen; each such item is then right. `gain`: the grade,
        or 2^grade - 1.
        """
        rows = _judged_once(shop)
        if single_grade is None and (single_grade := _single(rows)):
            given = rows["grade"].filter(rows["grade"] > 0).to_numpy()
            relevant = float(given.min(initial=relevant))
        says = pl.col("grade").max() > 0 if single_grade else pl.col("grade").n_unique() > 1
        told = rows.filter(says.over("key")).sort("key", maintain_order=True)
        if told.is_empty():
            lacks = (
                "an item of a grade above 0" if single_grade else "two items of different grades"
            )
            raise InputError(
                f"No query of the {part} part has {lacks}: nothing can be judged. Choose other parts or another seed "
                "of the split, or read more judgments."
            )
        queries = told.group_by("key", maintain_order=True).agg(pl.col("query").first(), pl.len())
        offsets = np.concatenate([[0], np.cumsum(queries["len"].to_numpy())]).astype(np.int64)
        left_out = rows["key"].n_unique() - len(queries)
        grade = told["grade"].to_numpy()
        worth = np.exp2(grade) - 1.0 if gain == "exponential" else grade
        return cls(
            queries["query"].to_list(), offsets, told["item_id"], grade, worth, left_out, relevant
        )

    def about(self) -> dict[str, Any]:
        """What a result says of what was asked."""
        return {
            "requests": len(self),
            "answers": len(self.item),
            "left_out": self.left_out,
            "repeats": True,
        }

    @property
    def query(self) -> np.ndarray:
        """Query of each judged item, int64 [judged]."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def slices(self) -> dict[str, np.ndarray]:
        """Queries by slice: all, and short and long ones where there are both; bool [queries]."""
        long = np.array([len(query.split()) >= LONG for query in self.queries])
        found = {"all": np.ones(len(self), dtype=bool)}
        return (
            found | {"short queries": ~long, "long queries": long}
            if 0 < long.sum() < len(long)
            else found
        )

    def rank_judged(self, ranker: SearchRanker, run: Run) -> Ranked:
        """Put each query's judged items in order, none else; equal scores go by a permutation drawn from the seed."""
        return self.placed(ranker.match(self.queries, self.query, self.item.to_list()), run)

    def placed(self, score: np.ndarray, run: Run) -> Ranked:
        """Put each query's judged items in order by given scores [judged]."""
        tie = run.rng("ties").permutation(len(score))
        order = np.lexsort((tie, -score, self.query))
        counts = np.diff(self.offsets)
        rank = np.arange(len(score)) - self.offsets[self.query] + 1
        none = np.zeros((len(self), 0), dtype=np.int32)
        item = np.arange(len(score), dtype=np.int32)[order]
        return Ranked(
            self.offsets, rank, self.gain[order], item, counts, none, np.zeros(len(score))
        )

    def rank_all(self, ranker: SearchRanker, run: Run) -> Outcome:
        """Rank the whole catalogue for each query; equal scores go by a permutation drawn from the seed.

        An item that the ranker does not know, or cannot score, stands behind all others.
        """
        items = Vocabulary(ranker.items_)
        code, tie = items.encode(self.item), run.rng("ties").permutation(len(items))
        collector, row = Collector(np.zeros(len(items)), depth=1, tie=tie), np.arange(len(code))
        for start, _, scores in ranker.blocks(without_history(self.queries)):
            offsets = self.offsets[start : start + len(scores) + 1]
            part = slice(offsets[0], offsets[-1])
            collector.add(scores, offsets - offsets[0], code[part], row[part])
        found = collector.finish()
        # Rows of a query come back in the order of their ranks: what was handed in as a grade says which row is which.
        row = found.grade.astype(np.int64)
        graded = replace(found, grade=self.gain[row])
        right = replace(found, grade=(self.grade[row] >= self.relevant).astype(np.float64))
        last = run.rng("ties", "unknown").permutation(len(row))[row]
        order = np.lexsort((last, found.rank, self.query))
        place = np.arange(len(row)) - self.offsets[self.query] + 1
        condensed = replace(
            graded,
            rank=place,
            grade=graded.grade[order],
            item=graded.item[order],
            candidates=np.diff(self.offsets),
        )
        return Outcome(right, graded, condensed)


class Outcome(NamedTuple):
    """Where the judged items of each query stand, in three views of one ranking; rows [judged], best rank first."""

    right: Ranked
    """In the whole catalogue; items graded `relevant` or more are worth 1, all others nothing"""
    graded: Ranked
    """In the whole catalogue, each worth its gain; what nobody judged is worth nothing"""
    condensed: Ranked
    """In the list with all that nobody judged taken out, each worth its gain (condensed lists: Sakai 2007)"""


def single_graded(shop: Shop) -> bool:
    """Whether no query of a shop has two items of different grades, so that no order of judged items says anything."""
    return _single(_judged_once(shop))


def _judged_once(shop: Shop) -> pl.DataFrame:
    """Columns key, item_id, query and grade; an item that was judged twice for a query has its mean grade."""
    rows = shop.scan("judgments").with_columns(key=normal_query()).collect()
    return rows.group_by("key", "item_id", maintain_order=True).agg(
        pl.col("query").first(), pl.col("grade").mean()
    )


def _single(rows: pl.DataFrame) -> bool:
    """Whether every key has one grade alone; not so where there are no rows."""
    grades = rows.group_by("key").agg(pl.col("grade").n_unique())["grade"]
    return len(grades) > 0 and grades.max() == 1


@dataclass(frozen=True, kw_only=True)
class QueryMeasures:
    """What is measured of a ranker of search."""

    metrics: tuple[str, ...] = ("ndcg@10",)
    """On each query's list with all that nobody judged taken out (a condensed list), by grade"""
    catalogue_metrics: tuple[str, ...] = CATALOGUE
    """With the whole catalogue ranked, what nobody judged being worth nothing; "judged@10" is the share of the first
    ten that somebody judged"""
    members: bool = False
    """Whether the members of a ranker that is made of others are measured alone, too"""

    def called(self, name: str) -> str:
        """What a catalogue metric is called: "ndcg@10, all items" where `metrics` has it too, or there are none."""
        return f"{name}, all items" if name in self.metrics or not self.metrics else name


def evaluate_queries(
    model: SearchRanker, task: QueryTask, measures: QueryMeasures, run: Run
) -> Evaluation:
    """Measure a ranker on held-out queries: on condensed lists, and with the whole catalogue ranked.

    Where the catalogue is ranked, its lists are condensed; else each judged pair is scored by itself.
    """
    measured = _outcomes(model, task, measures, run)
    if measures.members and isinstance(model, Members):
        for name, member in model.members_.items():
            measured += _outcomes(member, task, measures, run, f" of {name}")
    per_request: dict[str, np.ndarray] = {}
    overall: dict[str, float] = {}
    for label, name, outcome in measured:
        made = metric(name)
        values = made.per_request(outcome)
        if values is None:
            raise SettingError(
                f"The metric {name!r} is no mean over queries: take one such as ndcg@10."
            )
        overall[label] = made.measure(outcome)
        for part, held in task.slices().items():
            per_request[f"{label}/{part}"] = np.where(held, values, np.nan)
    return Evaluation(per_request, overall)


def _outcomes(
    model: SearchRanker, task: QueryTask, measures: QueryMeasures, run: Run, whose: str = ""
) -> list[tuple[str, str, Ranked]]:
    """What each metric is called, the metric, and the outcome that it is taken of."""
    if not measures.catalogue_metrics:
        judged = task.rank_judged(model, run)
        return [(name + whose, name, judged) for name in measures.metrics]
    with run.limits():
        right, graded, condensed = task.rank_all(model, run)
    found = [(name + whose, name, condensed) for name in measures.metrics]
    outcome = {
        name: graded if name.startswith("ndcg") else right for name in measures.catalogue_metrics
    }
    return found + [
        (measures.called(name) + whose, name, ranked) for name, ranked in outcome.items()
    ]
