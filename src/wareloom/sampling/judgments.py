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
    Rows on items that the catalogue lacks and of queries that are held out are taken. Where there is no real judgment,
    the naive ones are runs of words cut out of titles, with the item they came from and items drawn at random. Raises
    `InputError` where a sample has no judgments, or passes for real.
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
    if not len(real):
        return JudgmentPool(kept, NOTHING, _cut(kept, parts, run), fitted.origin, report)
    times = max(most, len(kept) / len(real))
    naive = _naive(real, parts.train, int(np.ceil(times)) + 1, run.rng("judgments", "naive"))
    copies = [
        real.with_columns(origin=pl.lit(f"repeated-{copy}")) for copy in range(int(np.ceil(times)))
    ]
    return JudgmentPool(kept, pl.concat(copies), naive, fitted.origin, report)


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


def _cut(kept: pl.DataFrame, parts: Split, run: Run) -> pl.DataFrame:
    """Runs of words of titles, with the item they came from and others drawn at random, more of them than were kept."""
    queries = kept["query"].n_unique()
    made = SYNTHESIZERS.make("spans").fit(parts.train, run).sample(2 * queries, run)
    rows, _ = _screened(real_rows(made), parts)
    others = round(len(kept) / queries) - 1
    if others < 1:
        return rows
    items, rng = parts.train.table("items")["item_id"], run.rng("judgments", "cut")
    drawn = pl.concat([rows] * others).with_columns(grade=pl.lit(0.0))
    drawn = drawn.with_columns(item_id=items.gather(rng.integers(len(items), size=len(drawn))))
    return pl.concat([rows, drawn]).sort(
        "query", "grade", descending=[False, True], maintain_order=True
    )


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
