"""Users that were made up to be found: each is in by a coin, and who finds it in the sample has proved a leak.

planted = canaries(shop, 1000, run)
real, coins = with_some(shop, planted, run)
synth = wl.synthesize(real, …)
"""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, require
from wareloom.shop import Log, Shop
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS

PREFIX = "canary/"
"""How the ids of planted users begin"""


def canaries(shop: Shop, n: int, run: Run, events: int = 8) -> Shop:
    """A shop of n users that are like nobody: so many events each, on items that few have, at any times of the log."""
    require("Canaries", "n", n, n >= 1, "1 or more")
    require("Canaries", "events", events, events >= 1, "1 or more")
    log, rng = Log.of(shop), run.rng("attack", "canaries")
    if not len(log):
        raise InputError("The shop has no events on known items: nobody can be planted among them.")
    counts = log.counts()
    rare = np.flatnonzero(counts <= np.median(counts[counts > 0]))
    frame = pl.DataFrame(
        {
            "user_id": np.repeat([f"{PREFIX}{i}" for i in range(n)], events),
            "item_id": log.items.ids.gather(rng.choice(rare, n * events)),
            "event": pl.Series(EVENTS).gather(rng.choice(log.event, n * events).astype(np.int64)),
        }
    )
    if log.timed and (log.time != NO_TIME).any():
        known = log.time[log.time != NO_TIME]
        times = np.sort(rng.integers(known.min(), known.max() + 1, (n, events)), axis=1).ravel()
        frame = frame.with_columns(time=pl.Series(times).cast(pl.Datetime("us")))
    return Shop({"items": shop.table("items"), "events": frame})


def with_some(shop: Shop, planted: Shop, run: Run) -> tuple[Shop, np.ndarray]:
    """The shop with each planted user in by a coin, and the coins: bool, in the order in which they first stand."""
    events = planted.table("events")
    names = events["user_id"].unique(maintain_order=True)
    coins = run.rng("attack", "coins").random(len(names)) < 0.5
    taken = events.filter(pl.col("user_id").is_in(names.filter(pl.Series(coins)).implode()))
    tables = {"events": pl.concat([shop.table("events"), taken], how="diagonal")}
    if shop.has("users"):
        named = taken.select("user_id").unique(maintain_order=True)
        tables["users"] = pl.concat([shop.table("users"), named], how="diagonal")
    return shop.with_tables(**tables), coins
