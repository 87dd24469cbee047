"""A shop with everything that measures look at: rhythm, sessions, a funnel, a long tail, habits, categories."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Shop

ITEMS, CATEGORIES = 120, 6
HOUR = 3_600_000_000


def lively_events(users: int, seed: int, prefix: str = "u") -> pl.DataFrame:
    """Sessions on some evenings, mostly at weekends; items by Zipf, mostly the neighbour of the last."""
    rng = np.random.default_rng(seed)
    zipf = 1 / np.arange(1, ITEMS + 1)
    zipf /= zipf.sum()
    days = np.arange(28)
    by_day = np.where(days % 7 >= 5, 3.0, 1.0)
    by_day /= by_day.sum()
    rows = []
    for user in range(users):
        for day in rng.choice(days, size=1 + rng.poisson(1.5), replace=False, p=by_day):
            clock = int((day * 24 + rng.normal(19, 1.5)) * HOUR)
            item = int(rng.choice(ITEMS, p=zipf))
            for _ in range(1 + rng.geometric(0.35)):
                kinds = ["view_item", *["add_to_cart"] * (rng.random() < 0.4)]
                kinds += ["purchase"] * (len(kinds) == 2 and rng.random() < 0.6)
                for kind in kinds:
                    rows.append((f"{prefix}{user}", item, kind, clock))
                    clock += int(rng.lognormal(17.5, 1.0))
                item = (item + 1) % ITEMS if rng.random() < 0.6 else int(rng.choice(ITEMS, p=zipf))
    frame = pl.DataFrame(rows, schema=["user_id", "item", "event", "time"], orient="row")
    return frame.with_columns(
        item_id=pl.format("i{}", "item"),
        time=(pl.col("time") // 1_000_000 * 1_000_000 + 1_704_067_200_000_000).cast(
            pl.Datetime("us")
        ),
    ).drop("item")


def lively_items() -> pl.DataFrame:
    """The catalogue; neighbours are of one category."""
    return pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(ITEMS)],
            "category": [["Shop", f"Shelf {i * CATEGORIES // ITEMS}"] for i in range(ITEMS)],
        }
    )


def lively(users: int, seed: int, prefix: str = "u") -> Shop:
    """The shop of some users."""
    return Shop(
        {"items": lively_items(), "events": lively_events(users, seed, prefix)}, {"name": "lively"}
    )
