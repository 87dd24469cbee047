"""Exports of products with a row for each variant: what only a product's first row says, and variants without a SKU."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import polars as pl

from wareloom.readers import Intake
from wareloom.readers._names import plain

OF_VARIANT = re.compile(r"^(variant|option\d+value|image|cost|price|included)")
"""Plain names of columns that tell of one variant, or of one picture"""
SHARED = ("categories", "brands", "description", "shortdescription", "images", "tags")
"""Plain names of columns of WooCommerce's export that a variation has from its parent"""
DEFAULT = "Default Title"
"""How Shopify calls the one variant of a product that has no others"""


def variants(
    frame: pl.LazyFrame, columns: Sequence[str], name: str, intake: Intake
) -> pl.LazyFrame:
    """Rows of Shopify's or WooCommerce's export of products, each with all that is known of its variant.

    Other frames stay as they came. A variation of WooCommerce has its parent's categories, brand and description.
    A variant without a SKU is called as orders call it: the title, and behind " - " its options between " / ". Rows
    that only hold a further picture are counted as skipped.
    """
    there = {plain(c): c for c in columns}
    if {"type", "parent", "sku"} <= set(there):
        return _of_parents(frame, there)
    if not {"handle", "variantsku"} <= set(there):
        return frame
    handle, sku = there["handle"], there["variantsku"]
    shared = [c for key, c in there.items() if not OF_VARIANT.match(key) and c != handle]
    options = [there[f"option{n}value"] for n in (1, 2, 3) if f"option{n}value" in there]
    own = [c for c in (sku, there.get("variantprice"), *options) if c]
    is_variant = pl.any_horizontal([_text(c).is_not_null() for c in own])
    gone = int(frame.select((~is_variant).sum()).collect(engine="streaming").item())
    if gone:
        intake.skipped["rows of products that hold a further picture"] = gone
    first = [
        pl.coalesce(_text(c), _text(c).drop_nulls().first().over(_text(handle))).alias(c)
        for c in shared
    ]
    frame = frame.with_columns(first).filter(is_variant)
    return frame.with_columns(pl.coalesce(_text(sku), _called(there, options)).alias(sku))


def _of_parents(frame: pl.LazyFrame, there: Mapping[str, str]) -> pl.LazyFrame:
    """Variations with what their parent says of them; the parent is named by its SKU, or by "id:" and its number."""
    shared = [there[c] for c in SHARED if c in there]
    keys = [_text(there["sku"])]
    if "id" in there:
        keys.append("id:" + _text(there["id"]))
    parents = pl.concat(
        [
            frame.select(key.alias(" parent"), *(_text(c).alias(f" {c}") for c in shared))
            for key in keys
        ]
    )
    parents = parents.drop_nulls(" parent").unique(" parent", keep="first", maintain_order=True)
    both = frame.with_columns(_text(there["parent"]).alias(" parent"))
    both = both.join(parents, on=" parent", how="left", maintain_order="left")
    made = [pl.coalesce(_text(c), f" {c}").alias(c) for c in shared]
    return both.with_columns(made).drop([" parent", *(f" {c}" for c in shared)])


def _called(there: Mapping[str, str], options: Sequence[str]) -> pl.Expr:
    """How orders call a variant without a SKU."""
    title = _text(there["title"]) if "title" in there else _text(there["handle"])
    if not options:
        return title
    told = pl.concat_str(
        [pl.when(_text(c) != DEFAULT).then(_text(c)) for c in options],
        separator=" / ",
        ignore_nulls=True,
    )
    return pl.when(told != "").then(pl.concat_str(title, pl.lit(" - "), told)).otherwise(title)


def _text(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text)
