"""The event log as columns of arrays, grouped by user and in order of time: what kernels work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from wareloom.core import notebook
from wareloom.core.asked import require_kind
from wareloom.errors import InputError
from wareloom.shop.asked import a_shop
from wareloom.shop.buckets import user_key
from wareloom.shop.schema import EVENTS, INTERACTIONS, REAL
from wareloom.shop.vocabulary import Vocabulary

if TYPE_CHECKING:
    from wareloom.shop.shop import Shop

NO_TIME = np.int64(-(2**62))
"""The time of an event whose time is unknown."""
SESSION_GAP = 30 * 60 * 1_000_000
"""Microseconds of silence after which a new session begins, where the log names no sessions."""


@dataclass(frozen=True)
class Log:
    """Events on items, user after user, each user's in order of time.

    `offsets` has one entry more than there are users; the events of user u are the rows offsets[u]:offsets[u+1] of the
    other arrays. Users without a user id go by their session id. Events of one user and one time stay in the order of
    the file, unless `Log.of` was told to shuffle them.
    """

    users: Vocabulary
    items: Vocabulary
    offsets: np.ndarray
    """int64 [users + 1]"""
    item: np.ndarray
    """int32 [events], codes into `items`"""
    time: np.ndarray
    """int64 [events], microseconds since 1970; `NO_TIME` where unknown"""
    event: np.ndarray
    """int8 [events], codes into `wareloom.shop.schema.EVENTS`"""
    session: np.ndarray
    """int32 [events], 0, 1, … within each user"""
    weight: np.ndarray
    """float32 [events]"""
    real: np.ndarray
    """bool [events], false for synthetic rows"""
    timed: bool
    """Whether the log has times at all"""
    span: np.ndarray | None = None
    """float32 [events, 2], shares of a training between which an event is learned from; None where always"""
    label_item: np.ndarray | None = None
    """int32 [events, labels], codes of items that could have stood there instead, -1 behind the last; None for none"""
    label_weight: np.ndarray | None = None
    """float32 [events, labels], what each of them weighs, 0 behind the last"""

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return notebook.line(
            "Log",
            f"{len(self):,} events",
            f"{len(self.users):,} users",
            f"{len(self.items):,} items",
        )

    @property
    def user(self) -> np.ndarray:
        """Code of the user of each event, int32 [events]."""
        return np.repeat(np.arange(len(self.users), dtype=np.int32), np.diff(self.offsets))

    def lengths(self) -> np.ndarray:
        """Events per user, int64 [users]."""
        return np.diff(self.offsets)

    def counts(self, *, weighted: bool = False) -> np.ndarray:
        """Events (or their weight) per item, float64 [items]."""
        return np.bincount(
            self.item, weights=self.weight if weighted else None, minlength=len(self.items)
        ).astype(np.float64)

    def last_time(self) -> int:
        """The latest time in the log, or `NO_TIME`."""
        return int(self.time.max()) if self.timed and len(self) else int(NO_TIME)

    def matrix(self, *, weighted: bool = True):  # type: ignore[no-untyped-def]
        """Users × items as a float32 CSR matrix; repeated events add up."""
        from scipy import sparse

        values = self.weight if weighted else np.ones(len(self), dtype=np.float32)
        shape = (len(self.users), len(self.items))
        matrix = sparse.csr_matrix(
            (values, self.item, self.offsets), shape=shape, dtype=np.float32, copy=True
        )
        matrix.sum_duplicates()
        return matrix

    def select(self, users: np.ndarray) -> Log:
        """Return the log of some users (codes), in the given order."""
        users = np.asarray(users)
        starts, lengths = self.offsets[users], self.lengths()[users]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return replace(
            self,
            users=Vocabulary(self.users.ids.gather(users)),
            offsets=offsets,
            **self._columns(rows),
        )

    def before(self, events: np.ndarray, most: int) -> Log:
        """Return a log with one user for each of some events (places): the latest `most` that came before it."""
        starts = np.maximum(self.offsets[self.user[events]], events - most)
        lengths = events - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        users = Vocabulary(pl.int_range(len(events), eager=True).cast(pl.String))
        return replace(self, users=users, offsets=offsets, **self._columns(rows))

    def keep(self, rows: np.ndarray) -> Log:
        """Return the log of all users with some of their events: bool [events]."""
        offsets = np.concatenate([[0], np.cumsum(rows)])[self.offsets].astype(np.int64)
        return replace(self, offsets=offsets, **self._columns(rows))

    def _columns(self, rows: np.ndarray) -> dict[str, Any]:
        names = ("item", "time", "event", "session", "weight", "real")
        given = (
            name
            for name in ("span", "label_item", "label_weight")
            if getattr(self, name) is not None
        )
        return {name: getattr(self, name)[rows] for name in (*names, *given)}

    @classmethod
    def of(
        cls,
        shop: Shop,
        *,
        kinds: Sequence[str] = INTERACTIONS,
        shuffle_ties: int | None = None,
        items: Vocabulary | None = None,
    ) -> Log:
        """Read the log of `shop`.

        `kinds`: the events that count. `shuffle_ties`: a seed; the order of a user's events of one time is then drawn
        from it instead of taken from the file, where it is often an artefact. `items`: another catalogue than the
        shop's; `InputError` for an event on an item that it lacks.
        """
        require_kind("Log.of", "shop", shop, a_shop)
        frame, foreign = _frame(shop, kinds), items is not None
        items = items or Vocabulary(shop.table("items")["item_id"])
        users = Vocabulary(frame["user"].unique().sort())
        limits = {"since": 0.0, "until": 1.0} if {"since", "until"} <= set(frame.columns) else {}
        spans = {name: pl.col(name).fill_null(value) for name, value in limits.items()}
        codes = frame.select(
            user=pl.Series(users.encode(frame["user"])),
            item=pl.Series(items.encode(frame["item_id"])),
            time=pl.col("time").cast(pl.Int64).fill_null(int(NO_TIME)),
            event=pl.Series(_event_codes(frame["event"])),
            session="session_id",
            weight="weight",
            real=pl.col("origin") == REAL,
            **spans,
        )
        if foreign and (unknown := frame["item_id"].filter(codes["item"] < 0)).len():
            raise InputError(
                f"There is an event on the item {unknown[0]!r}, which the fitted shop does not know."
            )
        codes = codes.filter(pl.col("item") >= 0)
        order = ["user", "time"]
        if shuffle_ties is not None:
            codes, order = (
                codes.with_columns(tie=pl.Series(tie_order(len(codes), shuffle_ties))),
                [*order, "tie"],
            )
        codes = codes.sort(order, maintain_order=True)
        user = codes["user"].to_numpy()
        offsets = np.searchsorted(user, np.arange(len(users) + 1)).astype(np.int64)
        labels = _labels(shop, users, items, offsets) if shop.has("soft_labels") else {}
        return cls(
            users=users,
            items=items,
            offsets=offsets,
            item=codes["item"].to_numpy(),
            time=codes["time"].to_numpy(),
            event=codes["event"].to_numpy(),
            session=_sessions(codes, user),
            weight=codes["weight"].to_numpy(),
            real=codes["real"].to_numpy(),
            timed=shop.has("events", "time"),
            span=codes.select("since", "until").to_numpy() if spans else None,
            **labels,
        )


def a_log(value: object) -> str:
    """The kind of an argument that is a log, or None."""
    return "" if isinstance(value, Log | None) else "a Log, such as Log.of(shop)"


def a_shop_or_log(value: object) -> str:
    """The kind of an argument that is a shop, or its log."""
    return "" if isinstance(value, Log) else a_shop(value)


def stacked(first: Log, second: Log) -> Log:
    """Return the users of two logs of the same items one after the other; those of the second are renamed."""
    names = ("item", "time", "event", "session", "weight", "real")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names
    }
    renamed = pl.select(pl.format("synthetic/{}", second.users.ids)).to_series()
    offsets = np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]])
    users = Vocabulary(pl.concat([first.users.ids, renamed.rename("id")]))
    return replace(first, users=users, offsets=offsets, **columns)


def without_last(shop: Shop, whole: Log, rest: Log) -> Shop:
    """Return `shop` without the last events of the users that have fewer in `rest` than in its `whole` log."""
    events = shop.table("events").with_row_index("row")
    events = events.with_columns(user=user_key(events))
    held = whole.users.ids.filter(pl.Series(rest.lengths() < whole.lengths()))
    own = events.filter(
        pl.col("user").is_in(held.implode()), pl.col("item_id").is_in(rest.items.ids.implode())
    )
    order = ["user", *(["time"] if "time" in events.columns else []), "row"]
    last = (
        own.filter(counts_in_log(INTERACTIONS))
        .sort(order)
        .group_by("user")
        .agg(pl.col("row").last())["row"]
    )
    return shop.with_tables(
        events=events.filter(~pl.col("row").is_in(last.implode())).drop("row", "user")
    )


def tie_order(rows: int, seed: int) -> np.ndarray:
    """Return the place of each of the log's rows, in file order, among those of its user and time: int64 [rows]."""
    return np.random.default_rng(seed).permutation(rows)


