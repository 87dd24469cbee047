"""Statistics of a shop: what there is, how sparse, how long a tail, and what one should know before trusting it."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.asked import asks
from wareloom.preparing.cleaning import contradicting
from wareloom.preparing.resolution import DAY, resolution_of
from wareloom.preparing.statistics_curves import MICRO, Calendar, at_least, by_rank
from wareloom.preparing.statistics_odd import Oddities, odd_columns
from wareloom.preparing.statistics_warnings import warnings_of
from wareloom.shop.asked import a_shop
from wareloom.shop.buckets import ROW, USER, bucketed
from wareloom.shop.log import NO_TIME, SESSION_GAP
from wareloom.shop.schema import EVENTS, INTERACTIONS
from wareloom.shop.shop import Shop

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
FEW = 5
"""Interactions below which an item has few."""


@asks(shop=a_shop)
def statistics(shop: Shop, now: datetime | None = None) -> dict[str, Any]:
    """Return nested, JSON-able statistics of `shop`; the event log is read in buckets and may be larger than memory.

    `now`: the present time (UTC), for a warning of events that come after it; no clock is asked where it is None.

    - tables: rows, and the share of missing values by column.
    - events: users, items (with interactions), customers and visits (users that have a user_id, and sessions without
      one: count, interactions, events_per), kinds, density (distinct pairs a possible pair), events_per_user and
      items_per_user (quantiles), repeat_rate (interactions on an item that the user had chosen before), ties
      (interactions that share user and time with the one before; last_ties: of users' last interactions), tail (share
      of interactions on the top 1 % and 20 % of the items, Gini, items with none and with fewer than `FEW`), sessions,
      time (first, last, days, resolution), funnel (rates from each kind to the next, by events), curves (events over
      time, of customers, visits and items), odd (returns, events that repeat another exactly, robots by the rule of
      `clean`, ids that own much of the log, items that are no products such as postage).
    - items: price quantiles, share in a category. judgments: queries, grades, per query. searches: queries, repeats.
    - warnings: what one should know, in plain words.
    """
    found: dict[str, Any] = {"tables": {name: _table(shop.scan(name)) for name in shop.names}}
    found["items"] = _items(shop)
    if shop.rows("events"):
        found["events"] = _events(shop, found["tables"]["items"]["rows"], now)
    if shop.rows("judgments"):
        found["judgments"] = _judgments(shop.scan("judgments"))
    if shop.rows("searches"):
        searches = shop.scan("searches").group_by("query").len()
        queries, most = (
            searches.select(queries=pl.len(), most=pl.col("len").max())
            .collect(engine="streaming")
            .row(0)
        )
        found["searches"] = {"queries": queries, "most_asked": most}
    found["warnings"] = warnings_of(found)
    return found


def _table(frame: pl.LazyFrame) -> dict[str, Any]:
    """Rows and the share of missing values by column, provenance aside."""
    columns = [c for c in frame.collect_schema().names() if c != "weight"]
    wanted = [pl.col(c).is_null().mean().alias(c) for c in columns if c != "origin"]
    row = frame.select(
        pl.len().alias("_rows"), (pl.col("origin") != "real").sum().alias("_fake"), *wanted
    )
    values = row.collect(engine="streaming").row(0, named=True)
    rows, fake = int(values.pop("_rows")), int(values.pop("_fake"))
    missing = {name: round(float(share), 6) for name, share in values.items() if share}
    return {"rows": rows, "synthetic": fake, "missing": missing}


def _items(shop: Shop) -> dict[str, Any]:
    names = shop.columns("items")
    found: dict[str, Any] = {}
    if "price" in names:
        price = (
            shop.scan("items")
            .select(pl.col("price").drop_nulls())
            .collect(engine="streaming")["price"]
            .to_numpy()
        )
        found["price"] = _quantiles(price)
    if "category" in names:
        top = shop.scan("items").select(pl.col("category").list.first().alias("top")).drop_nulls()
        found["top_categories"] = int(
            top.select(pl.col("top").n_unique()).collect(engine="streaming").item()
        )
    return found


def _quantiles(values: np.ndarray) -> dict[str, float]:
    """Quantiles and mean; empty where there are no values."""
    if not len(values):
        return {}
    found = {
        f"{q:g}": float(v) for q, v in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)
    }
    return found | {"mean": float(values.mean())}


def _events(shop: Shop, catalogue: int, now: datetime | None) -> dict[str, Any]:
    events = shop.scan("events")
    names = events.collect_schema().names()
    null = pl.lit(None, dtype=pl.String)
    session = pl.col("session_id") if "session_id" in names else null
    columns = {
        "item": pl.col("item_id").hash(seed=2)
        if "item_id" in names
        else pl.lit(None, dtype=pl.UInt64),
        "customer": (pl.col("user_id") if "user_id" in names else null).is_not_null(),
        "known": (pl.col("item_id") if "item_id" in names else null).is_not_null(),
        "kind": pl.col("event").cast(pl.Enum(EVENTS)).to_physical().cast(pl.UInt8),
        "time": (
            pl.col("time").cast(pl.Int64) if "time" in names else pl.lit(None, dtype=pl.Int64)
        ).fill_null(int(NO_TIME)),
        "session": pl.when(session.is_not_null()).then(session.hash(seed=3)),
        **odd_columns(names),
    }
    tally, odd = _Tally(), Oddities(now)
    with bucketed(events, columns) as buckets:
        for frame in buckets:
            tally.add(frame)
            odd.add(frame)
        found = tally.result(catalogue)
        found["odd"] = odd.result(shop, buckets, found["time"]["resolution"])
    return found


class _Tally:
    """What is counted over the buckets of a log."""

    def __init__(self) -> None:
        self.kinds = np.zeros(len(EVENTS), dtype=np.int64)
        self.seconds = np.zeros(DAY, dtype=np.int64)
        self.first, self.last = np.iinfo(np.int64).max, int(NO_TIME)
        self.totals = dict.fromkeys(
            ("interactions", "pairs", "repeats", "ties", "last_ties", "followed"), 0
        )
        self.users: list[pl.DataFrame] = []
        self.calendar = Calendar()
        self.items: pl.DataFrame | None = None
        self.sessions: list[np.ndarray] = []
        self.timed = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Count one bucket."""
        self.kinds += np.bincount(frame["kind"].to_numpy(), minlength=len(EVENTS))
        time = frame["time"].to_numpy()
        time = time[time > NO_TIME]
        self.timed += len(time)
        if len(time):
            self.seconds += np.bincount(time // MICRO % DAY, minlength=DAY)
            self.calendar.add(time)
            self.first, self.last = (
                min(self.first, int(time.min())),
                max(self.last, int(time.max())),
            )
        kinds = [EVENTS.index(kind) for kind in INTERACTIONS]
        chosen = frame.filter(pl.col("kind").is_in(kinds) & pl.col("known")).sort(USER, "time", ROW)
        same = pl.col(USER) == pl.col(USER).shift(1)
        tie = (
            same & (pl.col("time") == pl.col("time").shift(1)) & (pl.col("time") > int(NO_TIME))
        ).fill_null(False)
        chosen = chosen.with_columns(tie=tie, new=_new_session(chosen))
        users = chosen.group_by(USER).agg(
            events=pl.len(),
            items=pl.col("item").n_unique(),
            last=pl.col("tie").last(),
            customer=pl.col("customer").any(),
        )
        self.users.append(users.select("events", "items", "customer"))
        for name, value in {
            "interactions": len(chosen),
            "pairs": int(users["items"].sum()),
            "ties": int(chosen["tie"].sum()),
            "last_ties": int(users["last"].sum()),
            "followed": int((users["events"] > 1).sum()),
        }.items():
            self.totals[name] += value
        counts = chosen.group_by("item").len()
        both = counts if self.items is None else pl.concat([self.items, counts])
        self.items = both.group_by("item").agg(pl.col("len").sum())
        starts = np.flatnonzero(chosen["new"].to_numpy())
        self.sessions.append(np.diff(np.append(starts, len(chosen))))

    def result(self, catalogue: int) -> dict[str, Any]:
        """Return what was counted."""
        users, totals = pl.concat(self.users), self.totals
        number = totals["interactions"]
        counts = self.items["len"].to_numpy() if self.items is not None else np.zeros(0)
        sessions = np.concatenate(self.sessions)
        groups = {
            name: users.filter(pl.col("customer") == known)["events"].to_numpy()
            for name, known in (("customers", True), ("visits", False))
        }
        return {
            "rows": int(self.kinds.sum()),
            "interactions": number,
            "users": len(users),
            "items": len(counts),
            **{name: _group(of) for name, of in groups.items()},
            "density": totals["pairs"] / (len(users) * catalogue)
            if len(users) and catalogue
            else 0.0,
            "kinds": {kind: int(n) for kind, n in zip(EVENTS, self.kinds, strict=True) if n},
            "events_per_user": _quantiles(users["events"].to_numpy()),
            "items_per_user": _quantiles(users["items"].to_numpy()),
            "repeat_rate": (number - totals["pairs"]) / number if number else 0.0,
            "ties": totals["ties"] / number if number else 0.0,
            "last_ties": totals["last_ties"] / totals["followed"] if totals["followed"] else 0.0,
            "tail": _tail(counts, catalogue),
            "sessions": {"count": len(sessions), "length": _quantiles(sessions)},
            "time": self._time(),
            "funnel": _funnel(self.kinds),
            "curves": {
                "time": self.calendar.curve(),
                **{name: at_least(of) for name, of in groups.items()},
                "items": by_rank(counts),
            },
        }

    def _time(self) -> dict[str, Any]:
        if not self.timed:
            return {"resolution": "none"}
        first, last = (str(np.datetime64(value, "us")) for value in (self.first, self.last))
        days = (self.last - self.first) / (MICRO * DAY)
        return {
            "first": first,
            "last": last,
            "days": days,
            "resolution": resolution_of(self.seconds),
        }


def _group(events: np.ndarray) -> dict[str, Any]:
    """How many customers or visits there are, and what they do."""
    return {
        "count": len(events),
        "interactions": int(events.sum()),
        "events_per": _quantiles(events),
    }


def _new_session(chosen: pl.DataFrame) -> pl.Series:
    """Whether each of a user's interactions begins a session: another session id, else a silence of `SESSION_GAP`."""
    another_user = (pl.col(USER) != pl.col(USER).shift(1)).fill_null(True)
    named = chosen["session"].null_count() < len(chosen)
    changed = (
        pl.col("session").ne_missing(pl.col("session").shift(1))
        if named
        else pl.col("time").diff() > SESSION_GAP
    )
    return chosen.select((another_user | changed.fill_null(True)).alias("new"))["new"]


def _tail(counts: np.ndarray, catalogue: int) -> dict[str, Any]:
    """How unevenly interactions fall on the items of the catalogue."""
    whole = np.zeros(max(catalogue, len(counts)))
    whole[: len(counts)] = np.sort(counts)[::-1]
    total = whole.sum()
    if not total:
        return {}
    top = {
        f"top_{share}": float(whole[: max(1, round(len(whole) * share / 100))].sum() / total)
        for share in (1, 20)
    }
    ranks = np.arange(len(whole), 0, -1)
    gini = float(((2 * ranks - len(whole) - 1) * whole).sum() / (len(whole) * total))
    few = float((whole < FEW).mean())
    return top | {
        "gini": gini,
        "items_with_none": float((whole == 0).mean()),
        "items_with_few": few,
        "least": int(whole[whole > 0].min()),
    }


def _funnel(kinds: np.ndarray) -> list[dict[str, Any]]:
    """The rate from each kind of event there is to the next one down the funnel, by numbers of events."""
    there = [
        (kind, int(n)) for kind, n in zip(EVENTS, kinds, strict=True) if n and kind != "search"
    ]
    return [
        {"from": above, "to": below, "rate": number / before}
        for (above, before), (below, number) in pairwise(there)
    ]


def _judgments(frame: pl.LazyFrame) -> dict[str, Any]:
    per_query = frame.group_by("query").len().collect(engine="streaming")["len"].to_numpy()
    grades = frame.group_by("grade").len().collect(engine="streaming").sort("grade")
    histogram = {f"{grade:g}": int(n) for grade, n in grades.iter_rows() if grade is not None}
    return {
        "queries": len(per_query),
        "per_query": _quantiles(per_query),
        "grades": histogram,
        "contradicting": contradicting(frame),
    }
