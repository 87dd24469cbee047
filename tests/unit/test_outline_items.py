"""Which items fill an outline: such as were sold then, of brands that the user keeps to, and as dear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seasons import BRAND, DAY, ITEMS, LAUNCH, LIFE, NEW_YEAR, season_items, seasons
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.shop import Log, Shop
from wareloom.shop.log import NO_TIME
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._brands import fit_brands
from wareloom.synthesis.behaviour._dates import (
    AFTER,
    BEFORE,
    BETWEEN,
    UNKNOWN,
    beside_others,
    fit_dates,
)
from wareloom.synthesis.behaviour._outline import UNPRICED, price_bands
from wareloom.synthesis.behaviour.markov import Markov

USERS = 500


@pytest.fixture(scope="module")
def real() -> Shop:
    return seasons(USERS, 1)


@pytest.fixture(scope="module")
def model(real: Shop) -> Markov:
    made: Markov = SYNTHESIZERS.make("markov").fit(real, Run(seed=1, threads=1))
    return made


@pytest.fixture(scope="module")
def made(model: Markov) -> Shop:
    return model.sample(USERS, Run(seed=2, threads=1))


def items_and_days(shop: Shop) -> tuple[np.ndarray, np.ndarray]:
    """Number of the item and day of each event."""
    events = shop.table("events")
    item = events["item_id"].str.slice(1).cast(pl.Int64).to_numpy()
    return item, (events["time"].to_physical().to_numpy() - NEW_YEAR) // DAY


def test_items_are_those_that_were_sold_then(made: Shop) -> None:
    item, day = items_and_days(made)
    sold = (day >= LAUNCH[item]) & (day < LAUNCH[item] + LIFE)
    assert sold.mean() > 0.75
    rng = np.random.default_rng(0)
    anyhow = rng.permutation(item)
    assert ((day >= LAUNCH[anyhow]) & (day < LAUNCH[anyhow] + LIFE)).mean() < 0.5


def test_items_stand_among_their_dates_as_real_ones_do(real: Shop, made: Shop) -> None:
    """Neither all at their launch nor all at their end."""
    ages = [day - LAUNCH[item] for item, day in map(items_and_days, (real, made))]
    quantiles = [np.quantile(age, [0.1, 0.5, 0.9]) for age in ages]
    assert np.abs(quantiles[0] - quantiles[1]).max() < 3


def test_what_is_new_at_the_end_of_the_log_is_chosen_there(real: Shop, made: Shop) -> None:
    shares = []
    for shop in (real, made):
        item, day = items_and_days(shop)
        late = day >= LAUNCH.max() - 5
        shares.append((LAUNCH[item[late]] >= LAUNCH.max() - 5).mean())
    assert shares[0] > 0.1
    assert shares[1] == pytest.approx(shares[0], abs=0.08)


def test_shoppers_of_another_year_have_items_too(model: Markov, real: Shop) -> None:
    """Their dates lie behind all that was fitted: what was new last is among what they choose."""
    later = real.with_tables(
        events=real.table("events").with_columns(pl.col("time") + pl.duration(days=365))
    )
    shop = model.sample(200, Run(seed=3, threads=1), Given(like=later))
    item, day = items_and_days(shop)
    assert day.min() >= 350
    assert (LAUNCH[item] >= LAUNCH.max() - 10).any()


def chief_share(shop: Shop) -> float:
    """Mean share of a user's different items that are of its chief brand."""
    events = shop.table("events").select("user_id", "item_id").unique()
    brands = events.with_columns(
        brand=pl.Series(BRAND[events["item_id"].str.slice(1).cast(pl.Int64).to_numpy()])
    )
    each = brands.group_by("user_id", "brand").len().group_by("user_id")
    shares = each.agg(share=pl.col("len").max() / pl.col("len").sum())
    return float(shares["share"].mean())  # type: ignore[arg-type]


def test_shoppers_keep_to_brands_as_real_ones_do(real: Shop, made: Shop) -> None:
    nobody = seasons(USERS, 1, loyal=0.0)
    assert chief_share(real) > chief_share(nobody) + 0.2
    assert chief_share(made) > chief_share(real) - 0.12


def price_spread(shop: Shop, price: np.ndarray) -> float:
    """Mean standard deviation of the logarithm of a user's prices."""
    item, _ = items_and_days(shop)
    frame = pl.DataFrame({"u": shop.table("events")["user_id"], "p": np.log(price[item])})
    return float(frame.group_by("u").agg(pl.col("p").std())["p"].mean())  # type: ignore[arg-type]


