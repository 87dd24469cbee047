"""Cells of one file on their way to the door: pseudonyms, guests, lists of items."""

from __future__ import annotations

import hashlib

import polars as pl

from wareloom.preparing.values import EMPTY, LIST
from wareloom.readers._names import EMAILS, plain

GUESTS = ("0", "-1", "guest", "Guest", "GUEST", "anonymous")
"""Ids under which shop systems put everybody who has no account"""


def is_email(column: str) -> bool:
    """Whether a column is called as one of addresses."""
    return plain(column) in EMAILS


def pseudonyms(cells: pl.Expr) -> pl.Expr:
    """Addresses as pseudonyms: "e-" and half of the SHA-256 of the address in small letters."""
    text = cells.cast(pl.String).str.strip_chars().str.to_lowercase()
    return (
        pl.when(text != "")
        .then(text)
        .map_batches(_hashed, return_dtype=pl.String, is_elementwise=True)
    )


def _hashed(cells: pl.Series) -> pl.Series:
    known = cells.drop_nulls().unique()
    names = ["e-" + hashlib.sha256(str(v).encode()).hexdigest()[:32] for v in known]
    return cells.replace_strict(
        known, pl.Series(names, dtype=pl.String), default=None, return_dtype=pl.String
    )


def who(column: str, email: str | None, dtype: pl.DataType) -> pl.Expr:
    """Users: a column of addresses under pseudonyms; guests, who share one number, by their address where there is
    one."""
    if is_email(column):
        return pseudonyms(pl.col(column))
    if email is None:
        return pl.col(column)
    cells = pl.col(column)
    if dtype.is_float():
        cells = cells.cast(pl.Int64, strict=False)
    text = cells.cast(pl.String).str.strip_chars()
    known = pl.when(~text.is_in([*EMPTY, *GUESTS])).then(text)
    return pl.coalesce(known, pseudonyms(pl.col(email)))


def listed(cells: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A history in one cell as a list of ids: a list, JSON, or ids between commas, bars or blanks."""
    if isinstance(dtype, pl.List):
        return cells.cast(pl.List(pl.String))
    text = cells.cast(pl.String)
    bare = text.str.replace_all(r"[\[\]()\"']", "").str.replace_all(r"[|,;\s" + LIST + r"]+", LIST)
    return bare.str.strip_chars(LIST).str.split(LIST)


def path_of_list(cells: pl.Expr) -> pl.Expr:
    """Categories that are lists in text, `["A", "B"]` or `[['A', 'B'], ['C']]`, as a path, of several the first."""
    inner = cells.str.extract(r"^\s*\[\s*\[?([^\[\]]*)\]", 1)
    parts = inner.str.extract_all(r"\"[^\"]*\"|'[^']*'|[^,\"']+")
    path = parts.list.eval(pl.element().str.strip_chars("\"' ")).list.eval(
        pl.element().filter(pl.element() != "")
    )
    is_list = cells.str.contains(r"^\s*\[.*\]\s*$")
    return pl.when(is_list & (path.list.len() > 0)).then(path.list.join(">")).otherwise(cells)
