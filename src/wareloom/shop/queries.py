"""Queries of a shop: when two are one, and a shop of which some are judged."""

from __future__ import annotations

import unicodedata

import polars as pl

from wareloom.core.run import Run
from wareloom.shop.shop import Shop


def normal_query() -> pl.Expr:
    """Return the column `query` as it is compared: NFKC, case folded, white space folded.

    The Turkish capital I with its dot becomes i.
    """

    def normal(queries: pl.Series) -> pl.Series:
        folded = [
            None
            if q is None
            else " ".join(
                unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", q).casefold())
                .replace("i\u0307", "i")
                .split()
            )
            for q in queries.to_list()
        ]
        return pl.Series(queries.name, folded, dtype=pl.String)

    return pl.col("query").map_batches(normal, return_dtype=pl.String(), is_elementwise=True)


def labelled(shop: Shop, queries: int | None, run: Run) -> Shop:
    """Return the shop with the judgments of so many of its queries, drawn at random; None keeps all."""
    if queries is None:
        return shop
    if not queries:
        return shop.with_tables(judgments=None)
    rows = shop.table("judgments").with_columns(_key=normal_query())
    keys = rows["_key"].unique().sort()
    chosen = keys.gather(run.rng("judgments", "labelled").permutation(len(keys))[:queries])
    return shop.with_tables(
        judgments=rows.filter(pl.col("_key").is_in(chosen.implode())).drop("_key")
    )
