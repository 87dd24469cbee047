"""ESCI: Amazon's shopping queries data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SettingError, SourceError, near
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import need, pairs, trace
from wareloom.readers._text import known, pick, pieces

GRADES = {"E": "3", "S": "2", "C": "1", "I": "0"}
LOCALES = ("us", "es", "jp", "all")


@dataclass(kw_only=True, eq=False)
class Esci(Reader):
    """Shopping queries: shopping_queries_dataset_examples.parquet and _products.parquet.

    Exact, substitute, complement and irrelevant become the grades 3, 2, 1 and 0. Only products that were judged are
    items.
    """

    meta: ClassVar[dict[str, str]] = {}
    example: ClassVar[dict[str, str]] = {
        "shopping_queries_dataset_examples.parquet": (
            '{"query": "mug", "product_id": "1", "esci_label": "E", "product_locale": "us"}\n'
            '{"query": "mug", "product_id": "2", "esci_label": "I", "product_locale": "us"}\n'
        ),
        "shopping_queries_dataset_products.parquet": (
            '{"product_id": "1", "product_title": "Mug", "product_locale": "us"}\n'
            '{"product_id": "2", "product_title": "Lid", "product_locale": "us"}\n'
        ),
    }

    locale: str = "us"
    """The shop: us, es, jp; or all, where an item's id is its locale, a colon and its product id."""

    def _check(self) -> None:
        if self.locale not in LOCALES:
            raise SettingError(
                f"esci: locale={self.locale!r} is not known.{near(self.locale, LOCALES)} Known: {', '.join(LOCALES)}."
            )

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether both files are there."""
        found = known(source)
        return bool(pick(found, "*examples.parquet") and pick(found, "*products.parquet"))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return items and judgments."""
        found, frames = pieces(source), []
        for pattern in ("*examples.parquet", "*products.parquet"):
            if not (chosen := pick(found, pattern)):
                raise SourceError(
                    f"{source} lacks {pattern}; it has {', '.join(p.name for p in found) or 'no files'}."
                )
            frame = intake.parquet(chosen[0])
            need(frame, ["product_id", "product_locale"], chosen[0].name)
            frames.append(self._local(frame))
        examples, products = frames
        need(examples, ["query", "esci_label"], "the file of examples")
        there = need(products, ["product_title"], "the file of products")
        label = pl.col("esci_label")
        grade = pl.coalesce(
            label.replace_strict(GRADES, default=None, return_dtype=pl.String), label
        )
        judgments = examples.select(
            *trace(examples), "query", "item_id", grade=grade, source=pl.lit("esci")
        )
        judged = examples.select("item_id").unique()
        made = [
            pl.col("item_id"),
            *map(pl.col, trace(products)),
            pl.col("product_title").alias("title"),
        ]
        for column, name in (("product_description", "description"), ("product_brand", "brand")):
            if column in there:
                made.append(pl.col(column).alias(name))
        if extra := [c for c in ("product_bullet_point", "product_color") if c in there]:
            made.append(pairs(extra).alias("attributes"))
        items = products.join(judged, on="item_id", how="semi", maintain_order="left").select(*made)
        return {"items": items, "judgments": judgments}

    def _local(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Rows of the locale, with the item's id."""
        if self.locale == "all":
            return frame.with_columns(
                pl.concat_str("product_locale", "product_id", separator=":").alias("item_id")
            )
        return frame.filter(pl.col("product_locale") == self.locale).with_columns(
            pl.col("product_id").alias("item_id")
        )
