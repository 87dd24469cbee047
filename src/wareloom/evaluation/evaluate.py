"""One trained ranker on the held-out part, by what it is made for: lists, clicks or queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from wareloom.core import frames, notebook
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.evaluation.judged_items import (
    RELEVANT,
    QueryMeasures,
    QueryTask,
    evaluate_queries,
    single_graded,
)
from wareloom.evaluation.ranking import DEFAULT_METRICS, evaluate, intervals
from wareloom.evaluation.shown_items import DEFAULT_METRICS as CLICK_METRICS
from wareloom.evaluation.shown_items import ShownItems
from wareloom.evaluation.tasks import build_task
from wareloom.preparing.splits import Split, together
from wareloom.rankers import Ranker
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.rankers.search.base import SearchRanker
from wareloom.shop import Shop
from wareloom.shop.impressions import has_impressions


@dataclass(frozen=True)
class Judged:
    """What a ranker reached."""

    of: str
    """The kind of what it was judged on: recommendation, clicks or search"""
    requests: int
    table: pl.DataFrame
    """Columns metric, slice, mean, low, high, requests"""

    def to_polars(self) -> pl.DataFrame:
        """Return the figures as a frame of polars: metric, slice, mean, low, high, requests."""
        return self.table

    def to_pandas(self) -> Any:
        """Return the figures as a frame of pandas; raises `MissingExtraError` where pandas is not installed."""
        return frames.to_pandas(self.table)

    def __str__(self) -> str:
        with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True):
            return str(self.table)

    def __repr__(self) -> str:
        first = [
            f"{row['metric']} {notebook.text_of(row['mean'])}"
            for row in self.table.filter(slice="all").head(3).iter_rows(named=True)
        ]
        return notebook.line("Judged", f"{self.requests:,} {self.unit}", *first)

    def _repr_html_(self) -> str:
        title = f"{self.requests:,} {self.unit}, with 95 % intervals"
        rows = notebook.Table("By metric and slice", self.table.columns, self.table.iter_rows())
        return notebook.card(f"Judged on {self.of}", title, {}, [rows])

    @property
    def unit(self) -> str:
        """What its requests are called."""
        return {"clicks": "impressions", "search": "queries"}.get(self.of, "requests")


def judge(
    ranker: Ranker, parts: Split, part: str, metrics: Sequence[str] = (), run: Run | None = None
) -> Judged:
    """Judge on the "validation" or "test" part: clicks, queries, or lists where the part has neither for this ranker.

    `metrics`: those of the kind where there are none. Where no query has two items of different grades, the whole
    catalogue is ranked for each. Raises `SettingError` for another part or another kind's metric.
    """
    run = run or Run()
    if part not in ("validation", "test"):
        raise SettingError(f"There is no part {part!r} to be judged on: take validation or test.")
    shop: Shop = getattr(parts, part)
    if isinstance(ranker, ClickRanker) and has_impressions(shop):
        earlier = [parts.train] if part == "validation" else [parts.train, parts.validation]
        held = ShownItems(shop, part, together(earlier))
        found = held.evaluate(ranker.predict(shop, held.earlier), metrics or CLICK_METRICS)
        return Judged("clicks", len(held.label), intervals(found, run, turned=True))
    if isinstance(ranker, SearchRanker) and shop.rows("judgments"):
        measures = QueryMeasures()
        if single_graded(shop):
            asked = tuple(metrics) or measures.catalogue_metrics
            measures = QueryMeasures(metrics=(), catalogue_metrics=asked)
        elif metrics:
            measures = QueryMeasures(metrics=tuple(metrics), catalogue_metrics=())
        task = QueryTask.of(shop, part, RELEVANT)
        return Judged(
            "search", len(task), intervals(evaluate_queries(ranker, task, measures, run), run)
        )
    task_ = build_task(parts, part)
    return Judged(
        "recommendation",
        len(task_),
        intervals(evaluate(ranker, task_, metrics or DEFAULT_METRICS, run), run),
    )
