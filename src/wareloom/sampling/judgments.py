"""The judgments that the arms of a proof of search are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.preparing.splits import Split
from wareloom.sampling.generator import Generator
from wareloom.shop import Shop
from wareloom.shop.queries import normal_query
from wareloom.shop.schema import REAL
from wareloom.synthesis import Synthesizer
from wareloom.synthesis.labels.base import LabelSynthesizer
from wareloom.synthesis.queries.base import QuerySynthesizer

CUT = "spans"
"""The synthesizer whose queries are the naive ones"""
SPARE = 1.5
"""Naive queries for each synthetic one: held-out ones are taken, and whole queries are drawn until there are enough"""
COLUMNS = ("query", "item_id", "grade", "origin", "weight")
NOTHING = pl.DataFrame(
    schema={
        "query": pl.String,
        "item_id": pl.String,
        "grade": pl.Float64,
        "origin": pl.String,
        "weight": pl.Float32,
    }
)
"""No judgments"""


@dataclass(frozen=True)
class JudgmentPool:
    """Synthetic judgments of one seed and those of the controls, with the columns `COLUMNS`."""

    kept: pl.DataFrame
    repeated: pl.DataFrame
    naive: pl.DataFrame
    origin: str
    lists: list[list[float]]
    """The grades that each synthetic query was given, the highest first"""
    report: dict[str, Any]
    """What was taken of the sample, and why"""

    def about(self) -> dict[str, Any]:
        """What a proof says of it."""
        grades = self.kept["grade"].round(0).value_counts().sort("grade")
        return {
            "judgments": len(self.kept),
            "queries": self.kept["query"].n_unique(),
            "grades": {f"{grade:g}": count for grade, count in grades.iter_rows()},
            "screens": {"judgments": self.report},
            "origin": self.origin,
        }


def real_rows(shop: Shop) -> pl.DataFrame:
    """The judgments of a shop with the columns `COLUMNS`."""
    return shop.table("judgments").select(COLUMNS)


def make_pool(
    generator: Generator, parts: Split, most: float, run: Run, queries: int = 0
) -> JudgmentPool:
    """Fit the synthesizer on the training part and sample judgments of `queries` queries, or `most` for each real one.

    Where no number is named it is asked for so many queries as `most` takes at the real number of judgments a query.
    Rows on items that the catalogue lacks and of queries that are held out are taken. The naive judgments are of runs
    of words cut out of titles, graded as the synthetic ones are, so that an arm differs by its queries alone; without
    titles they are the real queries with items and grades drawn at random. Raises `InputError` where a sample has no
    judgments, or passes for real.
    """
    real = real_rows(parts.train) if parts.train.rows("judgments") else NOTHING
    queries = (
        queries or int(np.ceil(1.25 * most * real.select(normal_query().n_unique()).item())) + 1
    )
    fitted = SYNTHESIZERS.make(generator.synthesizer, **generator.settings).fit(parts.train, run)
    sample: Shop = fitted.sample(queries, run)
    if not sample.rows("judgments"):
        raise InputError(
            f"The synthesizer {fitted.name!r} made no judgments (its tables: {', '.join(sample.names)}): a proof of "
            "search needs one that makes queries and grades."
        )
    made = real_rows(sample)
    if (made["origin"] == REAL).any():
        raise InputError(
            f"The synthesizer {fitted.name!r} gives judgments that say they are real: set their origin."
        )
    kept, report = _screened(made, parts)
    if kept.is_empty():
        raise InputError(
            f"Nothing is left of the judgments of {fitted.name!r}: {report['reasons']}."
        )
    lists = grade_lists(kept, fitted)
    if not len(real):
        naive = _cut(kept, lists, fitted, parts, run)
        return JudgmentPool(kept, NOTHING, naive, fitted.origin, lists, report)
    times = int(np.ceil(max(most, len(kept) / len(real))))
    if _titled(parts.train):
        naive = _cut(kept, lists, fitted, parts, run)
    else:
        naive = _naive(real, parts.train, times + 1, run.rng("judgments", "naive"))
    copies = [real.with_columns(origin=pl.lit(f"repeated-{copy}")) for copy in range(times)]
    return JudgmentPool(kept, pl.concat(copies), naive, fitted.origin, lists, report)


def _titled(shop: Shop) -> bool:
    """Whether a title has a word, so that queries can be cut out of titles."""
    words = pl.col("title").str.contains(r"\w")
    return shop.has("items", "title") and bool(
        shop.scan("items").select(words.any()).collect().item()
    )


def _screened(made: pl.DataFrame, parts: Split) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Take what cannot be learned from, and held-out queries: a generator that has met them must gain nothing."""
    held = pl.concat(
        [part.scan("judgments").select(normal_query()) for part in (parts.validation, parts.test)]
    )
    queries, items = held.unique().collect()["query"], parts.train.table("items")["item_id"]
    normal = made.select(normal_query())["query"]
    reasons = {
        "unknown item": ~made["item_id"].is_in(items.implode()),
        "no query": (normal == "").fill_null(True),
        "held-out query": normal.is_in(queries.implode()).fill_null(False),
    }
    taken, counts = pl.Series([False]).new_from_index(0, len(made)), {}
    for reason, rows in reasons.items():
        if fresh := int((rows & ~taken).sum()):
            counts[reason] = fresh
        taken |= rows
    return made.filter(~taken), {"seen": len(made), "rejected": int(taken.sum()), "reasons": counts}


