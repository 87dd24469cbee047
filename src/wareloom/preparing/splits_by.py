"""Which part each row belongs to: by a hash of its user or query, or by its place among its user's events."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from wareloom.shop.buckets import (
    CODE,
    ROW,
    USER,
    Buckets,
    bucketed,
    coded,
    count,
    user_hash,
    user_key,
)
from wareloom.shop.log import NO_TIME, counts_in_log, tie_order

if TYPE_CHECKING:
    from wareloom.shop.shop import Shop

LEAST = 3
"""Interactions a user needs for leave-last-out: one for each part. Users with fewer stay wholly in train."""


def hashed(ids: pl.Series, parts: Sequence[float], salt: tuple[object, ...]) -> np.ndarray:
    """Return the part of each id: uint8 [ids], in the shares `parts` by BLAKE2b of the id, the same everywhere."""
    return _of_places(_places(ids, salt), parts)


def dealt(
    ids: pl.Series, counted: np.ndarray, parts: Sequence[float], salt: tuple[object, ...]
) -> np.ndarray:
    """Return the part of each id as `hashed` does, but with no part empty that has a share: uint8 [ids].

    A part that got none of the `counted` ids (bool [ids]) gets the one whose hash lies nearest to its own stretch, from
    a part that keeps another. Where there are fewer such ids than parts, one stays empty.
    """
    places = _places(ids, salt)
    codes = _of_places(places, parts)
    edges = np.concatenate([[0.0], np.cumsum(parts) / np.sum(parts)])
    for part in np.flatnonzero(np.asarray(parts) > 0):
        held = np.bincount(codes[counted], minlength=3)
        spared = np.flatnonzero(counted & (held[codes] > 1))
        if held[part] or not len(spared):
            continue
        away = np.maximum(edges[part] - places[spared], places[spared] - edges[part + 1])
        codes[spared[np.argmin(away)]] = part
    return codes


def _places(ids: pl.Series, salt: tuple[object, ...]) -> np.ndarray:
    """Where each id's hash lies between 0 and 1: float64 [ids]."""
    key = hashlib.blake2b("\x1f".join(map(str, salt)).encode(), digest_size=32).digest()
    places = [
        int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=key).digest(), "little")
        for name in ids.to_list()
    ]
    return np.array(places, dtype=np.uint64) / 2.0**64


def _of_places(places: np.ndarray, parts: Sequence[float]) -> np.ndarray:
    bounds = np.cumsum(parts)[:2] / np.sum(parts)
    return np.searchsorted(bounds, places, side="right").astype(np.uint8)


def keyed(frame: pl.LazyFrame, ids: pl.Series, parts: np.ndarray) -> np.ndarray:
    """Return the part of each row of `frame`, whose one column is an id: uint8 [rows], 0 for unknown and null ids."""
    table = pl.DataFrame({"key": ids, "part": parts}, schema_overrides={"part": pl.UInt8}).lazy()
    found = (
        frame.select(key=pl.first())
        .with_row_index(ROW)
        .join(table, on="key", how="inner")
        .select(ROW, "part")
    )
    return _scattered(count(frame), found)


def _scattered(rows: int, found: pl.LazyFrame) -> np.ndarray:
    """Return `part` by `ROW`, uint8 [rows], 0 where there is none.

    Rows go by their numbers and not by the order a streaming join gives them, which Polars 2.1 does not always
    maintain.
    """
    pairs = found.select(ROW, pl.col("part").cast(pl.UInt8)).collect(engine="streaming")
    codes = np.zeros(rows, dtype=np.uint8)
    codes[pairs[ROW].to_numpy()] = pairs["part"].to_numpy()
    return codes


