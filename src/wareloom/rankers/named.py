"""Settings that give names a weight, as in "view_item=0.2 purchase=1"; and the numbers that items have by name."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from wareloom.errors import InputError, SettingError, near


def named_weights(
    setting: str, text: str, known: Sequence[str], what: str, example: str
) -> dict[str, float]:
    """Read "view_item=0.2 purchase=1" as {"view_item": 0.2, "purchase": 1.0}; `setting` is "ranker: name".

    Raises `SettingError` for a name that is none of `known` (it is then no `what`), one named twice, a weight that is
    none or below 0.
    """
    found: dict[str, float] = {}
    for word in text.replace(",", " ").split():
        name, _, value = word.partition("=")
        if name not in known:
            raise SettingError(
                f"{setting} is {text!r}, but {name!r} is no {what}."
                f"{near(name, known)} Name some of {', '.join(known)}, as in {example!r}."
            )
        if name in found:
            raise SettingError(f"{setting} is {text!r}, which names {name} twice.")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if not (math.isfinite(found[name]) and found[name] >= 0):
            raise SettingError(
                f"{setting} is {text!r}, but {word!r} lacks a weight: give 0 or more, as {name}=1."
            )
    return found


def item_numbers(items: pl.DataFrame, column: str) -> np.ndarray:
    """float64 [items], the price, or a number among the attributes by name; NaN where unknown.

    Raises `InputError` where no item has such a number.
    """
    values = pl.Series([None] * len(items), dtype=pl.Float64)
    if column == "price" and "price" in items.columns:
        values = items["price"]
    elif column != "price" and "attributes" in items.columns:
        own = (
            pl.col("attributes")
            .list.filter(pl.element().struct.field("name") == column)
            .list.first()
        )
        values = items.select(own.struct.field("value").cast(pl.Float64, strict=False))["value"]
    found = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if not np.isfinite(found).any():
        raise InputError(
            f"No item of the shop has a number {column!r}: name 'price', or an attribute that holds numbers, such "
            "as a margin, and fill it."
        )
    return found


def worths(items: pl.DataFrame, column: str) -> np.ndarray:
    """What each item is worth beside the typical one: its number over the median of those above 0, float64 [items].

    An unknown one counts as the median, one below a hundredth of it as that: a power of it is taken. Raises
    `InputError` where no item has such a number above 0.
    """
    number = item_numbers(items, column)
    above = number[np.isfinite(number) & (number > 0)]
    if len(above) == 0:
        raise InputError(
            f"No item of the shop has a number {column!r} above 0: nothing can be weighed by it."
        )
    return np.maximum(
        np.where(np.isfinite(number), number, np.median(above)) / np.median(above), 0.01
    )
