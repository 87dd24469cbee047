"""Features one can look at: what users, items and events are like by the shop's own last time, never the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from wareloom.core.asked import a_run, asks
from wareloom.core.files import replacing
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Settings, Size
from wareloom.core.state import write_json
from wareloom.shop.asked import a_shop
from wareloom.shop.buckets import sink, user_key
from wareloom.shop.schema import IMPRESSION, INTERACTIONS
from wareloom.shop.shop import Shop

DAY = 86_400_000_000
"""Microseconds of a day."""
FIXED = 1_000_000_000
"""Sums of fractions are taken in integers of this part, so that the same log gives the same bytes."""
_TYPES = {
    "time": pl.Datetime("us"),
    "value": pl.Float64(),
    "quantity": pl.Float64(),
    "item_id": pl.String(),
}


@dataclass(frozen=True, kw_only=True)
class FeatureSettings(Settings):
    """What is measured."""

    categories: Size = 3
    """Categories named for each user, those with most of its interactions."""
    half_life: Positive = 30.0
    """Days after which an interaction counts half in the recency-decayed popularity."""
    events: bool = False
    """Measure each event, too: hour, weekday, days since the user's previous event."""


@asks(shop=a_shop, run=a_run)
def features(
    shop: Shop, run: Run | None = None, settings: FeatureSettings | None = None
) -> dict[str, pl.DataFrame]:
    """Return the tables `users`, `items` and, if asked for, `events`; days and hours are UTC, prices in the shop's
    currency.

    - users: user, events, items (distinct), recency (days since its last interaction), tenure (days since its first),
      orders, monetary (value of its purchases: `value`, else price × quantity), categories (list of name and share),
      log_price_mean and log_price_q10/q50/q90 (natural log), price_rank (mean percentile within category), hours (24
      shares) and weekdays (7 shares, Monday first).
    - items: item_id, interactions, users (distinct), popularity (share of interactions), decayed (interactions, halved
    every
      `half_life` days before the log's end), age (days since launch, or since the first event), price, price_rank
      (percentile within its category, 0 cheapest), and where the log has them impressions, views, carts, purchases,
      click_rate (clicks an impression) and conversion (purchases a view).
    - events: row, user, hour, weekday, days_since_previous.

    What the shop does not know is null. A shop without events has an items table only.
    """
    settings, run = settings or FeatureSettings(), run or Run()
    with run.task("features"):
        items = _items(shop)
        if not shop.has("events"):
            return {"items": items.collect()}
        events = _events(shop)
        last = events.select(pl.col("time").max()).collect(engine="streaming").item()
        made = {
            "users": _user_features(events, items, last, settings),
            "items": _item_features(events, items, last, settings),
        }
        if settings.events:
            made["events"] = _event_features(events)
    return made


def save_features(tables: Mapping[str, pl.DataFrame], to: str | Path) -> Path:
    """Write the tables of `features` to the folder `to` as NAME.parquet with a `features.json` of their sizes."""
    with replacing(Path(to), "features.json") as folder:
        sink({folder / f"{name}.parquet": table.lazy() for name, table in tables.items()})
        write_json(
            folder / "features.json",
            {name: {"rows": t.height, "columns": t.columns} for name, t in tables.items()},
        )
    return Path(to)


def _events(shop: Shop) -> pl.LazyFrame:
    """Events with the columns that features need; those the shop lacks are null."""
    scan = shop.scan("events")
    names = scan.collect_schema().names()
    missing = [
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in _TYPES.items() if name not in names
    ]
    keyed = scan.with_row_index("row").with_columns(*missing, user=user_key(scan))
    return keyed.select("row", "user", "item_id", "event", "time", "value", "quantity").filter(
        pl.col("user").is_not_null()
    )


def _items(shop: Shop) -> pl.LazyFrame:
    """Items with their price, its percentile within the finest category, and the launch date."""
    scan = shop.scan("items")
    names = scan.collect_schema().names()
    category = (
        pl.col("category").list.last() if "category" in names else pl.lit(None, dtype=pl.String)
    )
    price = pl.col("price") if "price" in names else pl.lit(None, dtype=pl.Float64)
    launched = (
        pl.col("launched_at") if "launched_at" in names else pl.lit(None, dtype=pl.Datetime("us"))
    )
    frame = scan.select("item_id", category=category, price=price, launched_at=launched)
    rank = (pl.col("price").rank("average") - 1) / (pl.col("price").count() - 1)
    return frame.with_columns(
        price_rank=pl.when(pl.col("price").is_not_null()).then(rank.over("category").fill_nan(0.5))
    )


def _days(since: object, until: object) -> pl.Expr:
    """Days from the time `since` to `until`."""
    first = since if isinstance(since, pl.Expr) else pl.lit(since, dtype=pl.Datetime("us"))
    last = until if isinstance(until, pl.Expr) else pl.lit(until, dtype=pl.Datetime("us"))
    return (last - first).dt.total_microseconds() / DAY


def _sum(values: pl.Expr) -> pl.Expr:
    """Sum to nine decimals; integers add up to the same in whatever order threads take them."""
    return (values * FIXED).round().cast(pl.Int64).sum() / FIXED


