"""What anybody may see already: columns of items that are named, and nothing else but the schema.

To name a column of items says that the whole catalogue is public, items that nobody bought, too. What a shop knows of
an item by its customers (popularity, ranks, counts, when it was last sold) is behaviour, whatever table it stands in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from wareloom.errors import RefusedError, SchemaError, SettingError, near
from wareloom.shop import Shop
from wareloom.shop.schema import TABLES

BEHAVIOUR = re.compile(
    r"popular|\brank|\bcounts?(?![a-z])|\bnum(ber)? of\b|\bnum (sold|reviews|ratings|views|orders)\b|\bsold\b|"
    r"\bsales\b|best ?sell|\bviews?\b|\bviewed\b|click|purchas|\border(s|ed)?\b|bought|\bbuyers?\b|"
    r"\bratings?\b|\breviews?\b|\bstars?\b|\bscores?\b|trend|\bhot\b|"
    r"\blast (sold|seen|sale|view)|\bstock\b|"
    r"inventory|\bhits?\b|\bvotes?\b|conversion|\bctr\b|\bcvr\b|revenue|turnover|favou?rite|\bwish|\bcart\b|"
    r"\blikes?\b|demand|\breturns\b|\btop ?\d|"
    r"销量|销售|排名|排行|评分|评论|评价|热度|人气|浏览|点击|收藏|库存|热销|热门|购买|成交|好评|推荐"
)
"""Names of attributes that are made of what customers did"""
WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-.\s]+")


@dataclass(frozen=True)
class Public:
    """Columns that are public; nothing by default."""

    columns: tuple[str, ...] = ()
    """Names such as "items.title" and "items.attributes.color" """

    @classmethod
    def of(cls, names: str | Iterable[str]) -> Public:
        """Take names, or one text with commas between.

        Raises `RefusedError` for behaviour, `SchemaError` where there is no such column.
        """
        given = names.split(",") if isinstance(names, str) else list(names)
        cleaned = tuple(dict.fromkeys(name.strip() for name in given if name.strip()))
        for name in cleaned:
            _check(name)
        return cls(cleaned)

    @property
    def catalogue(self) -> bool:
        """Whether it is public which items there are."""
        return bool(self.columns)

    def items(self, shop: Shop) -> pl.DataFrame:
        """The public part of the table of items, in the order of their ids: the shop's order is that of its log.

        Items of which nothing public is filled are left out: some reader made them of somebody's event. Raises
        `RefusedError` where nothing is public, or where the whole table was made of the log.
        """
        if not self.catalogue:
            raise RefusedError(
                "Which items there are is not public. Name public columns, as in --public items.title,items.category, "
                "or draw items from paid and thresholded counts."
            )
        _not_of_the_log(shop)
        plain = [name.split(".")[1] for name in self.columns if name.count(".") == 1]
        kept = [name for name in plain if shop.has("items", name) and name != "item_id"]
        columns = [pl.col(name) for name in kept]
        attributes = {name.split(".", 2)[2] for name in self.columns if name.count(".") == 2}
        if attributes and shop.has("items", "attributes"):
            named = pl.element().struct.field("name").is_in(sorted(attributes))
            columns.append(pl.col("attributes").list.filter(named))
            kept.append("attributes")
        frame = shop.scan("items").select("item_id", *columns)
        if "items.item_id" not in self.columns:
            lists = {n for n in kept if n in ("category", "attributes")}
            filled = [
                pl.col(n).list.len().fill_null(0) > 0 if n in lists else pl.col(n).is_not_null()
                for n in kept
            ]
            frame = frame.filter(pl.any_horizontal(filled) if filled else pl.lit(False))
        return frame.sort("item_id").collect()


def _check(name: str) -> None:
    table, _, column = name.partition(".")
    if not column:
        raise SettingError(
            f"--public {name!r} names no column; write TABLE.COLUMN, as in items.title. Nothing is public but the "
            "schema."
        )
    if table not in TABLES:
        raise SchemaError(f"--public: there is no table {table!r}.{near(table, TABLES)}")
    if table != "items":
        raise RefusedError(
            f"--public {name}: the table {table!r} holds what people did or wrote. Only columns of items can be public."
        )
    head, _, inner = column.partition(".")
    if head not in TABLES["items"].columns:
        raise SchemaError(
            f"--public {name}: items have no column {head!r}.{near(head, TABLES['items'].columns)} An attribute is "
            "named as items.attributes.NAME."
        )
    if head == "attributes" and not inner:
        raise RefusedError(
            "--public items.attributes: attributes may hold ranks and counts. Name each, as in items.attributes.color."
        )
    if inner and head != "attributes":
        raise SchemaError(f"--public {name}: {head!r} has no parts; name items.{head}.")
    if inner and BEHAVIOUR.search(" ".join(WORDS.split(inner)).casefold()):
        raise RefusedError(
            f"--public {name}: {inner!r} is made of what customers did, by its name. Pay for it (a noisy count), or "
            "leave it out."
        )


def _not_of_the_log(shop: Shop) -> None:
    """Raise `RefusedError` where reading says that the table of items was made of the log."""
    told = shop.path / "read.json" if shop.path else None
    if told is None or not told.exists():
        return
    try:
        derived = json.loads(told.read_text("utf-8")).get("derived", {})
    except (ValueError, AttributeError):
        return
    if derived.get("items"):
        raise RefusedError(
            f"{shop.path}: the table of items was made of the log ({told.name} says so), so which items there are "
            "tells what people did. Read the shop with a catalogue of its own, or draw items from thresholded counts."
        )
