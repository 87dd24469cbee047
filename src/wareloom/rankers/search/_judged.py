"""Judgments as rankers of search learn from them."""

from __future__ import annotations

import polars as pl

from wareloom.shop import Shop, Vocabulary
from wareloom.shop.splits_by import normal_query


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
