"""Lines of orders that are parts of others, as bundles, composites and variants have them: the whole counts once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

PARENTS = {
    "parentitemid": ("itemid", "orderitemid", "id"),
    "parentorderitemid": ("orderitemid", "itemid", "id"),
    "parentlineid": ("lineid", "orderlineid", "id"),
    "parentlineitemid": ("lineitemid", "id"),
    "bundleparentid": ("orderitemid", "lineid", "itemid", "id"),
    "parentid": ("lineid", "orderlineid", "orderitemid", "lineitemid", "id"),
}
"""Columns that name the line of which a line is a part, and the columns that number the lines"""
PLUGINS = {
    "bundledby": ("bundlecartkey", "cartstamp", "orderitemid", "lineid"),
    "compositeparent": ("compositecartkey", "orderitemid", "lineid"),
    "mnmcontainer": ("mnmcartkey", "orderitemid", "lineid"),
}
"""The same of WooCommerce's bundles, composites and mixes; without a number of lines a part follows its whole"""
OF_PRODUCTS = ("woosbparentid", "chainedproductof")
"""Columns that name the product of which the line's product is a part, in the same order"""
NO_PARENT = ("", "0", "null", "none", "nan")
OWN_PRICE = ("bundleditempricedindividually", "componentpricedindividually")
"""Columns that say whether a part has a price of its own, beside the whole's"""
COMMA = r"\d,\d{1,2}\D*$"
"""An amount with a comma before its decimals"""


class Link(NamedTuple):
    """How a file's lines name the line of which they are parts."""

    parent: str
    line: str
    """The column of what `parent` names; empty where a part follows its whole"""


def links(there: Mapping[str, str], item: str) -> list[Link]:
    """How lines name their wholes, of a file with the columns `there` by plain name; `item` is the column of items."""
    made = []
    for known in (PARENTS, PLUGINS):
        for name, lines in known.items():
            if name not in there:
                continue
            line = next((there[n] for n in lines if n in there and there[n] != item), "")
            if line or known is PLUGINS:
                made.append(Link(there[name], line))
    made += [Link(there[name], item) for name in OF_PRODUCTS if name in there and item]
    return made


def parts_of(
    frame: pl.LazyFrame, order: str, link: Link, amount: pl.Expr, own: str
) -> pl.DataFrame:
    """The rows of `frame` that are parts (`n`), the whole of each (`whole`), and what each adds to its value (`more`).

    `order` is the column of orders, `amount` the value of a line, `own` a column that says whether a part has a price
    beside the whole's. A part adds its amount where that says so, or where the whole has no amount.
    """
    named = [link.line] if link.line else []
    lines = frame.select(
        _text(order).alias("order"),
        _text(link.parent).alias("parent"),
        *(_text(c).alias("line") for c in named),
        amount.alias("amount"),
        (_text(own).str.to_lowercase().is_in(["yes", "1", "true"]) if own else pl.lit(False)).alias(
            "own"
        ),
    )
    rows = lines.with_row_index("n").collect(engine="streaming")
    part = ~pl.col("parent").str.to_lowercase().is_in(NO_PARENT)
    if link.line:
        wholes = rows.drop_nulls(["order", "line"]).unique(["order", "line"], keep="first")
        wholes = wholes.select("order", parent="line", whole="n", of="amount")
        parts = rows.filter(part).join(wholes, on=["order", "parent"], maintain_order="left")
    else:
        alone = pl.when(~part.fill_null(False)).then(pl.col("n"))
        last = alone.forward_fill().over("order")
        parts = rows.with_columns(whole=last).filter(part & pl.col("whole").is_not_null())
        of = rows.select(whole="n", of="amount")
        parts = parts.join(of, on="whole", maintain_order="left")
    parts = parts.filter(pl.col("n") != pl.col("whole"))
    adds = pl.col("own") | (pl.col("of").fill_null(0) == 0)
    parts = parts.select("n", "whole", more=pl.when(adds).then("amount").fill_null(0.0))
    return _to_the_top(parts)


def _to_the_top(parts: pl.DataFrame) -> pl.DataFrame:
    """Parts of parts are parts of the whole that is part of nothing."""
    up = parts.select(whole="n", above="whole")
    for _ in range(4):
        joined = parts.join(up, on="whole", how="left", maintain_order="left")
        if joined["above"].null_count() == len(joined):
            break
        parts = joined.with_columns(whole=pl.coalesce("above", "whole")).drop("above")
    return parts


def amounts(column: str) -> pl.Expr:
    """A column of amounts as numbers, with a comma or a point before their decimals; null for what is none."""
    text = _text(column)
    comma = _plain(text, ",").cast(pl.Float64, strict=False)
    point = _plain(text, ".").cast(pl.Float64, strict=False)
    return pl.when(text.str.contains(COMMA)).then(comma).otherwise(point)


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars()


def _plain(cells: pl.Expr, sign: str) -> pl.Expr:
    """Amounts with `sign` before their decimals as plain numbers; what is none stays as it is."""
    text = cells.cast(pl.String)
    digits = text.str.extract(r"(-?\d[\d.,'’   ]*)", 1)
    other = r"[.'’   ]" if sign == "," else r"[,'’   ]"
    digits = digits.str.replace_all(other, "").str.replace(sign, ".", literal=True)
    return pl.coalesce(digits.cast(pl.Float64, strict=False).cast(pl.String), text)