def test_prices_are_as_level_as_real_ones(real: Shop) -> None:
    """Brands are unknown here, and users keep to what costs the same."""
    items = season_items()
    bare = real.with_tables(items=items.drop("brand", "title"))
    priceless = real.with_tables(items=items.drop("brand", "title", "price"))
    price, spread = items["price"].to_numpy(), []
    for shop in (bare, priceless):
        fitted = SYNTHESIZERS.make("markov").fit(shop, Run(seed=1, threads=1))
        spread.append(price_spread(fitted.sample(USERS, Run(seed=2, threads=1)), price))
    real_spread = price_spread(real, price)
    assert spread[1] > real_spread + 0.08
    assert spread[0] < spread[1] - 0.015


def test_prices_are_held_beside_those_of_their_category() -> None:
    items = pl.DataFrame({"price": [1.0, 4.0, 100.0, 400.0, None, 0.0, 1e300]})
    category, counts = np.array([0, 0, 1, 1, 0, 0, 2]), np.zeros(7)
    bands = price_bands(items, category, counts)
    assert bands.tolist() == [-2, 2, -2, 2, UNPRICED, UNPRICED, 0]
    assert (price_bands(items.drop("price"), category, counts) == UNPRICED).all()


def log_of(rows: list[tuple[int, int, int]]) -> Log:
    """Users, items and days of events."""
    frame = pl.DataFrame(
        {
            "user_id": [f"u{u}" for u, _, _ in rows],
            "item_id": [f"i{i}" for _, i, _ in rows],
            "time": pl.Series([d * DAY for _, _, d in rows]).cast(pl.Datetime("us")),
            "event": ["purchase"] * len(rows),
        }
    )
    return Log.of(Shop({"items": pl.DataFrame({"item_id": ["i0", "i1", "i2"]}), "events": frame}))


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 6)), min_size=1, max_size=25
)


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_events_lie_among_the_dates_of_others(rows: list[tuple[int, int, int]]) -> None:
    """Days of the user's own that others have, too, are theirs as well where they have the item on that day."""
    log = log_of(rows)
    dates = fit_dates(log, np.zeros(3, np.int64), 1)
    where, apart, middle = beside_others(dates, log)
    for e in range(len(log)):
        own = log.user == log.user[e]
        same = log.item == log.item[e]
        others = np.sort(log.time[same & ~own])
        mine = set(log.time[same & own].tolist()) - {log.time[e]}
        if set(others.tolist()) & mine:
            continue
        if len(others) == 0:
            assert where[e] == UNKNOWN
            continue
        place = BETWEEN
        if log.time[e] < others[0]:
            place = BEFORE
        elif log.time[e] > others[-1]:
            place = AFTER
        assert where[e] == place
        assert apart[e] == np.abs(others - log.time[e]).min()
        assert middle[e] == log.time[e] - others[(len(others) - 1) // 2]


def test_events_of_unknown_time_have_no_place() -> None:
    log = log_of([(0, 0, 1), (1, 0, 2)])
    log = replace(log, time=np.full(2, NO_TIME))
    where, _, _ = beside_others(fit_dates(log, np.zeros(3, np.int64), 1), log)
    assert (where == UNKNOWN).all()


def test_brands_are_found_by_parent_and_category() -> None:
    rng = np.random.default_rng(0)
    brand, category = rng.integers(4, size=60).astype(np.int32), rng.integers(6, size=60)
    parent = np.array([0, 0, 1, 1, 2, 2])
    brands = fit_brands(brand, category.astype(np.int32), parent, np.ones(60))
    for above in range(3):
        rows = slice(brands.start[above], brands.start[above + 1])
        assert set(brands.item[rows]) == set(np.flatnonzero(parent[category] == above))
        order = list(zip(brands.brand[rows], brands.category[rows], strict=True))
        assert order == sorted(order)
    for i in range(60):
        assert brands.within[i] == ((brand == brand[i]) & (category == category[i])).sum()
        assert (
            brands.below[i]
            == ((brand == brand[i]) & (parent[category] == parent[category[i]])).sum()
        )


def test_outlines_that_were_saved_without_dates_and_brands_are_read(model: Markov) -> None:
    new = ("dates", "brands", "price", "same_brand", "brand_below", "brand_within")
    new += ("where", "apart", "middle")
    old = {
        name: value
        for name, value in model.state().items()
        if not name.startswith(tuple(f"{of}_{n}_" for of in ("candidates", "outline") for n in new))
    }
    assert len(model.state()) - len(old) == 6 + 8 + 2 + 6
    again = type(model).restore(model.settings(), old)
    assert set(again.state()) == set(model.state())
    log = Log.of(again.sample(50, Run(seed=1)))
    assert len(log.users) == 50
    assert len(np.unique(log.item)) > ITEMS / 4
