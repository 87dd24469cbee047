"""What came of each row: how far down the funnel it went, and how it was rated."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

from wareloom.rankers.clicks.rows import Rows
from wareloom.rankers.factor.rating import rated
from wareloom.shop import Log, Shop
from wareloom.shop.schema import EVENTS, INTERACTIONS

DEPTHS = {
    "click": EVENTS.index("select_item"),
    "cart": EVENTS.index("add_to_cart"),
    "purchase": EVENTS.index("purchase"),
}
"""The first kind of event of each step down the funnel; a deeper kind stands for the steps above it, too"""
TASKS = (*DEPTHS, "rating")
_KEYS = {"session_id": pl.String(), "user_id": pl.String(), "time": pl.Datetime("us")}


def steps(depth: np.ndarray) -> list[str]:
    """Name the steps that some rows (depth int64 [rows], 0 for not chosen) went to and not beyond."""
    bounds = [*DEPTHS.values(), len(EVENTS)]
    there = [((depth >= low) & (depth < high)).any() for low, high in pairwise(bounds)]
    return [name for name, some in zip(DEPTHS, there, strict=True) if some]


def depths(rows: Rows, shop: Shop | None) -> np.ndarray:
    """The deepest kind of event that each row's item came to in the same session from its choice on: int64 [rows].

    A code of `EVENTS`, 0 where it was not chosen. With a shop that shows items, `rows.event` is a place in its events.
    """
    deepest = _of_log(rows.asked.log) if shop is None else _of_shop(shop)
    return np.where(rows.event >= 0, deepest[rows.event], 0)


def deepest_from(group: np.ndarray, code: np.ndarray) -> np.ndarray:
    """The highest code of each row's group at the row or behind it: int64 [rows]."""
    order = np.lexsort((-np.arange(len(group)), group))
    height = np.cumsum(np.diff(group[order], prepend=group[order][:1]) != 0) * len(EVENTS)
    found = np.empty(len(group), dtype=np.int64)
    found[order] = np.maximum.accumulate(height + code[order]) - height
    return found


def _of_log(log: Log) -> np.ndarray:
    session = np.cumsum(
        (np.diff(log.user, prepend=0) != 0) | (np.diff(log.session, prepend=0) != 0)
    )
    return deepest_from(session.astype(np.int64) * len(log.items) + log.item, log.event)


def _of_shop(shop: Shop) -> np.ndarray:
    """The same for the place of each event of the shop, 0 for one that chooses nothing."""
    scan = shop.scan("events").with_row_index("row")
    names = scan.collect_schema().names()
    missing = [
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in _KEYS.items() if name not in names
    ]
    frame = (
        scan.with_columns(missing)
        .filter(
            pl.col("event").is_in(INTERACTIONS)
            & pl.col("item_id").is_not_null()
            & (pl.col("weight") > 0)
        )
        .select("row", "time", "item_id", "event", visit=pl.coalesce("session_id", "user_id"))
        .sort("time", "row", nulls_last=False)
        .collect()
    )
    group = (
        frame.select(pl.struct("visit", "item_id").rank("dense"))
        .to_series()
        .to_numpy()
        .astype(np.int64)
    )
    code = frame["event"].cast(pl.Enum(EVENTS)).to_physical().to_numpy().astype(np.int64)
    found = np.zeros(shop.rows("events"), dtype=np.int64)
    found[frame["row"].to_numpy()] = deepest_from(group, code)
    return found


def ratings(rows: Rows, shop: Shop | None, items: pl.Series) -> np.ndarray:
    """What the user of each chosen row gave its item, the mean by weight of several: float64 [rows], NaN for none."""
    found = np.full(len(rows), np.nan)
    if shop is None or not shop.has("events", "rating"):
        return found
    weight = pl.col("weight").sum()
    known = rated(shop, none=True).filter(pl.col("weight") > 0).group_by("user", "item_id")
    mean = known.agg(rating=(pl.col("rating") * pl.col("weight")).sum() / weight)
    chosen = np.flatnonzero(rows.event >= 0)
    pairs = {
        "user": rows.asked.user.gather(rows.request[chosen]),
        "item_id": items.gather(rows.item[chosen]),
    }
    joined = pl.DataFrame(pairs).join(
        mean, on=["user", "item_id"], how="left", maintain_order="left"
    )
    found[chosen] = joined["rating"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return found
