"""Judgments as rankers of search learn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import polars as pl

from wareloom.shop import Shop, Vocabulary
from wareloom.shop.queries import normal_query
from wareloom.shop.schema import REAL

RIGHT = 2.0
"""The grade from which an item is right"""
UNCHECKED = 0.3
"""How far goes what nothing real taught: three tenths of the way from the ranker untaught. With no label there is
nothing to choose it by, and the whole way loses on shops that the ranker knows well already."""


class Mining(NamedTuple):
    """How lower items are found for queries for which none, or too few, were judged."""

    found: Callable[[list[str]], Iterable[np.ndarray]]
    """Items that are found for each query, as it was typed: codes int32 [any]"""
    most: int
    """Items of a query that are taken for wrong"""
    queries: int
    """Such queries, at most, drawn at random"""


def judged(shop: Shop, items: Vocabulary) -> pl.DataFrame:
    """Judgments on known items that weigh something: query, origin, item, grade, weight; query after query.

    `query` is as queries are compared, `said` as it was typed.
    """
    if not shop.rows("judgments"):
        return pl.DataFrame()
    rows = shop.scan("judgments").with_columns(query=normal_query(), said="query").collect()
    rows = rows.with_columns(item=pl.Series(items.encode(rows["item_id"])))
    rows = rows.filter((pl.col("item") >= 0) & (pl.col("weight") > 0))
    return rows.select("query", "said", "origin", "item", "grade", "weight").sort(
        "query", "origin", maintain_order=True
    )


def with_lower(rows: pl.DataFrame, mining: Mining, rng: np.random.Generator) -> pl.DataFrame:
    """Give queries for which only right items were judged some that were found and are taken for wrong (grade 0).

    Where these are fewer than the others, all queries get some: what people judged was found by somebody, so that lists
    of it alone say nothing of all the items that nobody would show.

    `rows` as `judged` returns them, and so is the result: the judgments from which an order can be learned.
    """
    alone = pl.col("grade").n_unique().over("query", "origin") == 1
    told, right = rows.filter(~alone), rows.filter(alone & (pl.col("grade") >= RIGHT))
    few = right.n_unique(("query", "origin")) < told.n_unique(("query", "origin"))
    lacking = pl.concat([told, right]) if few else right
    if not mining.most or not len(lacking):
        return told
    heads = lacking.group_by("query", "origin", maintain_order=True).agg(
        pl.col("said").first(), pl.col("item")
    )
    heads = heads[np.sort(rng.permutation(len(heads))[: mining.queries])]
    lower: list[list[int]] = []
    for known, items in zip(
        heads["item"].to_list(), mining.found(heads["said"].to_list()), strict=True
    ):
        others = np.setdiff1d(items, known)
        lower.append(np.sort(rng.permutation(others)[: mining.most]).tolist())
    wrong = heads.select("query", "said", "origin").with_columns(
        item=pl.Series(lower, dtype=pl.List(rows["item"].dtype)),
        grade=pl.lit(0.0),
        weight=pl.lit(1.0),
    )
    wrong = wrong.explode("item", empty_as_null=False).select(rows.columns).cast(rows.schema)
    kept = right.join(
        heads.select("query", "origin"), on=["query", "origin"], how="semi", maintain_order="left"
    )
    return pl.concat([told, kept, wrong]).sort("query", "origin", maintain_order=True)


def any_real(rows: pl.DataFrame) -> bool:
    """Whether a person gave one of the judgments, as `judged` returns them."""
    return bool(len(rows)) and bool((rows["origin"] == REAL).any())