def _cut(
    kept: pl.DataFrame, lists: list[list[float]], fitted: Synthesizer, parts: Split, run: Run
) -> pl.DataFrame:
    """Runs of words of titles, labelled as the synthetic queries are: what teaches by them takes the same loss.

    A synthesizer of labels grades them itself, found and screened by its own settings. Else each takes the grades of a
    synthetic query: the product that it came from the highest, others drawn at random the rest.
    """
    own = run.with_(seed=run.seed_for("judgments", "naive"))
    queries = int(np.ceil(SPARE * kept["query"].n_unique()))
    if isinstance(fitted, LabelSynthesizer):
        settings = fitted.settings() | {"queries": CUT, "query_settings": {}}
        made = SYNTHESIZERS.make(fitted.name, **settings).fit(parts.train, own)
        rows = real_rows(made.sample(queries, own)).with_columns(origin=pl.lit("naive"))
        return _screened(rows, parts)[0]
    count, rng = int(np.ceil(SPARE * len(lists))), run.rng("judgments", "cut")
    rows = real_rows(SYNTHESIZERS.make(CUT).fit(parts.train, own).sample(count, own))
    grades = [lists[place] for place in rng.integers(len(lists), size=len(rows))]
    items = parts.train.table("items")["item_id"]
    first = pl.Series([each[0] for each in grades], dtype=pl.Float64)
    others = pl.Series([each[1:] for each in grades], dtype=pl.List(pl.Float64))
    more = rows.with_columns(grade=others).explode("grade", empty_as_null=False)
    more = more.with_columns(item_id=items.gather(rng.integers(len(items), size=len(more))))
    every = pl.concat([rows.with_columns(grade=first), more.select(rows.columns)])
    every = every.with_columns(origin=pl.lit("naive"))
    # An item drawn for the query that it came from keeps the grade of the one that was meant.
    every = every.unique(("query", "item_id"), keep="first", maintain_order=True)
    every = every.sort("query", "grade", descending=[False, True], maintain_order=True)
    return _screened(every, parts)[0]


def grade_lists(kept: pl.DataFrame, fitted: Synthesizer) -> list[list[float]]:
    """The grades that each synthetic query was given, the highest first.

    A query of a synthesizer of queries is written for one product; the same words for another are another query.
    """
    if isinstance(fitted, QuerySynthesizer):
        return [[grade] for grade in kept["grade"].to_list()]
    by_query = kept.group_by(normal_query(), "origin", maintain_order=True)
    lists: list[list[float]] = by_query.agg(pl.col("grade").sort(descending=True))[
        "grade"
    ].to_list()
    return lists


def _naive(real: pl.DataFrame, train: Shop, copies: int, rng: np.random.Generator) -> pl.DataFrame:
    """The real queries with items, and grades of the real distribution, drawn at random."""
    items, size = train.table("items")["item_id"], len(real)
    drawn = []
    for copy in range(copies):
        grades = real["grade"].gather(rng.integers(size, size=size))
        chosen = items.gather(rng.integers(len(items), size=size))
        row = real.with_columns(
            item_id=chosen, grade=grades, origin=pl.lit(f"naive-{copy}"), weight=pl.lit(1.0)
        )
        drawn.append(row.with_columns(pl.col("weight").cast(pl.Float32)))
    return pl.concat(drawn)


def added(rows: pl.DataFrame, count: float, rng: np.random.Generator) -> pl.DataFrame:
    """Draw whole queries (of one origin) at random until there are `count` rows, or all."""
    keyed = rows.with_columns(_key=pl.struct(normal_query(), "origin"))
    sizes = keyed.group_by("_key", maintain_order=True).len()
    order = rng.permutation(len(sizes))
    total = np.cumsum(sizes["len"].to_numpy()[order])
    chosen = sizes["_key"].gather(order[: int(np.searchsorted(total, count, side="left")) + 1])
    return keyed.filter(pl.col("_key").is_in(chosen.implode())).drop("_key").select(COLUMNS)
