"""Home Depot: queries, products and mean human relevance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._grades import graded
from wareloom.readers._scan import need, trace
from wareloom.readers._text import first_line, known, pick, pieces
from wareloom.shop.schema import MAP

WANTED = ["product_uid", "product_title", "search_term", "relevance"]


@dataclass(kw_only=True, eq=False)
class HomeDepot(Reader):
    """Home Depot's train.csv, with product_descriptions.csv and attributes.csv beside it; plain or zipped.

    Relevance 1–3 becomes grade 0–3, linearly. The attribute "MFG Brand Name" is the brand. Items are the products of
    train.csv (and test.csv, whose pairs have no relevance).
    """

    meta: ClassVar[dict[str, str]] = {"currency": "USD", "language": "en"}
    example: ClassVar[dict[str, str]] = {
        "train.csv": (
            '"id","product_uid","product_title","search_term","relevance"\n'
            '2,100001,"Angle","angle bracket",3\n'
            '3,100001,"Angle","l bracket",2.33\n'
        ),
    }

    encoding: str = "latin-1"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a train.csv has this header."""
        found = pick(known(source), "train.csv")
        return any(all(name in first_line(piece) for name in WANTED) for piece in found)

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return items and judgments."""
        found = pieces(source)
        train = pick(found, "train.csv")
        if not train:
            raise SourceError(
                f"{source} lacks train.csv; it has {', '.join(p.name for p in found) or 'no files'}."
            )
        frame = intake.delimited(train[0], encoding=self.encoding)
        need(frame, WANTED, train[0].name)
        judged = frame.select(
            *trace(frame),
            query="search_term",
            item_id="product_uid",
            grade="relevance",
            source=pl.lit("homedepot"),
        )
        titled = [
            frame,
            *(intake.delimited(p, encoding=self.encoding) for p in pick(found, "test.csv")),
        ]
        items = pl.concat([f.select(item_id="product_uid", title="product_title") for f in titled])
        items = items.filter(pl.col("item_id").is_not_null()).unique(
            "item_id", keep="first", maintain_order=True
        )
        for piece in pick(found, "product_descriptions.csv"):
            text = intake.delimited(piece, encoding=self.encoding)
            need(text, ["product_uid", "product_description"], piece.name)
            text = text.select(item_id="product_uid", description="product_description").unique(
                "item_id", keep="first"
            )
            items = items.join(text, on="item_id", how="left", maintain_order="left")
        for piece in pick(found, "attributes.csv"):
            long = intake.delimited(piece, encoding=self.encoding)
            need(long, ["product_uid", "name", "value"], piece.name)
            items = items.join(_attributes(long), on="item_id", how="left", maintain_order="left")
        return {"items": items, "judgments": graded(judged, "1:3", ".", intake)}


def _attributes(long: pl.LazyFrame) -> pl.LazyFrame:
    """One row a product: its brand and all else as a map."""
    good = long.filter(
        pl.col("product_uid").is_not_null()
        & pl.col("name").is_not_null()
        & pl.col("value").is_not_null()
    )
    brand = pl.col("name") == "MFG Brand Name"
    return good.group_by(item_id="product_uid", maintain_order=True).agg(
        brand=pl.col("value").filter(brand).first(),
        attributes=pl.struct("name", "value").filter(~brand).cast(MAP.inner),
    )
