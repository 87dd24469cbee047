"""A generated export with a known truth, for where no real one can be had."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

TASTES, ITEMS, USERS, DAYS = 12, 600, 1500, 180


def write_example(folder: Path, seed: int = 0) -> Path:
    """Write `events.csv` and `items.csv` of a shop whose users each have two of twelve tastes; returns the folder.

    The truth: an item belongs to one taste; a user draws nine of ten items from the own two tastes, by a Zipf law
    within a taste, and one from the whole catalogue. A ranker that knew it would show the user's tastes by popularity.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    taste = np.arange(ITEMS) % TASTES
    zipf = 1.0 / (1 + np.arange(ITEMS) // TASTES)
    own = [np.where(taste == t, zipf, 0.0) / zipf[taste == t].sum() for t in range(TASTES)]
    rows = []
    for user in range(USERS):
        likes = rng.choice(TASTES, size=2, replace=False)
        days = np.sort(rng.uniform(0, DAYS, size=rng.geometric(0.06) + 4))
        for day in days:
            weights = own[rng.choice(likes)] if rng.random() < 0.9 else np.full(ITEMS, 1 / ITEMS)
            rows.append(
                (
                    f"u{user}",
                    f"i{rng.choice(ITEMS, p=weights)}",
                    "purchase",
                    1_700_000_000 + int(day * 86_400),
                )
            )
    events = pl.DataFrame(
        rows, schema=["user_id", "item_id", "event", "timestamp"], orient="row"
    ).sort("timestamp")
    items = pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(ITEMS)],
            "title": [f"Taste {taste[i]} number {i // TASTES}" for i in range(ITEMS)],
            "category": [f"Taste {taste[i]}" for i in range(ITEMS)],
            "price": np.round(rng.lognormal(2.0, 0.7, ITEMS), 2),
        }
    )
    events.write_csv(folder / "events.csv")
    items.write_csv(folder / "items.csv")
    return folder
