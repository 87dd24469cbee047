"""Which events to reject and why: the steps of cleaning that look at the event log, in buckets of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from wareloom.preparing.clean_settings import CleanSettings
from wareloom.preparing.resolution import (
    DAY,
    LOG_BINS,
    add_histogram,
    arrays_of,
    future_bound,
    log_bins,
    resolution_of,
    robust_bounds,
    robust_high,
)
from wareloom.preparing.returns import taken_back
from wareloom.shop.buckets import ROW, USER, Buckets
from wareloom.shop.schema import EVENTS, INTERACTIONS

REASONS = (
    "",
    "missing key",
    "impossible time",
    "impossible amount",
    "unknown item",
    "far in the future",
    "outlier",
    "exact duplicate",
    "near duplicate",
    "unusual activity",
    "robot",
    "too few events",
    "duplicate key",
    "empty text",
    "return",
    "returned",
)
"""Why a row is rejected; the code of a row is a place in this list, 0 for a row that is kept."""
CODE_OF = {reason: code for code, reason in enumerate(REASONS)}
PURCHASE = EVENTS.index("purchase")
AMOUNTS = ("value", "quantity")
MICRO = 1_000_000
HOUR = 3600


def row_hash(columns: Sequence[str], seed: int) -> pl.Expr:
    """Return a 64-bit hash of some columns of a row."""
    hashes = [pl.col(name).hash(seed=seed + place) for place, name in enumerate(columns)]
    both = hashes[0]
    for one in hashes[1:]:
        both = both.xor(one)
    return both


def narrow_columns(names: list[str], known: pl.Series | None = None) -> dict[str, pl.Expr]:
    """Return what the steps need to know of an event, for `wareloom.shop.buckets.bucketed`.

    `item`, `whole` (all columns) and `near` (user, session, item, event, search and position) are 64-bit hashes.
    """

    blank = [
        pl.col(c).is_null() | (pl.col(c).str.strip_chars() == "")
        for c in ("user_id", "session_id")
        if c in names
    ]
    item = pl.col("item_id") if "item_id" in names else pl.lit(None, dtype=pl.String)
    no_item = (item.is_null() | (item.str.strip_chars() == "")) & (pl.col("event") != "search")
    alike = [
        c
        for c in ("user_id", "session_id", "item_id", "event", "search_id", "position")
        if c in names
    ]
    wanted = {
        "item": pl.when(item.is_not_null()).then(item.hash(seed=2)),
        "whole": row_hash(names, 100),
        "near": row_hash(alike, 200),
        "kind": pl.col("event").cast(pl.Enum(EVENTS)).to_physical().cast(pl.UInt8),
        "missing": (pl.all_horizontal(blank) if blank else pl.lit(True)) | no_item,
        "time": pl.col("time").cast(pl.Int64) if "time" in names else pl.lit(None, dtype=pl.Int64),
    }
    return wanted | {name: pl.col(name).cast(pl.Float64) for name in AMOUNTS if name in names}


@dataclass
class EventCleaner:
    """Runs the steps over all buckets, again and again until a whole round rejects nothing.

    So cleaning what was cleaned changes nothing more, though every threshold comes from the rows themselves.
    """

    settings: CleanSettings
    buckets: Buckets
    items: pl.Series
    """Hashes of the ids of the catalogue"""
    codes: np.ndarray = field(init=False)
    """uint8 [rows], places in `REASONS`"""
    found: dict[str, object] = field(default_factory=dict)
    """Resolution and thresholds of the last round"""
    robots: set[int] = field(default_factory=set)
    """Hashes of the users rejected as robots"""
    rounds: int = 0
    left: pl.DataFrame | None = None
    """`row`, value and quantity of the purchases of which a part was given back: what is left of them"""

    def __post_init__(self) -> None:
        self.codes = np.zeros(self.buckets.rows, dtype=np.uint8)

    def run(self) -> np.ndarray:
        """Return the codes of all rows."""
        kept = -1
        mode = ""
        while kept != (kept := int((self.codes == 0).sum())):
            self.rounds += 1
            seconds, histograms = self._first_pass()
            mode, before = resolution_of(seconds), mode
            bounds = self._bounds(histograms)
            self.found = {
                "resolution": mode,
                **{name: plain_bounds(name, b) for name, b in bounds.items()},
            }
            users = self._second_pass(mode, bounds, repeats=mode != before)
            self._reject_users(users, mode)
            self._core()
        return self.codes

    def reject(self, frame: pl.DataFrame, where: pl.Expr | pl.Series, reason: str) -> pl.DataFrame:
        """Give the rows of `frame` where it holds their reason, and return the others."""
        marked = frame.select(where.fill_null(False).alias("bad"))["bad"]
        if not marked.any():
            return frame
        self.codes[frame[ROW].filter(marked).to_numpy()] = CODE_OF[reason]
        return frame.filter(~marked)

    def pieces(self) -> list[int]:
        """Places of the buckets."""
        return list(range(len(self.buckets)))

    def _kept(self, place: int) -> pl.DataFrame:
        frame = self.buckets[place]
        alive = self.codes[frame[ROW].to_numpy()] == 0
        frame = frame if alive.all() else frame.filter(pl.Series(alive))
        if self.left is None:
            return frame
        return frame.update(self.left, on=ROW, include_nulls=True)

    def _first_pass(self) -> tuple[np.ndarray, dict[str, dict[int, int]]]:
        """Reject what is wrong on its own, and count times and amounts of the rest."""
        s = self.settings
        seconds = np.zeros(DAY, dtype=np.int64)
        histograms: dict[str, dict[int, int]] = {name: {} for name in ("day", *AMOUNTS)}
        for place in self.pieces():
            frame = self._kept(place)
            amounts = [name for name in AMOUNTS if name in frame.columns]
            if s.missing_keys:
                frame = self.reject(frame, pl.col("missing"), "missing key")
            if s.times:
                frame = self.reject(frame, s.impossible_time(pl.col("time")), "impossible time")
            if s.returns and amounts:
                frame = self._returns(frame)
            if s.amounts and amounts:
                wrong = [impossible_amount(pl.col(name), zero=s.zero_amounts) for name in amounts]
                frame = self.reject(frame, pl.any_horizontal(wrong), "impossible amount")
            if s.orphans:
                orphan = pl.col("item").is_not_null() & ~pl.col("item").is_in(self.items.implode())
                frame = self.reject(frame, orphan, "unknown item")
            time = frame["time"].drop_nulls().to_numpy()
            seconds += np.bincount(time // MICRO % DAY, minlength=DAY)
            add_histogram(histograms["day"], time // (MICRO * DAY))
            for name in amounts if s.outlier_z else []:
                bins = log_bins(frame[name].drop_nulls().to_numpy().astype(np.float64))
                add_histogram(histograms[name], bins[bins > np.iinfo(np.int64).min])
        return seconds, histograms

    def _returns(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Reject returns that have their purchase, and that purchase; where they took a part, keep what is left."""
        taken = taken_back(frame.filter(pl.col("kind") == PURCHASE))
        frame = self.reject(frame, pl.col(ROW).is_in(taken.back.implode()), "return")
        frame = self.reject(frame, pl.col(ROW).is_in(taken.whole.implode()), "returned")
        if taken.left.is_empty():
            return frame
        before = [] if self.left is None else [self.left.join(taken.left, on=ROW, how="anti")]
        self.left = pl.concat([*before, taken.left])
        return frame.update(taken.left, on=ROW, include_nulls=True)

    def _bounds(self, histograms: Mapping[str, dict[int, int]]) -> dict[str, tuple[float, float]]:
        bounds = (
            {"day": (-np.inf, future_bound(*arrays_of(histograms["day"])))}
            if self.settings.times
            else {}
        )
        for name in AMOUNTS:
            if histograms[name]:
                bounds[name] = robust_bounds(*arrays_of(histograms[name]), self.settings.outlier_z)
        return bounds

    def _second_pass(
        self, mode: str, bounds: Mapping[str, tuple[float, float]], *, repeats: bool
    ) -> pl.DataFrame:
        """Reject far times, outlying amounts and repeats; return each user's number of events and rate."""
        users = []
        for place in self.pieces():
            frame = self._kept(place)
            if "day" in bounds:
                frame = self.reject(
                    frame, pl.col("time") // (MICRO * DAY) > bounds["day"][1], "far in the future"
                )
            for name in AMOUNTS:
                if name in bounds and name in frame.columns:
                    bins = log_bins(frame[name].cast(pl.Float64).fill_null(-1.0).to_numpy())
                    low, high = bounds[name]
                    outside = (bins > np.iinfo(np.int64).min) & ((bins < low) | (bins > high))
                    frame = self.reject(frame, pl.Series(outside), "outlier")
            if repeats:
                frame = self._repeats(frame, mode)
            if self.settings.activity_z or self.settings.robot_z:
                users.append(activity(frame, mode))
        return (
            pl.concat(users)
            if users
            else pl.DataFrame(schema={USER: pl.UInt64, "events": pl.UInt32, "rate": pl.Float64})
        )

    def _repeats(self, frame: pl.DataFrame, mode: str) -> pl.DataFrame:
        """Reject duplicates and near duplicates, as far as the resolution lets one tell them from real repeats."""
        s = self.settings
        if s.duplicates == "all" or (s.duplicates == "auto" and mode == "second"):
            again = ~pl.col("whole").is_first_distinct()
            if s.duplicates == "auto" and "quantity" not in frame.columns:
                again &= pl.col("kind") != PURCHASE
            frame = self.reject(frame, again, "exact duplicate")
        if s.near_seconds and mode == "second":
            frame = self.reject(frame, near_duplicates(frame, s.near_seconds), "near duplicate")
        return frame

    def _reject_users(self, users: pl.DataFrame, mode: str) -> None:
        """Reject all events of users whose number of events or whose rate lies far beyond the bulk."""
        s = self.settings
        verdicts = []
        if s.robot_z and mode != "none" and len(users):
            robots, high = robots_of(users, s)
            self.found["robot_rate"] = plain_bounds("rate", (-np.inf, high))
            self.robots |= set(robots.to_list())
            verdicts.append((robots, "robot"))
            users = users.filter(~pl.col(USER).is_in(robots.implode()))
        if s.activity_z and len(users):
            bins = log_bins(users["events"].to_numpy().astype(np.float64))
            high = robust_high(*np.unique(bins, return_counts=True), s.activity_z)
            self.found["activity"] = plain_bounds("events", (-np.inf, high))
            verdicts.append((users.filter(pl.Series(bins > high))[USER], "unusual activity"))
        verdicts = [(who, reason) for who, reason in verdicts if len(who)]
        for place in self.pieces() if verdicts else []:
            frame = self._kept(place)
            for who, reason in verdicts:
                frame = self.reject(frame, pl.col(USER).is_in(who.implode()), reason)

    def _core(self) -> None:
        """Reject events of users and on items with too few interactions, until all that are left have enough."""
        s = self.settings
        if s.core_users <= 1 and s.core_items <= 1:
            return
        chosen = pl.col("kind").is_in([EVENTS.index(kind) for kind in INTERACTIONS])
        while True:
            kept = int((self.codes == 0).sum())
            counts = []
            for place in self.pieces():
                frame = self._kept(place)
                enough = chosen.sum().over(USER) >= s.core_users
                frame = self.reject(frame, ~enough, "too few events")
                counts.append(frame.group_by("item").agg(n=chosen.sum()))
            items = (
                pl.concat(counts).group_by("item").agg(pl.col("n").sum())
                if counts
                else pl.DataFrame({"item": [], "n": []})
            )
            rare = items.filter((pl.col("n") < s.core_items) & pl.col("item").is_not_null())["item"]
            for place in self.pieces() if len(rare) else []:
                self.reject(
                    self._kept(place), pl.col("item").is_in(rare.implode()), "too few events"
                )
            if kept == int((self.codes == 0).sum()):
                return


