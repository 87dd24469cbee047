"""RetailRocket: views, carts and transactions of an online shop, with hashed item properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.values import LIST
from wareloom.readers import Intake, Reader
from wareloom.readers._scan import need, trace
from wareloom.readers._shape import event_names
from wareloom.readers._text import first_line, known, pick, pieces

WANTED = ["timestamp", "visitorid", "event", "itemid"]


@dataclass(kw_only=True, eq=False)
class RetailRocket(Reader):
    """RetailRocket: events.csv, and item_properties_part*.csv and category_tree.csv where they are there.

    Items are all that have a category or an event, since the properties are no full catalogue; an item's category is
    the path
    from the root to the first category it was given. Other properties are hashed and change with time: they are not
    read.
    """

    example: ClassVar[dict[str, str]] = {
        "events.csv": (
            "timestamp,visitorid,event,itemid,transactionid\n"
            "1433221332117,257597,view,1,\n"
            "1433224214164,992329,transaction,1,4000\n"
        ),
        "item_properties_part1.csv": (
            "timestamp,itemid,property,value\n1431226800000,1,categoryid,20\n"
        ),
        "category_tree.csv": ("categoryid,parentid\n20,10\n10,\n"),
    }

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether an events.csv has this header."""
        return any(
            first_line(p).startswith(",".join(WANTED)) for p in pick(known(source), "events.csv")
        )

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return events and items."""
        found = pieces(source)
        if not (log := pick(found, "events.csv")):
            raise SourceError(
                f"{source} lacks events.csv; it has {', '.join(p.name for p in found) or 'no files'}."
            )
        frame = intake.delimited(log[0], encoding=self.encoding)
        there = need(frame, WANTED, log[0].name)
        intake.not_recognised[log[0].name] = [c for c in there if c not in WANTED]
        events = frame.select(
            *trace(frame),
            user_id="visitorid",
            item_id="itemid",
            event=event_names(pl.col("event")),
            time="timestamp",
        )
        parts = [
            intake.delimited(p, encoding=self.encoding) for p in pick(found, "item_properties*.csv")
        ]
        if not parts:
            return {"events": events}
        for part in parts:
            need(part, ["timestamp", "itemid", "property", "value"], "item_properties")
        long = pl.concat(
            [part.select("timestamp", "itemid", "property", "value") for part in parts]
        )
        category = long.filter(
            (pl.col("property") == "categoryid") & pl.col("itemid").is_not_null()
        )
        first = category.sort(pl.col("timestamp").cast(pl.Int64, strict=False), maintain_order=True)
        first = first.unique("itemid", keep="first", maintain_order=True)
        paths: dict[str, str] = {}
        for piece in pick(found, "category_tree.csv"):
            tree = intake.delimited(piece, encoding=self.encoding)
            need(tree, ["categoryid", "parentid"], piece.name)
            paths = _paths(dict(tree.select("categoryid", "parentid").collect().iter_rows()))
        path = pl.coalesce(
            pl.col("value").replace_strict(paths, default=None, return_dtype=pl.String),
            pl.col("value"),
        )
        items = first.select(item_id="itemid", category=path if paths else pl.col("value"))
        seen = (
            frame.select(item_id=pl.col("itemid").str.strip_chars())
            .drop_nulls()
            .unique()
            .sort("item_id")
        )
        both = pl.concat([items, seen], how="diagonal").unique(
            "item_id", keep="first", maintain_order=True
        )
        return {"items": both, "events": events}


def _paths(parents: dict[str, str | None]) -> dict[str, str]:
    """The path from the root to each category, as a marked list; a ring ends where it closes."""
    made = {}
    for category in parents:
        path = [category]
        while (above := parents.get(path[-1])) and above not in path:
            path.append(above)
        made[category] = "".join(LIST + name for name in reversed(path))
    return made
