"""What a click model learns from and is asked: rows of a request and an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.rankers.history import into
from wareloom.shop import Log, Requests, Shop, Vocabulary
from wareloom.shop.impressions import CLICK, before, impressions
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import REAL

MOST_FIELDS = 32
"""Names of a map (context, attributes) that become fields, the commonest first."""


@dataclass(frozen=True)
class ClickQuery:
    """Who is asked, one row a request; what is unknown is -1, `NO_TIME` or null."""

    time: np.ndarray
    """int64 [requests], microseconds"""
    position: np.ndarray
    """int64 [requests]"""
    user: pl.Series
    """User ids"""
    context: pl.DataFrame
    """Text columns named context:NAME, one a field"""
    log: Log
    """Histories, in codes of the fitted items"""
    starts: np.ndarray
    """int64 [requests], first event of the history in `log`"""
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    def take(self, rows: np.ndarray) -> ClickQuery:
        """Return some of the requests."""
        arrays = {
            name: getattr(self, name)[rows] for name in ("time", "position", "starts", "ends")
        }
        context = self.context[rows] if self.context.width else self.context
        return replace(self, user=self.user.gather(rows), context=context, **arrays)

    @classmethod
    def of(cls, requests: Requests) -> ClickQuery:
        """Take requests whose histories are in codes of the fitted items."""
        log, n = requests.histories, len(requests)
        assert log is not None
        context = pl.DataFrame() if requests.context is None else requests.context
        return cls(
            time=np.asarray(requests.times) if len(requests.times) else np.full(n, NO_TIME),
            position=np.full(n, -1),
            user=pl.Series([*requests.users] or [None] * n, dtype=pl.String),
            context=context.select(pl.all().cast(pl.String).name.prefix("context:")),
            log=log,
            starts=log.offsets[:-1],
            ends=log.offsets[1:],
        )


@dataclass(frozen=True)
class Rows:
    """Labelled rows: each a request and an item that was shown to it or, where nothing was shown, drawn for it."""

    asked: ClickQuery
    request: np.ndarray
    """int64 [rows], places in `asked`"""
    item: np.ndarray
    """int64 [rows], codes of the fitted items, -1 where unknown"""
    label: np.ndarray
    """float64 [rows], 1 for a click"""
    weight: np.ndarray
    """float64 [rows]"""
    owner: np.ndarray
    """int64 [rows], code of whom the row belongs to; rows of one owner are never told apart"""
    real: np.ndarray
    """bool [rows], false for synthetic rows"""
    event: np.ndarray
    """int64 [rows], the event that chose the item: its place among the shop's, or in the log where nothing was shown;
    -1 where none did"""
    span: np.ndarray | None = None
    """float32 [rows, 2], shares of a training between which a row is learned from; None where always"""
    rate: float = 1.0
    """Share of rows without a click that were kept"""

    def __len__(self) -> int:
        return len(self.item)

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows."""
        names = ("request", "item", "label", "weight", "owner", "real", "event")
        span = None if self.span is None else self.span[rows]
        return replace(self, span=span, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True)
class Encoded:
    """Rows as a model reads them."""

    codes: np.ndarray
    """int32 [rows, fields], 0 where unknown"""
    dense: np.ndarray
    """float32 [rows, numbers], standardised"""
    history: np.ndarray
    """int32 [requests, HISTORY], codes of the field item_id, latest first, 0 behind the last"""
    request: np.ndarray
    """int64 [rows], places in `history`"""

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: np.ndarray) -> Encoded:
        """Return some of the rows."""
        return Encoded(self.codes[rows], self.dense[rows], self.history, self.request[rows])


@dataclass(frozen=True)
class Examples:
    """Encoded rows with their labels."""

    rows: Encoded
    label: np.ndarray
    weight: np.ndarray
    more: dict[str, np.ndarray] = field(default_factory=dict)
    """What else is known of the rows, each [rows, …]"""

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> Examples:
        """Return some of them."""
        more = {name: value[rows] for name, value in self.more.items()}
        return Examples(self.rows.take(rows), self.label[rows], self.weight[rows], more)


