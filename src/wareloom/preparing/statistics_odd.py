"""What in a log is something else than what somebody did: returns, repeats, robots, guests, postage, the future."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from wareloom.preparing.clean_settings import CleanSettings
from wareloom.preparing.cleaning_events import activity, robots_of, row_hash
from wareloom.preparing.returns import gives_back
from wareloom.shop.buckets import USER, Buckets, user_hash, user_key
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS
from wareloom.shop.shop import Shop

LARGE = 0.05
"""Share of all events from which an id owns much of them, where it is also `FAR` times the mean."""
FAR = 10
MOST = 5
"""Ids that are named at most."""
ORDERS = 0.05
"""Share of all orders from which a line such as postage is none that customers chose."""
SERVICES = (
    r"(?i)^(?:post|postage|postages|dotcom postage|dot|shipping|shipment|delivery|freight|carriage|handling|"
    r"(?:service |payment |bank |amazon |booking |transaction )?(?:fee|fees|charges?)|voucher|gift ?(?:card|voucher)|"
    r"coupon|discount|rabatt|gutschein|versand|versandkosten|porto|lieferung|nachnahme|pfand|deposit|surcharge|tip|"
    r"adjustment|adjust|manual|rounding|livraison|frais de port|remise|env[ií]o|gastos de env[ií]o|descuento|"
    r"spedizione|sconto|verzending|verzendkosten|korting|frakt|fraktkostnad|przesyłka|dostawa|доставка|скидка|"
    r"運費|运费|邮费|送料)"
    r"(?:\s+(?:costs?|fees?|charges?|code|standard|express|free|dhl|dpd|ups|fedex|kosten|\d.*))*(?:\s*[:(,\-].*)?$"
)
"""Titles and ids of lines that shop systems add to an order; a post card or a delivery van is none."""
_PURCHASE = EVENTS.index("purchase")


def odd_columns(names: list[str]) -> dict[str, pl.Expr]:
    """What the buckets need for `Oddities`, beside kind, item and time."""
    return {"whole": row_hash(names, 100), "back": gives_back(names)}


class Oddities:
    """What is counted over the buckets of a log. `now`: the present time, None where nobody asks."""

    def __init__(self, now: datetime | None) -> None:
        self.now = now
        self.returns = self.repeated = self.later = self.rows = 0
        self.users: list[pl.DataFrame] = []
        self.items: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Count one bucket."""
        self.rows += len(frame)
        self.returns += int((frame["back"] & (frame["kind"] == _PURCHASE)).sum())
        self.repeated += int((~frame["whole"].is_first_distinct()).sum())
        if self.now is not None:
            self.later += int(
                (frame["time"] > int(np.datetime64(self.now, "us").astype(int))).sum()
            )
        self.users.append(_most(frame.group_by(USER).len()))
        items = frame.filter(pl.col("known")).group_by("item").len()
        both = items if self.items is None else pl.concat([self.items, items])
        self.items = both.group_by("item").agg(pl.col("len").sum())

    def result(self, shop: Shop, buckets: Buckets, resolution: str) -> dict[str, Any]:
        """Return what was counted; `resolution` is that of the times."""
        found: dict[str, Any] = {"returns": self.returns, "repeated": self.repeated}
        if self.now is not None:
            found |= {"later": self.later, "now": f"{self.now:%Y-%m-%d}"}
        return found | {
            "robots": _robots(buckets, resolution),
            "owners": self._owners(shop),
            "no_products": _no_products(shop),
        }

    def _owners(self, shop: Shop) -> dict[str, dict[str, float]]:
        """Users and items that own a large share of all events, by their ids."""
        found = {}
        users = pl.concat(self.users).drop_nulls(USER)
        events = shop.scan("events")
        number = int(users["number"].sum())
        for kind, counts, distinct, key, name in (
            ("user", users.select(pl.col(USER), "len"), number, user_hash(events), user_key(events)),
            ("item", self.items, len(self.items) if self.items is not None else 0,
             pl.col("item_id").hash(seed=2), pl.col("item_id")),
        ):  # fmt: skip
            if counts is None or not distinct:
                continue
            hashed = counts.columns[0]
            big = counts.filter(
                (pl.col("len") >= LARGE * self.rows) & (pl.col("len") >= FAR * self.rows / distinct)
            )
            big = big.drop_nulls(hashed).sort("len", descending=True).head(MOST)
            if len(big):
                ids = events.filter(key.is_in(big[hashed].implode())).select(hash=key, name=name)
                named = dict(ids.unique().collect(engine="streaming").iter_rows())
                found[kind] = {
                    str(named[h]): n / self.rows for h, n in big.iter_rows() if h in named
                }
        return found


def _most(users: pl.DataFrame) -> pl.DataFrame:
    """The users of a bucket with the most events, and (in the first row) how many users there are."""
    top = users.drop_nulls(USER)
    number = [len(top)] + [0] * (min(len(top), MOST) - 1) if len(top) else []
    return top.top_k(MOST, by="len").with_columns(number=pl.Series(number, dtype=pl.Int64))


def _robots(buckets: Buckets, resolution: str) -> dict[str, int]:
    """How many users `clean` would take for robots in this log, and their events."""
    settings = CleanSettings()
    if resolution == "none":
        return {"users": 0, "events": 0}
    time = pl.col("time").replace(int(NO_TIME), None)
    users = pl.concat(
        [
            activity(frame.drop_nulls(USER).with_columns(time), resolution)
            for frame in (buckets[place] for place in range(len(buckets)))
        ]
    )
    if users.is_empty():
        return {"users": 0, "events": 0}
    robots, _ = robots_of(users, settings)
    theirs = users.filter(pl.col(USER).is_in(robots.implode()))["events"].sum()
    return {"users": len(robots), "events": int(theirs)}


def _no_products(shop: Shop) -> dict[str, int]:
    """Items that are called like postage, fees or vouchers, and stand in many orders or have no title; their events."""
    names = shop.columns("items")
    texts = [pl.col(c) for c in ("item_id", "title") if c in names]
    called = pl.any_horizontal([text.str.contains(SERVICES).fill_null(False) for text in texts])
    title = pl.col("title") if "title" in names else pl.lit(None, dtype=pl.String)
    items = shop.scan("items").filter(called).select("item_id", untitled=title.is_null())
    services = items.collect(engine="streaming")
    if services.is_empty() or "item_id" not in shop.columns("events"):
        return {}
    events = shop.scan("events")
    order = pl.col("session_id") if shop.has("events", "session_id") else user_key(events)
    theirs = events.filter(pl.col("item_id").is_in(services["item_id"].implode()))
    counts = theirs.group_by("item_id").agg(n=pl.len(), orders=order.n_unique())
    found = counts.collect(engine="streaming").join(services, on="item_id")
    if found.is_empty():
        return {}
    orders = int(events.select(order.n_unique()).collect(engine="streaming").item())
    often = pl.col("untitled") | (pl.col("orders") >= ORDERS * orders)
    rows = found.filter(often).sort("n", "item_id", descending=[True, False]).head(MOST)
    return dict(rows.select("item_id", "n").iter_rows())
