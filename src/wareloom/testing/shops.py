"""Small shops made by hand, whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Shop


def small_shop(users: int = 60, items: int = 30, seed: int = 0, *, timed: bool = True) -> Shop:
    """A shop whose users walk round a ring of items: item i is mostly followed by i + 1."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        item, clock = int(rng.integers(items)), int(rng.integers(0, 30 * 86400))
        for _ in range(int(rng.integers(4, 12))):
            rows.append((f"u{user}", f"i{item}", "purchase", clock, 1.0 + item))
            item = (item + 1) % items if rng.random() < 0.8 else int(rng.integers(items))
            clock += int(rng.integers(60, 3 * 86400))
    events = pl.DataFrame(
        rows, schema=["user_id", "item_id", "event", "time", "value"], orient="row"
    )
    events = events.with_columns(time=pl.from_epoch("time").cast(pl.Datetime("us")))
    catalogue = pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(items)],
            "title": [f"Item {i}" for i in range(items)],
            "category": [["Ring", f"Arc {i // 10}"] for i in range(items)],
            "price": [1.0 + i for i in range(items)],
        }
    )
    return Shop(
        {"items": catalogue, "events": events if timed else events.drop("time")}, {"name": "ring"}
    )


def exposures(
    rows: int = 4000, seed: int = 0, *, signal: float = 1.0, base: float = -2.0
) -> tuple[Shop, np.ndarray]:
    """Impressions whose clicks hang on item, position and device, with their true chances; each its own session."""
    rng, items = np.random.default_rng(seed), 12
    item, position, device = (
        rng.integers(items, size=rows),
        rng.integers(1, 4, rows),
        rng.integers(2, size=rows),
    )
    attraction = np.linspace(-1.5, 1.5, items)
    odds = base + signal * (attraction[item] - 0.7 * (position - 2) + 0.8 * device)
    chance = 1 / (1 + np.exp(-odds))
    clicked = np.random.default_rng(seed + 1).random(rows) < chance
    frame = pl.DataFrame(
        {
            "session_id": [f"s{i}" for i in range(rows)],
            "item_id": [f"i{i}" for i in item],
            "event": [
                ["view_item_list", "select_item"] if c else ["view_item_list"] for c in clicked
            ],
            "time": pl.Series(np.arange(rows) * 60_000_000, dtype=pl.Int64).cast(pl.Datetime("us")),
            "position": position,
            "context": [[{"name": "device", "value": "phone" if d else "desk"}] for d in device],
        }
    )
    catalogue = pl.DataFrame(
        {"item_id": [f"i{i}" for i in range(items)], "price": np.arange(items) + 1.0}
    )
    return Shop({"items": catalogue, "events": frame.explode("event")}), chance
