"""Shoppers of six planted kinds, and how many of each a sample has."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Log, Shop

SHARES = (0.3, 0.2, 0.2, 0.1, 0.1, 0.1)
EACH = 8
"""Items that one kind of shoppers chooses among"""
SETTINGS = {
    "epochs": 40, "hidden_size": 16, "latent_size": 6, "batch_size": 64, "learning_rate": 0.02, "dropout": 0.2,
    "beta": 0.1, "width": 64, "order": 0.0,
}  # fmt: skip
"""Under which a coder tells them apart in seconds"""


def planted(users: int = 600, seed: int = 0) -> Shop:
    """Users of six events, all on the items of one kind, in no order."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(len(SHARES), size=users, p=SHARES)
    item = rng.integers(EACH, size=(users, 6)) + EACH * kind[:, None]
    rows = pl.DataFrame({"user": np.repeat(np.arange(users), 6), "item": item.ravel()})
    events = rows.select(
        user_id=pl.format("u{}", "user"), item_id=pl.format("i{}", "item"), event=pl.lit("purchase")
    )
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(EACH * len(SHARES))]})
    return Shop({"items": items, "events": events})


def kinds(shop: Shop) -> tuple[np.ndarray, float]:
    """Share of users whose events are mostly of each kind, and the mean share of a user's events that are."""
    log = Log.of(shop)
    kind = np.array([int(item[1:]) // EACH for item in log.items.ids])[log.item]
    counts = np.zeros((len(log.users), len(SHARES)))
    np.add.at(counts, (log.user, kind), 1)
    return np.bincount(counts.argmax(axis=1), minlength=len(SHARES)) / len(counts), float(
        (counts.max(axis=1) / counts.sum(axis=1)).mean()
    )


def history(kind: int, users: int = 40) -> Shop:
    """Users who have had two items of one kind."""
    events = pl.DataFrame(
        {"user": np.repeat(np.arange(users), 2), "item": np.tile([1, 4], users) + EACH * kind}
    )
    whole = events.select(
        user_id=pl.format("u{}", "user"), item_id=pl.format("i{}", "item"), event=pl.lit("purchase")
    )
    return Shop({"items": planted(6).table("items"), "events": whole})