def last_out(
    shop: Shop, kinds: Sequence[str], shuffle_ties: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the part of each event and, where there are searches, of each search: uint8 [rows] each.

    The order of a user's interactions is that of `Log.of(shop, kinds=kinds, shuffle_ties=shuffle_ties)`. Events that
    are no interactions (impressions, …) go with the interaction that follows them, after the last one with the last.
    """
    events = shop.scan("events")
    names = events.collect_schema().names()
    named = events.with_columns(user=user_key(events))
    if "item_id" not in names:
        named = named.with_columns(item_id=pl.lit(None, dtype=pl.String))
    time = pl.col("time").cast(pl.Int64) if "time" in names else pl.lit(None, dtype=pl.Int64)
    columns = {
        "counts": counts_in_log(kinds).fill_null(False),
        "item": pl.col("item_id").hash(seed=2),
        "time": time.fill_null(int(NO_TIME)),
    }
    items = (
        shop.scan("items")
        .select(pl.col("item_id").hash(seed=2))
        .collect(engine="streaming")["item_id"]
    )
    ends = []
    with bucketed(named, columns) as buckets:
        codes = np.zeros(buckets.rows, dtype=np.uint8)
        ties = None if shuffle_ties is None else _ties(buckets, items, shuffle_ties)
        for frame in buckets:
            order = frame[ROW] if ties is None else pl.Series(ties[frame[ROW].to_numpy()])
            frame = frame.with_columns(order=order, counts=_counts(items)).drop("item")
            parts, end = _last_of_each(frame, tied=ties is not None)
            codes[parts[ROW].to_numpy()] = parts["part"].to_numpy()
            ends.append(end)
    return codes, _searches(shop, codes, pl.concat(ends)) if shop.has("searches") else None


def _counts(items: pl.Series) -> pl.Expr:
    """Whether an event is an interaction with an item of the catalogue, given as hashes."""
    return pl.col("counts") & pl.col("item").is_in(items.implode())


def _ties(buckets: Buckets, items: pl.Series, seed: int) -> np.ndarray:
    """Return each row's place among those of its user and time, as `Log.of` draws it; other rows come last."""
    chosen = np.zeros(buckets.rows, dtype=bool)
    for frame in buckets:
        chosen[frame.filter(_counts(items))[ROW].to_numpy()] = True
    ties = np.full(buckets.rows, np.iinfo(np.int64).max)
    ties[chosen] = tie_order(int(chosen.sum()), seed)
    return ties


def _last_of_each(frame: pl.DataFrame, *, tied: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the part of each row, and for each user the times of the last interactions in train and validation."""
    chosen = frame.filter("counts").sort(USER, "time", "order")
    user = chosen[USER].to_numpy()
    first = (
        np.flatnonzero(np.append(True, user[1:] != user[:-1]))
        if len(user)
        else np.zeros(0, dtype=np.int64)
    )
    stop = np.append(first[1:], len(user))
    stop = stop[stop - first >= LEAST] if len(user) else stop[:0]
    part = np.zeros(len(user), dtype=np.uint8)
    part[stop - 1], part[stop - 2] = 2, 1
    time = chosen["time"].to_numpy()
    ends = pl.DataFrame({USER: user[stop - 1], "train": time[stop - 3], "val": time[stop - 2]})
    found = chosen.select(ROW).with_columns(part=pl.Series(part))
    if len(chosen) == len(frame):
        return found, ends
    every = frame.join(found, on=ROW, how="left").sort(USER, "time", "order", ROW)
    if tied:
        same_time = pl.col("part").max().over(USER, "time")
        every = every.with_columns(part=pl.coalesce("part", same_time))
    following = pl.col("part").fill_null(strategy="backward").over(USER)
    every = every.with_columns(
        part=pl.coalesce(following, pl.col("part").max().over(USER)).fill_null(0)
    )
    return every.select(ROW, "part"), ends


def _searches(shop: Shop, codes: np.ndarray, ends: pl.DataFrame) -> np.ndarray:
    """Return the part of each search: that of the events it led to, else by its time among its user's interactions."""
    searches, events = shop.scan("searches"), shop.scan("events")
    names = searches.collect_schema().names()
    time = pl.col("time").cast(pl.Int64) if "time" in names else pl.lit(None, dtype=pl.Int64)
    rows = searches.with_row_index(ROW).select(
        ROW, "search_id", user_hash(searches).alias(USER), time=time
    )
    rows = rows.join(ends.lazy(), on=USER, how="left")
    part = (
        pl.when(pl.col("time") <= pl.col("train"))
        .then(0)
        .when(pl.col("time") <= pl.col("val"))
        .then(1)
        .otherwise(2)
    )
    part = (
        pl.when(pl.col("time").is_not_null() & pl.col("val").is_not_null()).then(part).otherwise(0)
    )
    if shop.has("events", "search_id"):
        led = (
            coded(events.select("search_id"), codes)
            .drop_nulls()
            .group_by("search_id")
            .agg(pl.col(CODE).max())
        )
        rows = rows.join(led, on="search_id", how="left")
        part = pl.coalesce(pl.col(CODE), part)
    return _scattered(count(searches), rows.select(ROW, part=part))