def from_impressions(
    shop: Shop, items: Vocabulary, earlier: Shop | None = None, kinds: Sequence[str] = (CLICK,)
) -> Rows:
    """Return a row an impression, in the order of the events; `kinds` of event choose what was shown.

    Histories are the interactions of the same user, or session, before the impression, in `shop` and in `earlier`.
    """
    shown = impressions(shop, kinds)
    log = into(Log.of(_with(shop, earlier)), items)
    time = shown["time"].cast(pl.Int64).fill_null(int(NO_TIME)).to_numpy()
    starts, ends = before(log, shown["owner"], time)
    asked = ClickQuery(
        time=time,
        position=shown["position"].fill_null(-1).cast(pl.Int64).to_numpy(),
        user=shown["user_id"],
        context=spread(shown["context"]).select(pl.all().name.prefix("context:")),
        log=log,
        starts=starts,
        ends=ends,
    )
    return Rows(
        asked=asked,
        request=np.arange(len(shown)),
        item=items.encode(shown["item_id"]).astype(np.int64),
        label=shown["clicked"].cast(pl.Float64).to_numpy(),
        weight=shown["weight"].cast(pl.Float64).to_numpy(),
        owner=Vocabulary(shown["owner"].unique().sort()).encode(shown["owner"]).astype(np.int64),
        real=(shown["origin"] == REAL).to_numpy(),
        event=shown["click_row"].cast(pl.Int64).fill_null(-1).to_numpy(),
        span=shown.select(pl.col("since").fill_null(0.0), pl.col("until").fill_null(1.0)).to_numpy()
        if {"since", "until"} <= set(shop.columns("events"))
        else None,
    )


def from_log(log: Log, negatives: int, most: int, rng: np.random.Generator) -> Rows:
    """Return each event as a click of its user, and beside it `negatives` items drawn evenly from all others.

    An item that the user has had at another time may be drawn: it was not the one chosen then. At most `most` rows;
    of more events a random part is taken.
    """
    if len(log.items) < 2:
        raise InputError(
            "The shop has one item only: there is nothing that could have been chosen instead."
        )
    chosen = np.arange(len(log))
    if len(log) * (1 + negatives) > most:
        chosen = np.sort(rng.permutation(len(log))[: max(1, most // (1 + negatives))])
    n, own = len(chosen), log.item[chosen].astype(np.int64)
    others = rng.integers(len(log.items) - 1, size=(n, negatives))
    others += others >= own[:, None]
    user = log.user.astype(np.int64)[chosen]
    asked = ClickQuery(
        time=log.time[chosen],
        position=np.full(n, -1),
        user=log.users.ids.gather(user),
        context=pl.DataFrame(),
        log=log,
        starts=log.offsets[user],
        ends=chosen.astype(np.int64),
    )
    width = 1 + negatives
    label = np.zeros((n, width))
    label[:, 0] = 1
    return Rows(
        asked=asked,
        request=np.repeat(np.arange(n), width),
        item=np.concatenate([own[:, None], others], axis=1).ravel(),
        label=label.ravel(),
        weight=np.repeat(log.weight[chosen].astype(np.float64), width),
        owner=np.repeat(user, width),
        real=np.repeat(log.real[chosen], width),
        event=np.where(label > 0, chosen[:, None], -1).ravel(),
        span=None if log.span is None else np.repeat(log.span[chosen], width, axis=0),
        rate=negatives / (len(log.items) - 1),
    )


def thinned(rows: Rows, rate: float, most: int, rng: np.random.Generator) -> Rows:
    """Keep all clicks and a share `rate` of the other rows; a smaller one where more than `most` rows would stay."""
    clicked = rows.label == 1
    others = max(1, int((~clicked).sum()))
    rate = min(rate, max(1.0, most - clicked.sum()) / others)
    if rate >= 1:
        return rows
    return replace(
        rows.take(np.flatnonzero(clicked | (rng.random(len(rows)) < rate))), rate=rate * rows.rate
    )


def spread(maps: pl.Series) -> pl.DataFrame:
    """Lay a column of maps out as text columns, one a name: of a name given twice, the first value."""
    long = (
        pl.DataFrame({"row": np.arange(len(maps)), "map": maps})
        .explode("map", empty_as_null=True, keep_nulls=True)
        .drop_nulls("map")
        .unnest("map")
        .unique(["row", "name"], keep="first", maintain_order=True)
        if maps.dtype != pl.Null
        else pl.DataFrame(schema={"row": pl.Int64, "name": pl.String, "value": pl.String})
    )
    names = (
        long.group_by("name")
        .len()
        .sort("len", "name", descending=[True, False])
        .head(MOST_FIELDS)["name"]
        .sort()
    )
    base = pl.DataFrame({"row": np.arange(len(maps), dtype=np.int64)})
    columns: dict[str, Any] = {}
    for name in names:
        part = long.filter(pl.col("name") == name).select("row", "value")
        columns[name] = base.join(part, on="row", how="left", maintain_order="left")["value"]
    return pl.DataFrame(columns)


def _with(shop: Shop, earlier: Shop | None) -> Shop:
    if earlier is None or not earlier.has("events"):
        return shop
    return shop.with_tables(
        events=pl.concat([earlier.scan("events"), shop.scan("events")], how="diagonal_relaxed")
    )
