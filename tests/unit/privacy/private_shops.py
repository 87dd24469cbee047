"""Shops whose users are known to a row, for tests of what one of them can change."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from wareloom.privacy.ledger import Ledger
from wareloom.privacy.private import Private, Release
from wareloom.privacy.public import Public
from wareloom.shop import Shop

START = datetime(2024, 1, 1)
PUBLIC = Public.of("items.title,items.category")


def events(user: str, items: list[int], *, day: int = 0, session: str | None = None) -> list[Any]:
    return [
        (user, session or f"{user}/s", f"i{i}", "purchase", START + timedelta(days=day, hours=n))
        for n, i in enumerate(items)
    ]


def shop_of(rows: list[Any], searches: list[Any] | None = None, items: int = 20) -> Shop:
    """A shop of events (user, session, item, kind, time) and searches (user, session, query, time)."""
    names = ["user_id", "session_id", "item_id", "event", "time"]
    dtypes = dict.fromkeys(names[:4], pl.String) | {"time": pl.Datetime("us")}
    tables = {
        "items": pl.DataFrame(
            {
                "item_id": [f"i{i}" for i in range(items)],
                "title": [f"Title {i}" for i in range(items)],
                "category": [["All", f"C{i % 4}"] for i in range(items)],
                "price": [1.0 + i for i in range(items)],
            }
        ),
        "events": pl.DataFrame(rows, schema=dtypes, orient="row"),
    }
    if searches is not None:
        frame = pl.DataFrame(
            searches,
            schema={"user_id": pl.String, "session_id": pl.String, "query": pl.String}
            | {"time": pl.Datetime("us")},
            orient="row",
        )
        tables["searches"] = frame.with_columns(search_id=pl.format("q{}", pl.int_range(pl.len())))
    return Shop(tables)


def crowd(users: int = 200, seed: int = 0) -> list[Any]:
    """Events of users who walk up the first ten items."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        first, count = int(rng.integers(10)), int(rng.integers(2, 7))
        rows += events(f"u{user}", [(first + n) % 10 for n in range(count)], day=user % 28)
    return rows


def private(
    shop: Shop,
    folder: Path,
    *,
    seed: int | None = 0,
    epsilon: float = 3.0,
    delta: float = 1e-6,
    users: int | None = 200,
    public: Public = PUBLIC,
    **release: Any,
) -> Private:
    ledger = Ledger.open(folder, shop.fingerprint)
    ledger.allow(1e6, delta, force=True)
    return Private(
        shop,
        ledger,
        Release(epsilon=epsilon, delta=delta, noise_seed=seed, **release),
        public=public,
        users=users,
    )
