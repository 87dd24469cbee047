"""Amazon reviews and product metadata, in the releases of 2014, 2018 and 2023."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.values import LIST
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import TRACE, pairs, trace
from wareloom.readers._text import Piece, first_line, known, pieces

REVIEW: dict[str, tuple[str, ...]] = {
    "user_id": ("reviewerID", "user_id"),
    "item_id": ("parent_asin", "asin"),
    "rating": ("overall", "rating"),
    "time": ("unixReviewTime", "timestamp"),
}
META: dict[str, tuple[str, ...]] = {
    "item_id": ("parent_asin", "asin"),
    "title": ("title",),
    "description": ("description",),
    "category": ("categories", "category"),
    "brand": ("brand", "store"),
}
LATER = (
    "salesRank",
    "rank",
    "related",
    "also_buy",
    "also_view",
    "bought_together",
    "average_rating",
    "rating_number",
)


@dataclass(kw_only=True, eq=False)
class Amazon(Reader):
    """Amazon reviews as JSON lines of the 2014, 2018 and 2023 releases, with the metadata where it is there.

    The source is a folder, or the file of reviews with its metadata (meta_NAME) beside it. A review is an event of
    the kind of the
    setting `event` whose stars are its rating; from 2018 on, whether the purchase was verified is its context. Of a
    price range
    the lower end is taken; a price without a number is none. Sales ranks, counts of ratings and "also bought" are
    left out: they are known only after the log.
    """

    meta: ClassVar[dict[str, str]] = {"currency": "USD", "language": "en"}
    example: ClassVar[dict[str, str]] = {
        "Beauty.json": '{"reviewerID": "R1", "asin": "B1", "overall": 5.0, "unixReviewTime": 1500000000}\n',
        "meta_Beauty.json": '{"asin": "B1", "title": "Soap", "category": ["Beauty"], "price": "$5.99"}\n',
    }

    event: str = "purchase"
    """The kind of event that a review is taken for."""
    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file's first line is a review of one of the releases."""
        return any(_kind(piece) == "review" for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return events, and items where there is metadata."""
        found = pieces(source)
        if Path(source).is_file():
            found += [p for p in pieces(Path(source).parent) if _belongs(p, found)]
        reviews = [p for p in found if _kind(p) == "review"]
        if not reviews:
            raise SourceError(
                f"{source} holds no reviews: JSON lines with reviewerID and asin, or user_id and parent_asin."
            )
        tables = {"events": pl.concat([self._reviews(p, intake) for p in reviews], how="diagonal")}
        if metas := [p for p in found if _kind(p) == "meta"]:
            tables["items"] = pl.concat([self._items(p, intake) for p in metas], how="diagonal")
        return tables

    def _reviews(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        names = [name for group in REVIEW.values() for name in group]
        keep = [*names, "verified", "verified_purchase"]
        frame = intake.json_lines(piece, encoding=self.encoding, keep=keep, parse=_either)
        there = frame.collect_schema().names()
        made = _chosen(REVIEW, there)
        verified = [c for c in ("verified", "verified_purchase") if c in there]
        if verified:
            made.append(pairs(verified[:1], ["verified"]).alias("context"))
        return frame.select(*trace(frame), *made, event=pl.lit(self.event))

    def _items(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        frame = intake.json_lines(piece, encoding=self.encoding, parse=_either)
        there = [c for c in frame.collect_schema().names() if c not in TRACE]
        made = _chosen(META, there)
        used = {name for group in META.values() for name in group} | {"price", *LATER}
        if "category" not in there and {"categories", "main_category"} <= set(there):
            full = pl.col("categories") != LIST
            made = [m for m in made if m.meta.output_name() != "category"]
            made.append(
                pl.when(full).then("categories").otherwise("main_category").alias("category")
            )
            used.add("main_category")
        if "price" in there:
            number = (
                pl.col("price").str.extract(r"^\$?\s*(\d[\d,]*\.?\d*)").str.replace_all(",", "")
            )
            made.append(number.alias("price"))
            missed = frame.filter(
                pl.col("price").is_not_null() & (pl.col("price") != "") & number.is_null()
            )
            if count := int(missed.select(pl.len()).collect().item()):
                intake.skipped["prices without a number"] = (
                    intake.skipped.get("prices without a number", 0) + count
                )
        if extra := [c for c in ("feature", "features", "details") if c in there]:
            made.append(pairs(extra).alias("attributes"))
        intake.left_out[piece.name] = sorted(c for c in LATER if c in there)
        intake.not_recognised[piece.name] = sorted(
            c for c in there if c not in used and c not in extra
        )
        return frame.select(*trace(frame), *made)


def _chosen(groups: dict[str, tuple[str, ...]], there: list[str]) -> list[pl.Expr]:
    """Each column from the names that it has in the releases, the first that is filled."""
    made = []
    for canonical, names in groups.items():
        if usable := [name for name in names if name in there]:
            made.append(pl.coalesce(usable).alias(canonical))
    return made


def _either(line: str) -> Any:
    """A line of JSON, or of the Python literals of the first release."""
    try:
        return json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError:
        if not line.startswith("{'"):
            raise
        return ast.literal_eval(line.strip())


def _kind(piece: Piece) -> str:
    """Tell reviews and metadata by the first line."""
    if not piece.name.lower().endswith((".json", ".jsonl")):
        return ""
    line = first_line(piece)
    if '"reviewerID"' in line or ('"user_id"' in line and '"parent_asin"' in line):
        return "review"
    return "meta" if re.search(r"""["'](asin|parent_asin)["']""", line) else ""


def _belongs(piece: Piece, reviews: list[Piece]) -> bool:
    """Whether a file beside the reviews is their metadata, by name."""
    stems = {re.sub(r"(^reviews_|(_5)?\.jsonl?$)", "", p.name) for p in reviews}
    stem = re.sub(r"(^meta_|\.jsonl?$)", "", piece.name)
    return piece.name.startswith("meta_") and stem in stems
