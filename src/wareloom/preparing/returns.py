"""Returns: which purchase each of them takes back, and of which it takes back a part."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from wareloom.shop.buckets import ROW, USER

AMOUNTS = ("quantity", "value")
_KEY = (USER, "item")


class Taken(NamedTuple):
    """What returns took back."""

    back: pl.Series
    """Rows (numbers) of the returns"""
    whole: pl.Series
    """Rows of the purchases that are taken back as a whole"""
    left: pl.DataFrame
    """`row`, and what is left of quantity and value, of the purchases of which a part is taken back"""


def gives_back(names: list[str]) -> pl.Expr:
    """Whether an event has a negative quantity or value, among the columns `names`."""
    there = [pl.col(name) for name in AMOUNTS if name in names]
    negative = [(amount < 0) & amount.is_finite() for amount in there]
    return pl.any_horizontal(negative).fill_null(False) if there else pl.lit(False)


def taken_back(frame: pl.DataFrame) -> Taken:
    """Return what the returns among purchases take back.

    `frame` holds purchases: `row`, `user`, `item`, `time`, and quantity or value, float64. A return takes back the last
    purchase before it (at the same time, too) of the same user, item and amount that no other has taken back: the
    quantity where there is one, else the value. Returns without such a purchase take their amount from what is left of
    the purchases before them of that user and item, from the last backwards, where it is enough for the whole return.
    """
    names = [name for name in AMOUNTS if name in frame.columns]
    none = pl.Series(ROW, [], dtype=frame.schema[ROW])
    nothing = Taken(none, none, frame.select(ROW, *names).clear())
    if not names:
        return nothing
    size = pl.coalesce([pl.col(name).abs() for name in names])
    rows = frame.with_columns(back=gives_back(frame.columns), size=size).drop_nulls("size")
    rows = rows.join(rows.filter("back").select(_KEY).unique(), on=_KEY, how="semi")
    if rows.is_empty():
        return nothing
    back, whole = _paired(rows)
    rest = rows.filter(~pl.col(ROW).is_in(pl.concat([back, whole]).implode()))
    rest = rest.join(rest.filter("back").select(_KEY).unique(), on=_KEY, how="semi")
    more, gone, left = _in_part(rest.sort(*_KEY, "time", "back", ROW), names)
    return Taken(
        pl.concat([back, pl.Series(ROW, more, dtype=none.dtype)]),
        pl.concat([whole, pl.Series(ROW, gone, dtype=none.dtype)]),
        pl.DataFrame(left, schema=nothing.left.schema, orient="row"),
    )


def _paired(rows: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Rows of returns, and of the purchases of one amount that they take back: they pair as brackets do, by depth."""
    key = [*_KEY, "size"]
    rows = rows.join(rows.filter("back").select(key).unique(), on=key, how="semi", nulls_equal=True)
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


def _in_part(
    rows: pl.DataFrame, names: list[str]
) -> tuple[list[int], list[int], list[tuple[float | int | None, ...]]]:
    """Rows of returns, rows of purchases that are taken back in parts until none is left, and what is left of others.

    `rows` stand in order of user, item and time.
    """
    back: list[int] = []
    first: dict[int, dict[str, float | None]] = {}
    now: dict[int, dict[str, float | None]] = {}
    open_: list[tuple[int, float]] = []
    key = None
    for row in rows.iter_rows(named=True):
        if key != (key := (row[USER], row["item"])):
            open_ = []
        if not row["back"]:
            open_.append((row[ROW], row["size"]))
            first[row[ROW]] = now[row[ROW]] = {name: row[name] for name in names}
            continue
        wanted = row["size"]
        if wanted <= 0 or sum(size for _, size in open_) < wanted:
            continue
        back.append(row[ROW])
        while wanted > 0:
            place, size = open_.pop()
            part = min(size, wanted)
            now[place] = _less(now[place], row, part / row["size"], part / size)
            wanted -= part
            if size > part:
                open_.append((place, size - part))
            else:
                now[place] = {}
    gone = [place for place, amounts in now.items() if not amounts]
    left = [
        (place, *(amounts[name] for name in names))
        for place, amounts in now.items()
        if amounts and amounts is not first[place]
    ]
    return back, gone, left


def _less(
    bought: dict[str, float | None], back: dict[str, float], share: float, part: float
) -> dict[str, float | None]:
    """A purchase less `share` of a return, which is `part` of the purchase; that counts where the return says no more.

    A value that would fall below 0, as where more was given back than was paid, shrinks by its part, too.
    """
    left: dict[str, float | None] = {}
    for name, amount in bought.items():
        if amount is None:
            left[name] = None
            continue
        said = back[name]
        less = amount - abs(said) * share if said is not None else -1.0
        left[name] = less if less >= 0 else amount * (1 - part)
    return left