def _mean(values: pl.Expr) -> pl.Expr:
    """Mean by `_sum`, null where there are no values."""
    return pl.when(values.count() > 0).then(_sum(values) / values.count())


def _user_features(
    events: pl.LazyFrame, items: pl.LazyFrame, last: object, settings: FeatureSettings
) -> pl.DataFrame:
    known = items.select("item_id", "category", "price", "price_rank")
    chosen = events.filter(pl.col("event").is_in(list(INTERACTIONS))).join(
        known, on="item_id", how="left"
    )
    bought = pl.col("event") == "purchase"
    money = pl.coalesce("value", pl.col("price") * pl.col("quantity").fill_null(1.0))
    log_price = pl.when(pl.col("price") > 0).then(pl.col("price").log())
    hour, weekday = pl.col("time").dt.hour(), pl.col("time").dt.weekday() - 1
    timed = pl.col("time").count()
    users = chosen.group_by("user").agg(
        events=pl.len(),
        items=pl.col("item_id").n_unique(),
        recency=_days(pl.col("time").max(), last),
        tenure=_days(pl.col("time").min(), last),
        orders=bought.sum(),
        monetary=pl.when((bought & money.is_not_null()).any()).then(_sum(money.filter(bought))),
        log_price_mean=_mean(log_price),
        **{f"log_price_q{int(q * 100)}": log_price.quantile(q, "linear") for q in (0.1, 0.5, 0.9)},
        price_rank=_mean(pl.col("price_rank")),
        _hours=pl.concat_list((hour == h).sum() / timed for h in range(24)),
        _weekdays=pl.concat_list((weekday == d).sum() / timed for d in range(7)),
        _timed=timed,
    )
    has_time = pl.col("_timed") > 0
    users = users.with_columns(
        hours=pl.when(has_time).then("_hours"), weekdays=pl.when(has_time).then("_weekdays")
    )
    tastes = _tastes(chosen, settings.categories)
    found = users.drop("_hours", "_weekdays", "_timed").join(tastes, on="user", how="left")
    return found.sort("user").collect(engine="streaming")


def _tastes(chosen: pl.LazyFrame, most: int) -> pl.LazyFrame:
    """The categories each user chose most, with their shares of its interactions on items of a known category."""
    counts = chosen.filter(pl.col("category").is_not_null()).group_by("user", "category").len()
    shares = counts.with_columns(share=pl.col("len") / pl.col("len").sum().over("user"))
    best = (
        pl.struct(name="category", share="share")
        .sort_by(["share", "category"], descending=[True, False])
        .head(most)
    )
    return shares.group_by("user").agg(categories=best)


def _item_features(
    events: pl.LazyFrame, items: pl.LazyFrame, last: object, settings: FeatureSettings
) -> pl.DataFrame:
    chosen = pl.col("event").is_in(list(INTERACTIONS))
    age = _days(pl.col("time"), last)
    kinds = {
        "impressions": IMPRESSION,
        "clicks": "select_item",
        "views": "view_item",
        "carts": "add_to_cart",
        "purchases": "purchase",
    }
    seen = set(events.select(pl.col("event").unique()).collect(engine="streaming")["event"])
    counts = (
        events.filter(pl.col("item_id").is_not_null())
        .group_by("item_id")
        .agg(
            interactions=chosen.sum(),
            users=pl.col("user").filter(chosen).n_unique(),
            decayed=_sum((0.5 ** (age / settings.half_life)).filter(chosen)),
            _first=pl.col("time").min(),
            _timed=pl.col("time").count(),
            **{
                name: (pl.col("event") == kind).sum()
                for name, kind in kinds.items()
                if kind in seen
            },
        )
    )
    found = items.join(counts, on="item_id", how="left")
    numbers = ["interactions", "users", *(name for name, kind in kinds.items() if kind in seen)]
    found = found.with_columns(pl.col(numbers).fill_null(0)).with_columns(
        popularity=pl.col("interactions") / pl.col("interactions").sum(),
        decayed=pl.when(pl.col("_timed").fill_null(0) > 0)
        .then("decayed")
        .otherwise(0.0 if last is not None else None),
        age=_days(pl.coalesce("launched_at", "_first"), last),
    )
    rates = [("click_rate", "clicks", "impressions"), ("conversion", "purchases", "views")]
    made = [
        pl.when(pl.col(below) > 0).then(pl.col(above) / pl.col(below)).alias(name)
        for name, above, below in rates
        if above in numbers and below in numbers
    ]
    return (
        found.with_columns(made)
        .drop("_first", "_timed", "launched_at")
        .sort("item_id")
        .collect(engine="streaming")
    )


def _event_features(events: pl.LazyFrame) -> pl.DataFrame:
    ordered = events.sort("user", "time", "row")
    since = _days(pl.col("time").shift(1).over("user"), pl.col("time"))
    return (
        ordered.select(
            "row",
            "user",
            hour=pl.col("time").dt.hour(),
            weekday=pl.col("time").dt.weekday() - 1,
            days_since_previous=since,
        )
        .sort("row")
        .collect(engine="streaming")
    )
