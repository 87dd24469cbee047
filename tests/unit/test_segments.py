"""Segments, seasons and campaigns: whose events, and which."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import wareloom as wl
from conftest import small_shop
from wareloom.errors import InputError, SettingError
from wareloom.shop import Log, Shop


@pytest.fixture(scope="module")
def shop() -> Shop:
    """Users of two ages and two towns; items of two categories."""
    plain = small_shop(users=40, items=12)
    number = pl.col("user_id").str.slice(1).cast(pl.Int64)
    ages = pl.when(number % 4 == 0).then(pl.lit("65+")).otherwise(pl.lit("19-24"))
    towns = pl.when(number % 3 == 0).then(pl.lit("York")).otherwise(pl.lit("Bath"))

    def pair(name: str, value: pl.Expr) -> pl.Expr:
        return pl.struct(pl.lit(name).alias("name"), value.alias("value"))

    users = plain.table("events").select("user_id").unique(maintain_order=True)
    users = users.with_columns(attributes=pl.concat_list(pair("age", ages), pair("town", towns)))
    place = pl.int_range(pl.len())
    items = plain.table("items").with_columns(
        category=pl.concat_list(
            pl.lit("food"), pl.when(place < 4).then(pl.lit("bread")).otherwise(pl.lit("fruit"))
        )
    )
    return plain.with_tables(users=users, items=items)


def whose(shop: Shop) -> set[int]:
    return {int(user[1:]) for user in shop.table("events")["user_id"]}


def test_users_have_all_attributes_and_one_of_several_values(shop: Shop) -> None:
    assert whose(wl.segment(shop, where={"age": "65+"})) == {n for n in range(40) if n % 4 == 0}
    assert whose(wl.segment(shop, where={"age": "65+", "town": "York"})) == {
        n for n in range(40) if n % 12 == 0
    }
    assert whose(wl.segment(shop, where={"town": "York|Bath"})) == set(range(40))
    old = wl.segment(shop, where={"age": "65+"})
    assert set(old.table("users")["user_id"]) == set(old.table("events")["user_id"])
    assert old.table("items").equals(shop.table("items"))
    rows = shop.table("events").filter(pl.col("user_id").str.slice(1).cast(pl.Int64) % 4 == 0)
    assert old.table("events").equals(rows), "all of their events, in order"


def test_a_campaign_is_the_events_between_two_times(shop: Shop) -> None:
    times = shop.table("events")["time"]
    since, until = times.quantile(0.3), times.quantile(0.6)
    found = wl.segment(shop, since=since.isoformat(), until=until.isoformat()).table("events")[
        "time"
    ]
    assert len(found) == ((times >= since) & (times < until)).sum() > 0
    assert wl.segment(shop, since=times.min().date().isoformat()).rows("events") == len(times), (
        "a day begins at midnight"
    )


def test_a_category_and_kinds_of_event(shop: Shop) -> None:
    bread = set(shop.table("items")["item_id"].head(4))
    assert set(wl.segment(shop, category="bread").table("events")["item_id"]) <= bread
    assert wl.segment(shop, category="food").rows("events") == shop.rows("events")
    with pytest.raises(
        InputError, match=r"Not one of the shop's .* events is in the segment events=view_item"
    ):
        wl.segment(shop, events=("view_item",))


def test_users_like_a_segment_are_drawn(shop: Shop) -> None:
    """Those of a segment that buys one category alone do so, too."""
    bread = wl.segment(shop, category="bread")
    drawn = wl.synthesizer("markov").fit(shop).sample(60, given=wl.Given(like=bread))
    assert len(Log.of(drawn).users) == 60
    assert set(Log.of(drawn).lengths()) <= set(Log.of(bread).lengths())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"where": {"ages": "65+"}}, "no attribute 'ages'.*Did you mean 'age'"),
        ({"where": {"age": "64"}}, "no value of age '64'.*It has 19-24, 65"),
        ({"category": "breads"}, "no category 'breads'.*bread"),
    ],
)
def test_what_the_shop_does_not_have_is_named(
    settings: dict[str, Any], said: str, shop: Shop
) -> None:
    with pytest.raises(InputError, match=said):
        wl.segment(shop, **settings)


def test_shops_without_what_is_asked_for(shop: Shop) -> None:
    with pytest.raises(InputError, match="users have no attributes"):
        wl.segment(small_shop(users=5), where={"age": "65+"})
    with pytest.raises(InputError, match="events have no time"):
        wl.segment(small_shop(users=5, timed=False), since="2024-01-01")
    with pytest.raises(InputError, match="items have no category"):
        wl.segment(
            Shop(
                {
                    **{n: shop.table(n) for n in ("events",)},
                    "items": shop.table("items").drop("category"),
                }
            ),
            category="bread",
        )
    with pytest.raises(InputError, match="no table 'events'"):
        wl.segment(Shop({"items": shop.table("items")}))
    with pytest.raises(SettingError, match="since is 'yesterday'; give a day"):
        wl.segment(shop, since="yesterday")
    with pytest.raises(SettingError, match="no event 'viewed'"):
        wl.segment(shop, events=("viewed",))
