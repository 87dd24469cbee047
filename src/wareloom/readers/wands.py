"""WANDS: Wayfair's annotated product search data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import need, pairs, trace
from wareloom.readers._text import first_line, known, pick, pieces

FILES = ("product.csv", "query.csv", "label.csv")
GRADES = {"Exact": "3", "Partial": "1.5", "Irrelevant": "0"}
LATER = ["rating_count", "average_rating", "review_count"]


@dataclass(kw_only=True, eq=False)
class Wands(Reader):
    """WANDS: product.csv, query.csv and label.csv, tab-separated.

    Exact, Partial and Irrelevant become the grades 3, 1.5 and 0, equally far apart as their order is all that is
    known. Ratings and review counts of products are left out: they are known only after the log.
    """

    meta: ClassVar[dict[str, str]] = {"currency": "USD", "language": "en"}
    example: ClassVar[dict[str, str]] = {
        "product.csv": ("product_id\tproduct_name\n0\tsolid bed\n"),
        "query.csv": ("query_id\tquery\n0\tbed\n"),
        "label.csv": ("id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tExact\n"),
    }

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether the three files are there and tab-separated."""
        found = pick(known(source), *FILES)
        return {p.name.lower() for p in found} == set(FILES) and all(
            "\t" in first_line(p) for p in found
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return items and judgments."""
        found = pieces(source)
        frames = {}
        for name in FILES:
            if not (chosen := pick(found, name)):
                raise SourceError(
                    f"{source} lacks {name}; it has {', '.join(p.name for p in found) or 'no files'}."
                )
            frames[name] = intake.delimited(chosen[0], "\t", encoding=self.encoding)
        product, query, label = (frames[name] for name in FILES)
        there = need(product, ["product_id", "product_name"], FILES[0])
        need(query, ["query_id", "query"], FILES[1])
        need(label, ["query_id", "product_id", "label"], FILES[2])
        intake.left_out[FILES[0]] = [c for c in LATER if c in there]
        made = [pl.col("product_id").alias("item_id"), pl.col("product_name").alias("title")]
        if "product_description" in there:
            made.append(pl.col("product_description").alias("description"))
        if "category hierarchy" in there:
            made.append(pl.col("category hierarchy").str.split(" / ").alias("category"))
        if extra := [c for c in ("product_class", "product_features") if c in there]:
            made.append(pairs(extra).alias("attributes"))
        texts = query.select("query_id", "query").unique("query_id", keep="first")
        judged = label.join(texts, on="query_id", how="left", maintain_order="left")
        grade = pl.coalesce(
            pl.col("label").replace_strict(GRADES, default=None, return_dtype=pl.String),
            pl.col("label"),
        )
        judgments = judged.select(
            *trace(judged), "query", item_id="product_id", grade=grade, source=pl.lit("wands")
        )
        return {"items": product.select(*made, *trace(product)), "judgments": judgments}
