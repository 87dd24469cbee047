"""Rank the whole catalogue for every held-out request, and measure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.evaluation.tasks import Task
from wareloom.metrics import ClassMetric, ClickMetric, Metric, Ranked
from wareloom.metrics.collect import Collector
from wareloom.rankers import Ranker, mask_seen
from wareloom.shop import Vocabulary
from wareloom.stats.bootstrap import combine, resample

DEPTH = 50
"""Places of each list that are kept for the metrics of lists."""
DEFAULT_METRICS = ("ndcg@10", "recall@10", "recall@50", "mrr", "coverage@10")


@dataclass(frozen=True)
class Evaluation:
    """What a ranker reached on a task."""

    per_request: dict[str, np.ndarray]
    """float64 [requests] by "metric/slice", NaN where it says nothing"""
    overall: dict[str, float]
    """By metric, over all requests"""
    training: dict[str, Any] = field(default_factory=dict)
    """What the ranker was given in a proof: "events", and "updates" where it takes gradient updates"""

    def table(self) -> pl.DataFrame:
        """Columns metric, value."""
        return pl.DataFrame({"metric": list(self.overall), "value": list(self.overall.values())})


def metric(name: str) -> Metric:
    """Make the metric called "ndcg@10" (the list's length after the @) or "auc"."""
    stem, _, k = name.partition("@")
    if k and not k.isdigit():
        raise SettingError(
            f"The metric {name!r} must look like 'ndcg@10': a name, and the list's length after an @."
        )
    made = METRICS.make(stem, **({"k": int(k)} if k else {}))
    if not isinstance(made, Metric):
        kind, where = "synthetic shops", "`wareloom compare`"
        if isinstance(made, ClickMetric):
            kind, where = "predictions", "proofs of clicks"
        elif isinstance(made, ClassMetric):
            kind, where = "classes of photos", "proofs of pictures"
        raise SettingError(f"The metric {name!r} judges {kind}, not rankings: it is for {where}.")
    return made


def bounds_of(label: str) -> tuple[float, float]:
    """What the mean of a metric cannot be below, or above, by what it is called: "recall@10", "ndcg@10, all items"."""
    stem = re.split(r"@|, | of ", label)[0]
    known = METRICS.load(stem) if stem in METRICS.names() else None
    if known is None or not issubclass(known, Metric | ClickMetric | ClassMetric):
        return -math.inf, math.inf
    return known.bounds


def rank_all(ranker: Ranker, task: Task, run: Run | None = None) -> Ranked:
    """Rank every item for each request of `task`; equal scores go by a permutation drawn from the run's seed.

    Items of the history are no candidates unless the task allows repeats. An answer that the ranker does not know comes
    last.
    """
    run = run or Run()
    assert task.requests.histories is not None
    fitted = Vocabulary(ranker.items_)
    code = fitted.recode(task.requests.histories.items)
    collector = Collector(
        _moved(task.popularity, code, len(fitted)),
        depth=DEPTH,
        groups=None if task.groups is None else _moved(task.groups, code, len(fitted)),
        tie=run.rng("ties").permutation(len(fitted)),
    )
    label = f"{ranker.name}: rank {len(task):,} requests × {len(fitted):,} items"
    with run.limits(), run.task(label, len(task)) as advance:
        for start, block, scores in ranker.blocks(task.requests):
            if not task.repeats:
                mask_seen(scores, block)
            offsets = task.offsets[start : start + len(scores) + 1]
            collector.add(scores, offsets - offsets[0], code[task.item[offsets[0] : offsets[-1]]])
            advance(len(scores))
            del scores
    return collector.finish()


def _moved(values: np.ndarray, code: np.ndarray, size: int) -> np.ndarray:
    """Move a value an item of the task to the ranker's codes; items only the ranker knows get 0."""
    moved = np.zeros(size, dtype=values.dtype)
    moved[code[code >= 0]] = values[code >= 0]
    return moved


def evaluate(
    ranker: Ranker, task: Task, metrics: Sequence[str] = DEFAULT_METRICS, run: Run | None = None
) -> Evaluation:
    """Measure `ranker` on `task`, over all requests and in each slice."""
    made = {name: metric(name) for name in metrics}
    ranked = rank_all(ranker, task, run)
    slices = {"all": np.ones(len(ranked.rank), dtype=bool)}
    per_request: dict[str, np.ndarray] = {}
    for name, rows in (slices | _slices(task, ranker, ranked)).items():
        part = only(ranked, rows)
        for label, measure in made.items():
            values = measure.per_request(part)
            if values is not None:
                per_request[f"{label}/{name}"] = np.where(part.relevant > 0, values, np.nan)
    overall = {label: measure.measure(ranked) for label, measure in made.items()}
    return Evaluation(per_request, overall)


def _slices(task: Task, ranker: Ranker, ranked: Ranked) -> dict[str, np.ndarray]:
    """Rows of the answers by slice, in the order of `ranked`; an answer that the ranker does not know is cold.

    Where some answers are cold, the others are a slice, too: what no training event is on can be guessed by that alone.
    """
    assert task.requests.histories is not None
    fitted = Vocabulary(ranker.items_)
    code = fitted.recode(task.requests.histories.items)
    by_item = {}
    for name, items in task.item_slices().items():
        by_item[name] = np.append(_moved(items, code, len(fitted)), name == "cold")[ranked.item]
    if by_item["cold"].any():
        by_item["warm"] = ~by_item["cold"]
    by_user = {name: flag[ranked.request] for name, flag in task.flags.items()}
    return {name: rows for name, rows in (by_item | by_user).items() if rows.any()}


def only(ranked: Ranked, rows: np.ndarray) -> Ranked:
    """Keep some of the relevant items (bool [relevant]); a request that loses all of them says nothing."""
    offsets = np.concatenate([[0], np.cumsum(rows)])[ranked.offsets].astype(np.int64)
    return replace(
        ranked,
        offsets=offsets,
        rank=ranked.rank[rows],
        grade=ranked.grade[rows],
        item=ranked.item[rows],
    )


def intervals(
    evaluation: Evaluation, run: Run | None = None, *, turned: bool = False
) -> pl.DataFrame:
    """Columns metric, slice, mean, low, high (95 % over requests), requests.

    Metrics of the whole catalogue have no interval, nor has a single request. `turned`: whether the evaluation holds
    means with their sign turned; they get their own back.
    """
    names = list(evaluation.per_request)
    values = np.stack([evaluation.per_request[name] for name in names], axis=1)
    means = resample(values, (run or Run()).rng("bootstrap"))
    rows: list[dict[str, object]] = []
    for column, name in enumerate(names):
        label, _, part = name.partition("/")
        requests = int((~np.isnan(values[:, column])).sum())
        sign = -1.0 if turned else 1.0
        interval = combine(
            sign * float(np.nanmean(values[:, column])),
            sign * means[:, column],
            np.zeros(1),
            requests=requests,
        ).within(*bounds_of(label))
        rows.append(
            {
                "metric": label,
                "slice": part,
                "mean": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "requests": requests,
            }
        )
    done = {name.partition("/")[0] for name in names}
    rows += [
        {"metric": label, "slice": "all", "mean": value}
        for label, value in evaluation.overall.items()
        if label not in done
    ]
    return pl.DataFrame(rows, infer_schema_length=None).sort("slice", maintain_order=True)
