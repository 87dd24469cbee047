"""An item's text, from whichever of its columns a shop has."""

from __future__ import annotations

import polars as pl

from wareloom.core.family import weighted
from wareloom.errors import InputError
from wareloom.shop import Shop

FIELDS = ("title", "category", "brand", "attributes", "description")
"""The columns of items that hold text."""
DEFAULT = "title category brand"


def parse_fields(fields: str, ranker: str = "text_knn") -> dict[str, float]:
    """Read "title^2 brand" as {"title": 2.0, "brand": 1.0}; a wrong name or weight raises `SettingError`."""
    return weighted(ranker, "fields", fields, FIELDS, "field")


def present(shop: Shop, fields: dict[str, float]) -> dict[str, float]:
    """Return the fields that the shop's items fill; where it has none of them, all other text it has, alike.

    Raises `InputError` where items have no text at all.
    """
    columns = set(shop.columns("items"))
    there = [name for name in FIELDS if name in columns]
    words = {
        name: pl.col(name).list.len() > 0
        if name in ("category", "attributes")
        else pl.col(name) != ""
        for name in there
    }
    row = (
        shop.scan("items").select(**{n: e.any() for n, e in words.items()}).collect()
        if there
        else pl.DataFrame()
    )
    filled = [name for name in there if row[name].item()]
    if not filled:
        raise InputError(
            f"The shop's items have no text: fill one of their columns {', '.join(FIELDS)}, or choose what learns from "
            "behaviour alone, such as the ranker transitions."
        )
    return {name: fields[name] for name in filled if name in fields} or dict.fromkeys(filled, 1.0)


def field_texts(shop: Shop, field: str) -> list[str]:
    """Return one field of all items as text, "" where it is unknown; the parts of a path, and values, one by one."""
    column = pl.col(field)
    if field == "category":
        column = column.list.join("; ", ignore_nulls=True)
    elif field == "attributes":
        column = column.list.eval(pl.element().struct.field("value")).list.join(
            "; ", ignore_nulls=True
        )
    return shop.scan("items").select(column.fill_null("")).collect()[field].to_list()


def item_texts(shop: Shop, fields: str = DEFAULT) -> list[str]:
    """Return one text for each item, in the order of the shop's items: its fields one after the other.

    Fields that the shop lacks are passed over as `present` says.
    """
    columns = [field_texts(shop, name) for name in present(shop, parse_fields(fields))]
    return ["\n".join(part for part in parts if part) for parts in zip(*columns, strict=True)]
