"""Returns: which purchase each of them takes back."""

from __future__ import annotations

import polars as pl

from wareloom.shop.buckets import ROW, USER

AMOUNTS = ("quantity", "value")


def gives_back(names: list[str]) -> pl.Expr:
    """Whether an event has a negative quantity or value, among the columns `names`."""
    there = [pl.col(name) for name in AMOUNTS if name in names]
    negative = [(amount < 0) & amount.is_finite() for amount in there]
    return pl.any_horizontal(negative).fill_null(False) if there else pl.lit(False)


def paired(frame: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return rows (numbers) of returns, and of the purchases that they take back, each of which has one return.

    `frame` holds purchases: `row`, `user`, `item`, `time`, and quantity or value. A return takes back the last purchase
    before it (at the same time, too) of the same user, item and amount that no other has taken back: the quantity where
    there is one, else the value. They pair as brackets do, by their depth.
    """
    names = [name for name in AMOUNTS if name in frame.columns]
    none = pl.Series(ROW, [], dtype=frame.schema[ROW])
    if not names:
        return none, none
    size = pl.coalesce([pl.col(name).abs() for name in names])
    rows = frame.with_columns(back=gives_back(frame.columns), size=size).drop_nulls("size")
    key = [USER, "item", "size"]
    rows = rows.join(rows.filter("back").select(key).unique(), on=key, how="semi", nulls_equal=True)
    if rows.is_empty():
        return none, none
    rows = rows.sort(*key, "time", "back", ROW)
    step = pl.when("back").then(-1).otherwise(1)
    rows = rows.with_columns(sum=step.cum_sum().over(key))
    rows = rows.with_columns(least=pl.col("sum").cum_min().clip(upper_bound=0).over(key))
    orphan = pl.col("back") & (pl.col("least") < pl.col("least").shift(1).fill_null(0).over(key))
    rows = rows.with_columns(depth=pl.col("sum") - pl.col("least") + pl.col("back").cast(pl.Int32))
    rows = rows.filter(~orphan)
    level = [*key, "depth"]
    taken = ~pl.col("back") & pl.col("back").shift(-1).over(level).fill_null(False)
    return rows.filter("back")[ROW], rows.filter(taken)[ROW]
