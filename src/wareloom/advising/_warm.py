"""A shop of a few made-up users: on it all kernels are compiled before anything is timed."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Shop

USERS, ITEMS, LENGTH = 80, 30, 6


def small() -> Shop:
    """Users who walk among a few items with texts, brands, categories, prices and times."""
    rng = np.random.default_rng(0)
    item = np.sort(rng.integers(ITEMS, size=(USERS, LENGTH)), axis=1).ravel()
    day = np.tile(np.arange(LENGTH), USERS) + np.repeat(rng.integers(30, size=USERS), LENGTH)
    events = pl.DataFrame(
        {
            "user_id": np.repeat([f"u{user}" for user in range(USERS)], LENGTH),
            "item_id": [f"i{i}" for i in item],
            "event": ["purchase"] * len(item),
            "time": pl.Series(day * 86_400_000_000).cast(pl.Datetime("us")),
        }
    )
    items = pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(ITEMS)],
            "title": [
                f"{['red', 'green', 'blue'][i % 3]} thing of kind {i % 5}" for i in range(ITEMS)
            ],
            "category": [["all", f"kind {i % 5}"] for i in range(ITEMS)],
            "brand": [f"maker {i % 4}" for i in range(ITEMS)],
            "price": [1.0 + i for i in range(ITEMS)],
        }
    )
    return Shop({"items": items, "events": events})