def counts_in_log(kinds: Sequence[str]) -> pl.Expr:
    """Whether a row (`user`, `item_id`, `event`) belongs to the log; its item must be known, too."""
    return (
        pl.col("event").is_in(list(kinds))
        & pl.col("item_id").is_not_null()
        & pl.col("user").is_not_null()
    )


def _frame(shop: Shop, kinds: Sequence[str]) -> pl.DataFrame:
    """Events on items with the columns a log needs; those that the shop lacks are null."""
    scan = shop.scan("events")
    names = scan.collect_schema().names()
    wanted = {"session_id": pl.String(), "time": pl.Datetime("us"), "item_id": pl.String()}
    missing = [
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in wanted.items() if name not in names
    ]
    rows = scan.with_columns(missing).with_columns(user=user_key(scan)).filter(counts_in_log(kinds))
    spans = [name for name in ("since", "until") if name in names]
    return rows.select(
        "user", "item_id", "event", "time", "session_id", "weight", "origin", *spans
    ).collect()


def _labels(
    shop: Shop, users: Vocabulary, items: Vocabulary, offsets: np.ndarray
) -> dict[str, np.ndarray]:
    """Lay the soft labels out beside the events they belong to; those of places that a user lacks fall out."""
    labels = shop.scan("soft_labels")
    frame = labels.select("item_id", "weight", "place", user=user_key(labels)).collect()
    user, item = users.encode(frame["user"]).astype(np.int64), items.encode(frame["item_id"])
    place, weight = frame["place"].to_numpy().astype(np.int64), frame["weight"].to_numpy()
    there = (user >= 0) & (item >= 0) & (weight > 0)
    there[there] = place[there] < np.diff(offsets)[user[there]]
    event = offsets[user[there]] + place[there]
    order = np.argsort(event, kind="stable")
    event, item, weight = event[order], item[there][order], weight[there][order]
    first = np.searchsorted(event, event)
    column = np.arange(len(event)) - first
    shape = (int(offsets[-1]), int(column.max(initial=0)) + 1)
    codes, weights = np.full(shape, -1, dtype=np.int32), np.zeros(shape, dtype=np.float32)
    codes[event, column], weights[event, column] = item, weight
    return {"label_item": codes, "label_weight": weights}


def _event_codes(events: pl.Series) -> np.ndarray:
    return events.cast(pl.Enum(EVENTS)).to_physical().cast(pl.Int8).to_numpy()


def _sessions(codes: pl.DataFrame, user: np.ndarray) -> np.ndarray:
    """Number each user's sessions: by session id where there is one, else by a silence of `SESSION_GAP`."""
    if len(codes) == 0:
        return np.zeros(0, dtype=np.int32)
    session, time = codes["session"], codes["time"].to_numpy()
    change = np.zeros(len(codes), dtype=bool)
    if session.null_count() < len(session):
        change[1:] = (session != session.shift(1)).fill_null(True).to_numpy()[1:]
    else:
        change[1:] = np.diff(time) > SESSION_GAP
    first = np.ones(len(codes), dtype=bool)
    first[1:] = user[1:] != user[:-1]
    running = np.cumsum(change | first)
    return (
        running - running[np.maximum.accumulate(np.where(first, np.arange(len(codes)), 0))]
    ).astype(np.int32)
