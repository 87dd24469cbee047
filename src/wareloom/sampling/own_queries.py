"""A shop's own queries that nobody labelled, and labels for them by a ranker that nobody taught."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from wareloom.core.top import best_columns
from wareloom.preparing.splits import Split
from wareloom.rankers.search.base import SearchRanker
from wareloom.shop import Shop
from wareloom.shop.queries import normal_query

ORIGIN = "own-queries"
"""Where the rows of the shop's own queries come from, as arms tell them apart"""
BEST = 50
"""Items found for a query, at most, among which those of lower grades are drawn"""
BLOCK = 256
"""Queries that are answered at once"""


def own_queries(parts: Split, labelled: Shop) -> list[str]:
    """Queries of the training part that nobody labelled, as far as is told: of its searches, and of its judgments.

    `labelled`: the training part with the judgments that are told; what they ask is left out, and so is every query of
    the validation and the test part. Queries are compared as `normal_query` folds them; each stands once, in order.
    """
    tables = ("judgments", "searches")
    taken = [(part, table) for part in (parts.validation, parts.test) for table in tables]
    taken.append((labelled, "judgments"))
    told = [_queries(shop, table) for shop, table in taken]
    found = pl.concat([_queries(parts.train, table) for table in tables])
    found = found.join(pl.concat(told), on="key", how="anti").filter(pl.col("key") != "")
    queries: list[str] = found.unique("key", keep="first").sort("key")["query"].to_list()
    return queries


def logged(queries: Sequence[str]) -> pl.DataFrame:
    """Queries as a table of searches, one search each."""
    return pl.DataFrame(
        {"search_id": [f"{ORIGIN}/{place}" for place in range(len(queries))], "query": [*queries]},
        schema={"search_id": pl.String, "query": pl.String},
    )


def _queries(shop: Shop, table: str) -> pl.DataFrame:
    """Columns query and key, the query as it is compared."""
    if not shop.rows(table):
        return pl.DataFrame(schema={"query": pl.String, "key": pl.String})
    rows = shop.scan(table).select("query", key=normal_query())
    return rows.drop_nulls().collect().sort("query")


def best_found(ranker: SearchRanker, queries: Sequence[str]) -> np.ndarray:
    """The best items of each query, best first: int64 [queries, up to BEST] codes of the ranker's items."""
    size = len(ranker.items_)
    tie, depth = np.arange(size, dtype=np.int32), min(BEST, size)
    blocks = [
        best_columns(ranker.match_all(queries[start : start + BLOCK]), tie, depth)
        for start in range(0, len(queries), BLOCK)
    ]
    return np.concatenate([np.zeros((0, depth), dtype=np.int32), *blocks]).astype(np.int64)


def pseudo_labelled(
    queries: Sequence[str],
    found: np.ndarray,
    items: pl.Series,
    lists: list[list[float]],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Label each query by what was found for it, in the form of synthetic queries: columns query, item_id, grade, …

    Each query takes the grades of a synthetic one (`lists`, the highest first): the best item found the highest, others
    of `found` [queries, any] at places drawn at random the rest, from the top down. So what is taught takes the same
    loss, on the shop's own queries. Pseudo-labels: Lee (2013).
    """
    rows: list[tuple[str, int, float]] = []
    for query, best, place in zip(
        queries, found, rng.integers(len(lists), size=len(queries)), strict=True
    ):
        there = best[best >= 0]
        grades = lists[place][: len(there)]
        if not grades:
            continue
        lower = np.sort(1 + rng.permutation(len(there) - 1)[: len(grades) - 1])
        places = [0, *lower.tolist()]
        rows += [(query, int(there[at]), grade) for at, grade in zip(places, grades, strict=True)]
    made = pl.DataFrame(
        rows, {"query": pl.String, "item": pl.Int64, "grade": pl.Float64}, orient="row"
    )
    return made.select(
        "query",
        items.gather(made["item"]).alias("item_id"),
        "grade",
        origin=pl.lit(ORIGIN),
        weight=pl.lit(1.0, dtype=pl.Float32),
    )