def impossible_amount(amount: pl.Expr, *, zero: bool) -> pl.Expr:
    """Whether an amount of money or goods is negative, infinite or (with `zero`) nothing; null is not wrong."""
    return (amount <= 0 if zero else amount < 0) | ~amount.is_finite()


def near_duplicates(frame: pl.DataFrame, seconds: float) -> pl.Series:
    """Whether each row repeats one with an equal `near` at most `seconds` before it.

    A chain of such repeats leaves its first row. Purchases of one and the same moment are lines of one basket and stay.
    """
    again = frame.select(ROW, "near", "time", "kind").filter(
        pl.col("near").is_duplicated() & pl.col("time").is_not_null()
    )
    again = again.sort("near", "time", ROW)
    same = pl.col("near") == pl.col("near").shift(1)
    gap = pl.when(same).then(pl.col("time") - pl.col("time").shift(1))
    earlier = pl.when(gap == 0).then(None).otherwise(pl.when(gap.is_null()).then(-1).otherwise(gap))
    distinct = earlier.forward_fill()
    close = (distinct > 0) & (distinct <= int(seconds * MICRO))
    bad = again.filter((close | ((gap == 0) & (pl.col("kind") != PURCHASE))).fill_null(False))[ROW]
    return frame[ROW].is_in(bad.implode())


