"""Features against slow obvious versions, and against the shop's own last time."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from wareloom.errors import SettingError
from wareloom.preparing.features import FeatureSettings, features, save_features
from wareloom.shop import Shop

START = datetime(2024, 1, 1)


def shop_of(seed: int = 0, count: int = 300, *, timed: bool = True) -> Shop:
    rng = np.random.default_rng(seed)
    kinds = ["view_item_list", "select_item", "view_item", "add_to_cart", "purchase"]
    events = pl.DataFrame(
        {
            "user_id": [f"u{k}" for k in rng.integers(12, size=count)],
            "item_id": [f"i{k}" for k in rng.integers(9, size=count)],
            "event": [kinds[k] for k in rng.integers(5, size=count)],
            "time": [
                START + timedelta(minutes=int(m)) for m in rng.integers(60 * 24 * 60, size=count)
            ],
            "quantity": rng.integers(1, 4, size=count).astype(float),
        }
    )
    items = pl.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(10)],
            "category": [["All", f"C{k % 3}"] for k in range(10)],
            "price": [float(k) if k else None for k in range(10)],
            "launched_at": [START - timedelta(days=5) if k == 1 else None for k in range(10)],
        },
        schema_overrides={"launched_at": pl.Datetime("us")},
    )
    return Shop({"items": items, "events": events if timed else events.drop("time")})


def test_users_against_a_slow_version() -> None:
    shop = shop_of()
    users = features(shop, settings=FeatureSettings(categories=2))["users"]
    events = shop.table("events").filter(pl.col("event") != "view_item_list")
    last = max(shop.table("events")["time"])
    price = dict(shop.table("items").select("item_id", "price").rows())
    assert users["user"].to_list() == sorted(set(events["user_id"]))
    for row in users.iter_rows(named=True):
        own = events.filter(user_id=row["user"]).to_dicts()
        assert row["events"] == len(own)
        assert row["items"] == len({e["item_id"] for e in own})
        assert row["recency"] == pytest.approx(
            (last - max(e["time"] for e in own)) / timedelta(days=1)
        )
        assert row["tenure"] == pytest.approx(
            (last - min(e["time"] for e in own)) / timedelta(days=1)
        )
        orders = [e for e in own if e["event"] == "purchase"]
        assert row["orders"] == len(orders)
        money = [e["quantity"] * price[e["item_id"]] for e in orders if price[e["item_id"]]]
        assert row["monetary"] == (pytest.approx(sum(money)) if money else None)
        logs = [math.log(price[e["item_id"]]) for e in own if price[e["item_id"]]]
        assert row["log_price_mean"] == pytest.approx(float(np.mean(logs)))
        assert [row[f"log_price_q{q}"] for q in (10, 50, 90)] == pytest.approx(
            list(np.quantile(logs, (0.1, 0.5, 0.9)))
        )
        assert row["hours"] == pytest.approx(
            [np.mean([e["time"].hour == h for e in own]) for h in range(24)]
        )
        assert row["weekdays"] == pytest.approx(
            [np.mean([e["time"].weekday() == d for e in own]) for d in range(7)]
        )
        categories = [f"C{int(e['item_id'][1:]) % 3}" for e in own]
        shares = sorted(
            ((categories.count(c) / len(own), c) for c in set(categories)),
            key=lambda s: (-s[0], s[1]),
        )[:2]
        assert [(c["name"], c["share"]) for c in row["categories"]] == [
            (c, pytest.approx(s)) for s, c in shares
        ]


def test_items_against_a_slow_version() -> None:
    shop = shop_of()
    items = features(shop, settings=FeatureSettings(half_life=10.0))["items"]
    events = shop.table("events")
    last = max(events["time"])
    chosen = events.filter(pl.col("event") != "view_item_list")
    assert len(items) == 10
    for row in items.iter_rows(named=True):
        own = chosen.filter(item_id=row["item_id"])
        every = events.filter(item_id=row["item_id"])
        assert row["interactions"] == len(own)
        assert row["users"] == own["user_id"].n_unique()
        assert row["popularity"] == pytest.approx(len(own) / len(chosen))
        ages = [(last - time) / timedelta(days=1) for time in own["time"]]
        assert row["decayed"] == pytest.approx(sum(0.5 ** (age / 10) for age in ages))
        kinds = every["event"].to_list()
        for name, kind in (
            ("impressions", "view_item_list"),
            ("clicks", "select_item"),
            ("purchases", "purchase"),
        ):
            assert row[name] == kinds.count(kind)
        views = kinds.count("view_item")
        assert row["conversion"] == (
            pytest.approx(kinds.count("purchase") / views) if views else None
        )
        if row["item_id"] == "i1":
            assert row["age"] == pytest.approx((last - START) / timedelta(days=1) + 5)
        elif len(every):
            assert row["age"] == pytest.approx((last - min(every["time"])) / timedelta(days=1))
        else:
            assert row["age"] is None
    ranks = dict(items.select("item_id", "price_rank").rows())
    assert ranks["i0"] is None
    assert [ranks[f"i{k}"] for k in (1, 4, 7)] == [0.0, 0.5, 1.0]


def test_events_know_the_day_before() -> None:
    shop = shop_of(count=40)
    found = features(shop, settings=FeatureSettings(events=True))["events"]
    events = shop.table("events").rows(named=True)
    assert found["row"].to_list() == list(range(40))
    for row in found.iter_rows(named=True):
        own = events[row["row"]]
        before = sorted(
            e["time"] for e in events if e["user_id"] == own["user_id"] and e["time"] < own["time"]
        )
        assert (row["hour"], row["weekday"]) == (own["time"].hour, own["time"].weekday())
        gap = (own["time"] - before[-1]) / timedelta(days=1) if before else None
        assert row["days_since_previous"] == (pytest.approx(gap) if before else None)


def test_shifting_all_times_changes_nothing_but_hours() -> None:
    shop = shop_of()
    later = shop.with_tables(
        events=shop.table("events").with_columns(pl.col("time") + timedelta(days=700)),
        items=shop.table("items").with_columns(pl.col("launched_at") + timedelta(days=700)),
    )
    one, other = features(shop), features(later)
    assert one["users"].equals(other["users"])
    assert one["items"].equals(other["items"])


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    found = features(shop_of(timed=False))
    assert found["users"]["recency"].null_count() == len(found["users"])
    assert found["users"]["hours"].null_count() == len(found["users"])
    assert found["items"]["decayed"].null_count() == 10
    priceless = features(shop_of().with_tables(items=shop_of().table("items").drop("price")))
    assert priceless["users"].select("log_price_mean", "price_rank", "monetary").null_count().row(
        0
    ) == (12, 12, 12)
    bare = features(Shop({"items": pl.DataFrame({"item_id": ["a"]})}))
    assert list(bare) == ["items"]
    folder = save_features(found, tmp_path / "features")
    assert pl.read_parquet(folder / "users.parquet").equals(found["users"])
    with pytest.raises(SettingError, match="half_life"):
        FeatureSettings(half_life=0)
