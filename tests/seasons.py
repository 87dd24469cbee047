"""A shop whose items come and go: each is sold for a month, and shoppers keep to brands and to what they can pay."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Shop

ITEMS, BRANDS, LIFE, DAY = 240, 12, 30, 86_400_000_000
NEW_YEAR = 1_704_067_200_000_000
BRAND = np.arange(ITEMS) % BRANDS
LAUNCH = np.arange(ITEMS) // BRANDS * 5
"""Day on which an item is first sold: twenty waves, one item a brand in each"""
LAST = int(LAUNCH.max()) + LIFE


def season_events(users: int, seed: int, prefix: str = "u", loyal: float = 0.8) -> pl.DataFrame:
    """Purchases of items that are sold on their day, mostly of one brand; each a day or more after the last."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(users):
        day, brand = int(rng.integers(0, LAST - 20)), int(rng.integers(BRANDS))
        for _ in range(int(rng.integers(4, 8))):
            sold = np.flatnonzero((day >= LAUNCH) & (day < LAUNCH + LIFE))
            own = sold[BRAND[sold] == brand]
            item = int(rng.choice(own if len(own) and rng.random() < loyal else sold))
            rows.append((f"{prefix}{user}", f"i{item}", day * DAY + int(rng.integers(DAY))))
            day = min(day + int(rng.integers(1, 4)), LAST - 1)
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
    time = (pl.col("time") // 1_000_000 * 1_000_000 + NEW_YEAR).cast(pl.Datetime("us"))
    return frame.with_columns(event=pl.lit("purchase"), time=time)


def season_items() -> pl.DataFrame:
    """The catalogue: a brand's items are of one price, and its name stands in their titles."""
    return pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(ITEMS)],
            "title": [f"brand{b} thing number{i}" for i, b in enumerate(BRAND)],
            "category": [["Shop", f"Shelf {i // BRANDS % 4}"] for i in range(ITEMS)],
            "brand": [f"brand{b}" for b in BRAND],
            "price": [4.0 * 1.5 ** (b % 6) for b in BRAND],
        }
    )


def seasons(users: int, seed: int, prefix: str = "u", loyal: float = 0.8) -> Shop:
    """The shop of some users."""
    events = season_events(users, seed, prefix, loyal)
    return Shop({"items": season_items(), "events": events}, {"name": "seasons"})
