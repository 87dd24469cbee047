"""Taobao's user behaviour: page views, carts, favourites and purchases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import trace
from wareloom.readers._shape import event_names
from wareloom.readers._text import Piece, first_line, known, pieces

LINE = re.compile(r"^\d+,\d+,\d+,(pv|cart|fav|buy),-?\d+$")
COLUMNS = ("user_id", "item_id", "category", "event", "time")


@dataclass(kw_only=True, eq=False)
class Taobao(Reader):
    """Taobao's UserBehavior.csv: user, item, category, pv/cart/fav/buy and Unix seconds, without a header.

    The events become view_item, add_to_cart, add_to_wishlist and purchase. Items are those of the log; an item's
    category is the first one that the log gives it.
    """

    meta: ClassVar[dict[str, str]] = {"currency": "CNY", "language": "zh"}
    example: ClassVar[dict[str, str]] = {
        "UserBehavior.csv": ("1,22,7,pv,1511544070\n1,33,7,buy,1511593493\n"),
    }

    encoding: str = "utf-8"
    """The encoding of the file."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file's first line is of this form."""
        return any(_fits(piece) for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return events and the items of the log."""
        found = [p for p in pieces(source) if p.name.lower().endswith(".csv")]
        if not found:
            raise SourceError(f"{source} holds no .csv file such as UserBehavior.csv.")
        log = pl.concat(
            [intake.delimited(p, encoding=self.encoding, columns=COLUMNS) for p in found]
        )
        events = log.select(
            *trace(log),
            "user_id",
            "item_id",
            event_names(pl.col("event")).alias("event"),
            time="time",
        )
        good = log.filter(pl.col("item_id").is_not_null() & pl.col("category").is_not_null())
        items = good.select(pl.col("item_id").str.strip_chars(), "category").unique(
            "item_id", keep="first", maintain_order=True
        )
        return {"items": items, "events": events}


def _fits(piece: Piece) -> bool:
    return piece.name.lower().endswith(".csv") and LINE.match(first_line(piece).strip()) is not None