def activity(frame: pl.DataFrame, mode: str) -> pl.DataFrame:
    """Return each user's number of events and events per active hour (per active day where times are days)."""
    if mode == "none":
        return frame.group_by(USER).agg(events=pl.len(), rate=pl.lit(0.0))
    unit = MICRO * (DAY if mode == "day" else HOUR)
    active = frame.select(USER, slot=pl.col("time") // unit).group_by(USER, "slot").len()
    rate = pl.col("len").sum() / pl.len()
    return active.group_by(USER).agg(
        events=pl.col("len").sum().cast(pl.UInt32), rate=rate.cast(pl.Float64)
    )


def robots_of(users: pl.DataFrame, settings: CleanSettings) -> tuple[pl.Series, float]:
    """Return which of `users` (of `activity`) are robots, and the rate beyond which they are, in bins of its log.

    A robot has at least `robot_events` events, and far more an active hour (or day) than the bulk of the users.
    """
    bins = log_bins(users["rate"].to_numpy())
    high = robust_high(*np.unique(bins, return_counts=True), settings.robot_z)
    many = pl.col("events") >= settings.robot_events
    return users.filter(pl.Series(bins > high) & many)[USER], high


def plain_bounds(name: str, bounds: tuple[float, float]) -> list[float | str | None]:
    """Bounds in the units of the column, null where open; days as dates."""

    def plain(value: float) -> float | str | None:
        if not np.isfinite(value):
            return None
        return (
            str(np.datetime64(int(value), "D"))
            if name == "day"
            else float(np.exp(value / LOG_BINS))
        )

    return [plain(value) for value in bounds]
