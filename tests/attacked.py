"""Shops whose leaks are known, for attacks to find."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Shop

ITEMS, SHELVES = 3000, 60
HOUR = 3_600_000_000
START = 1_704_067_200_000_000


def wide(users: int, seed: int, prefix: str) -> Shop:
    """Users of a large catalogue, each with a few shelves, days of the week and an hour of its own; days apart."""
    rng = np.random.default_rng(seed)
    zipf = 1 / (5.0 + np.arange(ITEMS // SHELVES))
    zipf /= zipf.sum()
    rows = []
    for user in range(users):
        shelves, hour, day = rng.choice(SHELVES, 3), rng.normal(15, 4), int(rng.integers(300))
        for _ in range(int(rng.integers(5, 13))):
            item = int(rng.choice(shelves)) + SHELVES * int(rng.choice(len(zipf), p=zipf))
            rows.append(
                (
                    f"{prefix}{user}",
                    f"i{item}",
                    int((day * 24 + hour + rng.normal()) * HOUR) + START,
                )
            )
            day += int(rng.integers(1, 20))
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
    events = events.with_columns(pl.col("time").cast(pl.Datetime("us")), event=pl.lit("purchase"))
    items = pl.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(ITEMS)],
            "category": [["Shop", f"Shelf {i % SHELVES}"] for i in range(ITEMS)],
        }
    )
    return Shop({"items": items, "events": events})


def renamed(shop: Shop, prefix: str = "s") -> Shop:
    """The same users under other names."""
    events = shop.table("events").with_columns(pl.format(prefix + "{}", "user_id").alias("user_id"))
    return shop.with_tables(events=events)


def copied(members: Shop, others: Shop, share: float) -> Shop:
    """A shop of `others`, a share of whom is changed for members with all they did, under other names."""
    whose, spare = (
        s.table("events")["user_id"].unique(maintain_order=True) for s in (members, others)
    )
    number = round(share * len(whose))
    mine = members.table("events").filter(pl.col("user_id").is_in(whose[:number].implode()))
    rest = others.table("events").filter(pl.col("user_id").is_in(spare[number:].implode()))
    return renamed(members.with_tables(events=pl.concat([rest, mine])))


def undated(shop: Shop, seed: int) -> Shop:
    """The same items in the same order, at times of nobody."""
    rng = np.random.default_rng(seed)
    events = shop.table("events").sort("user_id", "time")
    gaps = pl.Series(np.exp(rng.normal(28, 1, len(events)))).cast(pl.Int64)
    events = events.with_columns(gap=gaps)
    time = START + pl.col("gap").cum_sum().over("user_id")
    return shop.with_tables(
        events=events.with_columns(time=time.cast(pl.Datetime("us"))).drop("gap")
    )


def memorised(members: Shop, users: int, seed: int, order: int = 8) -> Shop:
    """Users written item by item after as many before as were seen together, up to `order`: who began so goes on."""
    rng = np.random.default_rng(seed)
    events = members.table("events").sort("user_id", "time")
    grouped = events.group_by("user_id", maintain_order=True)
    histories = grouped.agg("item_id")["item_id"].to_list()
    after: dict[tuple[str, ...], list[str]] = {}
    for items in histories:
        for place in range(len(items)):
            for length in range(min(order, place) + 1):
                after.setdefault(tuple(items[place - length : place]), []).append(items[place])
    rows = []
    for user in range(users):
        items = [histories[rng.integers(len(histories))][0]]
        while len(items) < 8:
            longest = min(order, len(items))
            pasts = (tuple(items[len(items) - n :]) for n in range(longest, -1, -1))
            past = next(past for past in pasts if past in after)
            items.append(after[past][rng.integers(len(after[past]))])
        day = rng.integers(300)
        rows += [(f"s{user}", item, (day + n) * 24 * HOUR + START) for n, item in enumerate(items)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
    events = events.with_columns(pl.col("time").cast(pl.Datetime("us")), event=pl.lit("purchase"))
    return members.with_tables(events=events)
