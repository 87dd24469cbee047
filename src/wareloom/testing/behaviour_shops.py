"""Small shops of peculiar kinds, for what learns from events."""

from __future__ import annotations

import polars as pl

from wareloom.shop import Shop
from wareloom.testing.shops import small_shop

KINDS = (
    "plain",
    "one user",
    "one item",
    "one event",
    "one event each",
    "no times",
    "one second",
    "some times unknown",
    "no time known",
    "sessions without users",
    "several kinds",
    "all columns",
    "a table of users",
    "unknown items",
    "impressions",
)


def variant(kind: str) -> Shop:
    """A small shop of one of `KINDS`."""
    shop = small_shop(users=25, items=12, timed=kind != "no times")
    events = shop.table("events")
    place = pl.int_range(pl.len())
    changes: dict[str, pl.DataFrame] = {
        "one user": events.filter(pl.col("user_id") == "u3"),
        "one item": events.with_columns(item_id=pl.lit("i5")),
        "one event": events.head(1),
        "one event each": events.unique("user_id", keep="first", maintain_order=True),
        "several kinds": events.with_columns(
            event=pl.when(place % 3 == 0).then(pl.lit("view_item")).otherwise("event")
        ),
        "sessions without users": events.rename({"user_id": "session_id"}),
        "unknown items": events.with_columns(
            item_id=pl.when(place % 7 == 0).then(pl.lit("gone")).otherwise("item_id")
        ),
        "impressions": events.with_columns(
            event=pl.when(place % 4 == 0).then(pl.lit("view_item_list")).otherwise("event"),
            item_id=pl.when(place % 8 == 0).then(None).otherwise("item_id"),
        ),
        "all columns": events.with_columns(
            session_id=pl.format("{}-{}", "user_id", place // 3),
            quantity=(place % 3 + 1).cast(pl.Float64),
            rating=pl.when(place % 2 == 0).then(4.0),
            search_id=pl.format("q{}", place),
        ),
    }
    if kind == "one second":
        changes[kind] = events.with_columns(time=pl.lit(events["time"][0]))
    if kind == "some times unknown":
        changes[kind] = events.with_columns(time=pl.when(place % 5 != 0).then("time"))
    if kind == "no time known":
        changes[kind] = events.with_columns(time=pl.lit(None, dtype=pl.Datetime("us")))
    made = shop.with_tables(events=changes.get(kind, events))
    if kind == "a table of users":
        made = made.with_tables(users=events.select("user_id").unique(maintain_order=True))
    return made


def real_and_users() -> Shop:
    """The ring with a table of users, as mixers are given it."""
    shop = small_shop(users=120, items=12)
    users = shop.table("events").select("user_id").unique(maintain_order=True)
    return shop.with_tables(users=users).in_memory()
