"""Every question of `private_walk` keeps the law: what it says of a user hangs on no other user."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from private_shops import PUBLIC, START, crowd, shop_of

from wareloom.core.run import Run
from wareloom.privacy.laws import local
from wareloom.privacy.rows import LOG
from wareloom.shop import Shop
from wareloom.synthesis.behaviour import _private_questions as ask
from wareloom.synthesis.behaviour._private_items import catalogue_of


def shop() -> Shop:
    """Users with sessions of several events, some times unknown, some items twice, ratings on some events."""
    made = shop_of(crowd(80))
    rng = np.random.default_rng(0)
    events = made.table("events")
    n = events.height
    again = pl.concat([events, events.filter(pl.Series(rng.random(n) < 0.3))])
    n = again.height
    return made.with_tables(
        events=again.with_columns(
            time=pl.when(pl.Series(rng.random(n) < 0.1))
            .then(None)
            .otherwise(
                pl.col("time") + pl.Series(rng.integers(0, 3600, n)).cast(pl.Duration("us")) * 10**6
            ),
            rating=pl.Series(np.where(rng.random(n) < 0.5, rng.integers(1, 6, n), np.nan)).fill_nan(
                None
            ),
            event=pl.Series(rng.choice(["view_item", "add_to_cart", "purchase"], n)),
        )
    )


SHOP = shop()
ITEMS = PUBLIC.items(SHOP)
CATALOGUE = catalogue_of(ITEMS, 8, Run())
QUESTIONS: dict[str, tuple[Any, str]] = {
    "lengths": (partial(ask.lengths, most=20), LOG),
    "sessions": (partial(ask.sessions, most=20), LOG),
    "hours": (ask.hours, LOG),
    "clock_steps": (ask.clock_steps, LOG),
    "times": (ask.times, LOG),
    "begins": (
        partial(ask.begins, since=START.timestamp() * 1e6, until=START.timestamp() * 1e6 + 3e12),
        LOG,
    ),
    "gaps": (ask.gaps, LOG),
    "kinds": (ask.kinds, LOG),
    "repeats": (ask.repeats, LOG),
    "stays": (partial(ask.stays, items=CATALOGUE), LOG),
    "category_steps": (partial(ask.category_steps, items=CATALOGUE), LOG),
    "neighbours": (partial(ask.neighbours, items=CATALOGUE), LOG),
    "popularity": (ask.popularity, LOG),
    "pair_keys": (ask.pair_keys, LOG),
    "rating": (partial(ask.values, column="rating", grid=ask.RATINGS), "events"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_looks_at_one_user_alone(name: str) -> None:
    question, of = QUESTIONS[name]
    assert local(question, SHOP, ITEMS, of=of)


def test_keys_of_items_look_at_one_user_alone_where_no_catalogue_is_public() -> None:
    assert local(ask.item_keys, SHOP)


def test_every_question_is_tried() -> None:
    asked = {
        name
        for name, made in vars(ask).items()
        if callable(made)
        and getattr(made, "__module__", "") == ask.__name__
        and not name.startswith("_")
    }
    assert asked - {"steps", "item_keys", "values"} == set(QUESTIONS) - {"rating"}
