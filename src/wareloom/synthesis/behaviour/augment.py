"""Augmented shoppers: real ones cropped, thinned, put in another order, or with items changed for related ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

import numpy as np
import polars as pl
from numba import njit

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Factor, Size
from wareloom.errors import InputError, SettingError, near
from wareloom.shop import Log, Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.keeps import Keeps
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.behaviour._walk import Users, _next, _stream, in_threads
from wareloom.synthesis.draws import mark, numbered

OPERATIONS = ("crop", "mask", "reorder", "substitute", "insert")


@dataclass(kw_only=True, eq=False)
class Augment(Synthesizer):
    """Real users, each changed in one way: the augmentations of contrastive recommenders, as data.

    crop keeps a run of the history, mask drops events, reorder shuffles a run, substitute changes items for related
    ones, insert puts related ones behind events; related is what item-kNN says of the log. Which way is drawn for each
    user by `operations`. What is made stays close to real users: the screen `copies` takes most of it, so leave that
    screen out, and do not take this for anonymous data. Xie et al. (2022, CL4SRec); Liu et al. (2021, CoSeRec).
    """

    keeps: ClassVar[Keeps] = "people"
    knows: ClassVar[frozenset[str]] = frozenset({"behaviour"})

    operations: dict[str, float] = field(default_factory=lambda: dict.fromkeys(OPERATIONS, 1.0))
    """How often each of crop, mask, reorder, substitute and insert is drawn, beside the others."""
    crop: Factor = 0.6
    """Share of a history that is kept."""
    mask: Factor = 0.3
    """Share of events that are dropped."""
    reorder: Factor = 0.5
    """Share of a history that is shuffled, in one run."""
    substitute: Factor = 0.3
    """Share of events whose item is changed for a related one."""
    insert: Factor = 0.3
    """Share of events behind which a related item is put, at the same time."""
    neighbours: Size = 30
    """Related items of each item; they are drawn by their similarity."""

    def _check(self) -> None:
        for name, weight in self.operations.items():
            if name not in OPERATIONS:
                raise SettingError(
                    f"augment: there is no operation {name!r}.{near(name, OPERATIONS)} Known: {', '.join(OPERATIONS)}."
                )
            if not 0 <= weight < np.inf:
                raise SettingError(
                    f"augment: operations has {name}={weight}; give a number that is not negative."
                )
        if not sum(self.operations.values()) > 0:
            raise SettingError("augment: operations has no weight above 0: there is nothing to do.")

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Keep events on known items, and learn which items are related; raises `InputError` where there are none."""
        run = run or Run()
        log = Log.of(shop)
        if len(log) == 0:
            raise InputError(
                "The synthesizer 'augment' has nothing to change: the shop has no events on known items."
            )
        self.catalogue_ = shop.table("items")
        events = shop.table("events")
        events = events.with_row_index("row").with_columns(user=user_key(events))
        known = (
            pl.col("item_id").is_in(self.catalogue_["item_id"].implode())
            & pl.col("user").is_not_null()
        )
        order = ["user", *(["time"] if "time" in events.columns else []), "row"]
        self.events_ = events.filter(known).sort(order).drop("row", "search_id", strict=False)
        ranker = RANKERS.make("item_knn", neighbours=self.neighbours).fit(log, run)
        self.related_ = ranker.neighbourhood().table
        return self

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Draw `n` real users with replacement, called ORIGIN/0-MARK, ORIGIN/1-MARK, …, and change each in one way."""
        self._checked(n, given)
        run = run or Run()
        rng, items = run.rng("augment"), self.catalogue_["item_id"]
        offsets = np.append(
            np.flatnonzero(self.events_["user"].rle_id().diff().fill_null(1).to_numpy()),
            len(self.events_),
        )
        chosen = rng.integers(len(offsets) - 1, size=n)
        weight = np.array([self.operations.get(name, 0.0) for name in OPERATIONS])
        how = rng.choice(len(OPERATIONS), size=n, p=weight / weight.sum())
        code = pl.DataFrame({"item_id": items, "code": np.arange(len(items))})
        item = self.events_.select("item_id").join(
            code, on="item_id", how="left", maintain_order="left"
        )["code"]
        # An event that is inserted stands beside its own: each user may become twice as long.
        first = np.concatenate([[0], np.cumsum(2 * np.diff(offsets)[chosen])])
        out = Changed(*(np.full(first[-1], -1, dtype=np.int64) for _ in range(3)))
        shares = np.array([getattr(self, name) for name in OPERATIONS])
        log = Originals(offsets, item.to_numpy().astype(np.int64), chosen, how, first)
        seed = np.uint64(run.seed_for("augment", "users"))
        in_threads(
            lambda a, b: _change(log, self._drawn_by(), shares, Users(seed, a, b), out),
            n,
            run.cores,
        )
        user = pl.Series("n", np.repeat(np.arange(n), np.diff(first)))
        return self._built(user, mark(self, n, run, given), *out)

    def _drawn_by(self) -> Related:
        table = self.related_
        return Related(
            table.indptr.astype(np.int64),
            table.indices.astype(np.int64),
            np.cumsum(table.data.astype(np.float64)),
        )

    def _built(
        self, user: pl.Series, mark: str, row: np.ndarray, place: np.ndarray, item: np.ndarray
    ) -> Shop:
        """The shop of rows of events, at the times of other rows, on items; rows of -1 are none."""
        there = row >= 0
        rows = self.events_[row[there]]
        name = numbered(self.origin, user.filter(pl.Series(there)), mark)
        same = pl.Series(
            "same",
            self.events_["item_id"].gather(row[there])
            == self.catalogue_["item_id"].gather(item[there]),
        )
        rows = rows.with_columns(
            item_id=self.catalogue_["item_id"].gather(item[there]), origin=pl.lit(self.origin)
        )
        rows = rows.with_columns(weight=pl.lit(1.0, pl.Float32))
        if "time" in rows.columns:
            rows = rows.with_columns(time=self.events_["time"].gather(place[there]))
        if "value" in rows.columns:
            rows = rows.with_columns(value=pl.when(same).then("value"))
        if "session_id" in rows.columns:
            own = name if "user_id" not in rows.columns else pl.format("{}/{}", name, "session_id")
            rows = rows.with_columns(
                session_id=pl.when(pl.col("session_id").is_not_null()).then(own)
            )
        tables = {"items": self.catalogue_}
        if "user_id" in rows.columns:
            rows = rows.with_columns(user_id=name)
            tables["users"] = rows.select("user_id", "origin").unique(maintain_order=True)
        return self._stamped(Shop.trusted({**tables, "events": rows.drop("user")}))


class Originals(NamedTuple):
    """The real users that are changed."""

    offsets: np.ndarray
    """int64 [real users + 1]"""
    item: np.ndarray
    """int64 [real events]"""
    chosen: np.ndarray
    """int64 [users], the real user of each"""
    how: np.ndarray
    """int64 [users], which of `OPERATIONS` is done to each"""
    first: np.ndarray
    """int64 [users + 1], where the events of each are to stand"""


class Changed(NamedTuple):
    """Events of changed users, each int64, -1 where there is none."""

    row: np.ndarray
    """Real events they are like"""
    place: np.ndarray
    """Real events whose times they have"""
    item: np.ndarray


class Related(NamedTuple):
    """Related items by item."""

    start: np.ndarray
    """int64 [items + 1]"""
    item: np.ndarray
    """int64 [pairs]"""
    running: np.ndarray
    """float64 [pairs], running sum of their similarities"""


@njit(cache=True)
def _related(related, item, state):  # type: ignore[no-untyped-def]
    """Draw an item that is related to `item`, by similarity; itself where there is none."""
    start, code, running = related.start, related.item, related.running
    a, b = start[item], start[item + 1]
    if a == b:
        return item
    below = running[a - 1] if a > 0 else 0.0
    wanted = below + _next(state) * (running[b - 1] - below)
    return code[min(b - 1, a + np.searchsorted(running[a:b], wanted, side="right"))]


@njit(cache=True, nogil=True)
def _change(log, related, shares, users, out):  # type: ignore[no-untyped-def]
    """Change some users, each in one way, and write their events down.

    One way each, so that a user stays near enough to a real one to be one: the ways are those of contrastive learning,
    which a user is to be recognised through. Times are never made up: an event keeps a real one's, in order.
    """
    offsets, item, chosen, how, first = log
    row, place, made = out.row, out.place, out.item
    for k in range(users.first, users.last):
        state = _stream(users.seed, k)
        a, b = offsets[chosen[k]], offsets[chosen[k] + 1]
        size, at, share = b - a, first[k], shares[how[k]]
        run = max(1, min(size, int(np.round(share * size))))
        start = a + int(_next(state) * (size - run + 1))
        if how[k] == 0:
            for e in range(start, start + run):
                row[at], place[at], made[at] = e, e, item[e]
                at += 1
        elif how[k] == 1:
            kept = a + int(_next(state) * size)
            for e in range(a, b):
                if e == kept or _next(state) >= share:
                    row[at], place[at], made[at] = e, e, item[e]
                    at += 1
        elif how[k] == 2:
            for e in range(a, b):
                row[at + e - a], place[at + e - a] = e, e
            for e in range(start + run - 1, start, -1):
                other = start + int(_next(state) * (e - start + 1))
                one, two = at + e - a, at + other - a
                row[one], row[two] = row[two], row[one]
            for e in range(at, at + size):
                made[e] = item[row[e]]
        else:
            for e in range(a, b):
                row[at], place[at], made[at] = e, e, item[e]
                if _next(state) < share:
                    if how[k] == 4:
                        at += 1
                        row[at], place[at] = e, e
                    made[at] = _related(related, item[e], state)
                at += 1
