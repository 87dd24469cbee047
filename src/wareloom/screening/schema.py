"""Does every synthetic row fit the schema and the real catalogue?"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wareloom.core.run import Run
from wareloom.screening import Screen, Screened, reject
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.schema import EVENTS, REAL


@dataclass(kw_only=True, eq=False)
class SchemaScreen(Screen):
    """Take events on items that the catalogue lacks, of unknown kinds, without a user, or that pass for real."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Reject row by row."""
        known = train.table("items")["item_id"].implode()
        owner = user_key(synthetic.scan("events"))
        reasons = {
            "no user": owner.is_null(),
            "unknown kind of event": ~pl.col("event").is_in(list(EVENTS)),
            "item not in the catalogue": pl.col("item_id").is_not_null()
            & ~pl.col("item_id").is_in(known),
            "passes for real": pl.col("origin") == REAL,
        }
        return reject(synthetic, reasons)
