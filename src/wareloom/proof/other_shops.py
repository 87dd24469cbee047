"""Other shops beside this one: who may teach it, and what their events are on its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy import stats

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.errors import InputError, LeakError, SettingError
from wareloom.language.embedders import LEAN
from wareloom.preparing.splits import Split
from wareloom.proof.ties import deal_ties
from wareloom.shop import Log, Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.pairs import follow_counts
from wareloom.shop.texts import DEFAULT, item_texts, parse_fields, present
from wareloom.synthesis.translation import in_form_of, translated

ORIGIN = "other shop"
"""The origin of another shop's real events, which is not "real": only this shop's own may be held back"""
DRAW = 5, 3.0
"""Items that read most like one that is not sold here, and the power of the cosine by which one of them is drawn"""
SAME_EVENTS = 3
"""Events of one item and time from which on users of two shops are one person"""
ALIKE = 0.5
"""Least median cosine of the texts of items of one id, for the ids to mean the same products"""
ODDS = 3.0
"""Times the odds of earlier steps from which held-out steps in another shop's log are copies"""
CHANCE = 1e-6
"""The chance of an excess of such steps below which it is none"""
Matching = Literal["auto", "ids", "texts"]


@dataclass(frozen=True)
class Other:
    """Another shop with the events that may teach this one."""

    folder: str
    shop: Shop
    """Its catalogue, and the events of those that are not this shop's users as well"""
    told: dict[str, Any] = field(default_factory=dict)
    """What was found of its users and items"""

    def until(self, time: Any) -> Other:
        """Return it without the events after `time`; raises `InputError` where none are left."""
        events = self.shop.table("events")
        if time is None or "time" not in events.columns:
            return self
        kept = events.filter((pl.col("time") <= time).fill_null(True))
        if kept.is_empty():
            raise InputError(
                f"All events of {self.folder} are later than the training part of this shop, which ends at {time}: "
                "give a later split, or split by leave-last-out."
            )
        told = {**self.told, "events_later": len(events) - len(kept)}
        return replace(self, shop=self.shop.with_tables(events=kept), told=told)


@dataclass(frozen=True)
class Bridge:
    """The way from other catalogues to this shop's: the same ids, or texts that read alike."""

    here: Shop
    matching: Matching = "auto"
    embedder: str = "tfidf"

    @cached_property
    def known(self) -> pl.Series:
        """Ids of this shop's items."""
        return self.here.table("items")["item_id"]

    @cached_property
    def reads(self) -> bool:
        """Whether this shop's items have texts."""
        return has_texts(self.here)

    def shared(self, other: Shop) -> pl.Series:
        """Ids that are taken to mean the same products in both shops."""
        ids = other.table("items")["item_id"]
        return (
            ids.head(0) if self.matching == "texts" else ids.filter(ids.is_in(self.known.implode()))
        )

    def carry(self, other: Shop, run: Run) -> tuple[pl.DataFrame, dict[str, int]]:
        """Put a shop's events on this shop's items, in the columns of its events; and count what became of them.

        Items of shared ids stay; others are changed for those that read alike, by which their events weigh less; what
        nothing here reads like is left out. Raises `InputError` where nothing is left.
        """
        events = other.table("events")
        events = events.filter(pl.col("item_id").is_not_null(), user_key(events).is_not_null())
        shared = self.shared(other).implode()
        same = events.filter(pl.col("item_id").is_in(shared))
        rest = events.filter(~pl.col("item_id").is_in(shared))
        parts = [in_form_of(same, self.here)]
        if len(rest) and self.reads and has_texts(other):
            items = other.table("items")
            sold = items.filter(pl.col("item_id").is_in(rest["item_id"].unique().implode()))
            unknown = other.with_tables(items=sold, events=rest)
            parts.append(translated(unknown, self.here, self.embedder, DRAW, run))
        whole = pl.concat(parts, how="diagonal_relaxed")
        if whole.is_empty():
            raise InputError(
                "Not one event of the other shop is on an item of this shop, and no texts could say which are alike."
            )
        moved = len(whole) - len(same)
        counts = {"same": len(same), "translated": moved, "left_out": len(rest) - moved}
        return whole, {f"events_{name}": n for name, n in counts.items()}

    def check(self, other: Shop, folder: str, run: Run) -> dict[str, Any]:
        """Count the items that both sell; raises `InputError` where nothing leads from one catalogue to the other."""
        shared, texts = self.shared(other), self.reads and has_texts(other)
        if not len(shared) and not texts:
            raise InputError(
                f"{folder} and this shop share no item id, and not both have texts of their items: nothing says which "
                "of its products are which here. Give both catalogues titles, or the same ids."
            )
        told: dict[str, Any] = {"items": other.rows("items"), "items_shared": len(shared)}
        if not texts or not len(shared) or self.matching != "auto":
            return told
        told["texts_of_shared"] = alike = self._alike(other, shared, run)
        if alike < ALIKE:
            raise InputError(
                f"{folder} and this shop share {len(shared):,} item ids, but the products under them do not read alike "
                f"(median cosine {alike:.2f}): set matching='texts' where the ids mean other products, 'ids' where "
                "they mean the same."
            )
        return told

    def _alike(self, other: Shop, shared: pl.Series, run: Run) -> float:
        """Median cosine of the texts of the items of shared ids."""
        texts = []
        for shop in (self.here, other):
            named = (
                shop.table("items").select("item_id").with_columns(text=pl.Series(item_texts(shop)))
            )
            texts.append(shared.to_frame().join(named, on="item_id", maintain_order="left")["text"])
        made = EMBEDDERS.make(self.embedder, **LEAN.get(self.embedder, {}))
        made.fit([text for each in texts for text in each], run)
        ours, theirs = (made.vectors(each.to_list(), run) for each in texts)
        products = ours.multiply(theirs) if hasattr(ours, "multiply") else ours * theirs
        return float(np.median(np.asarray(products.sum(axis=1))))


def has_texts(shop: Shop) -> bool:
    """Whether items have texts."""
    try:
        present(shop, parse_fields(DEFAULT))
    except InputError:
        return False
    return True


def opened(folders: Sequence[str], here: Shop, bridge: Bridge, run: Run) -> list[Other]:
    """Open other shops, without the users that are this shop's as well; raises `InputError` for one of no use.

    A user is the same by its id, or where events of one item and time say so: `SAME_EVENTS`, or all that it has if that
    is two or more.
    """
    found, prints = [], {here.fingerprint: "this shop"}
    for folder in folders:
        if not Path(folder).is_dir():
            raise InputError(f"There is no shop {folder}: name the folder of another shop.")
        shop = Shop.open(folder)
        shop.verify()
        if same := prints.get(shop.fingerprint):
            raise SettingError(f"{folder} holds the same data as {same}: name another shop.")
        prints[shop.fingerprint] = folder
        if not shop.has("events") or not shop.rows("events"):
            raise InputError(f"{folder} has no events, so that there is nothing to learn from it.")
        about = bridge.check(shop, folder, run)
        kept, users = _strangers(shop, here)
        if kept.has("events", "time"):
            kept = deal_ties(kept, run.seed_for("ties", folder))
        if not kept.rows("events"):
            raise InputError(
                f"All {users['users']:,} users of {folder} are users of this shop, too: it has nothing to teach."
            )
        fitted = users["users"] - users["same_id"] - users["same_events"]
        found.append(
            Other(folder, kept, {"folder": folder, **users, "fitted_users": fitted, **about})
        )
    return found


def _strangers(other: Shop, here: Shop) -> tuple[Shop, dict[str, int]]:
    """Another shop without this shop's users, and how many these were."""
    theirs, ours = (
        shop.table("events").with_columns(owner=user_key(shop.table("events"))).drop_nulls("owner")
        for shop in (other, here)
    )
    named = theirs.join(ours, on="owner", how="semi")["owner"].unique()
    doubles = named.head(0)
    if other.has("events", "time") and here.has("events", "time"):
        keys = ["item_id", "event", "time"]
        rows = [each.select("owner", *keys).drop_nulls().unique() for each in (theirs, ours)]
        both = rows[0].join(rows[1], on=keys).group_by("owner", "owner_right").len()
        sizes = theirs.group_by("owner").len("has")
        both = both.join(sizes, on="owner").filter(
            (pl.col("len") >= SAME_EVENTS)
            | ((pl.col("len") == pl.col("has")) & (pl.col("has") > 1))
        )
        doubles = both["owner"].unique()
        doubles = doubles.filter(~doubles.is_in(named.implode()))
    gone = pl.concat([named, doubles])
    kept = theirs.filter(~pl.col("owner").is_in(gone.implode())).drop("owner")
    counts = {
        "users": theirs["owner"].n_unique(),
        "same_id": len(named),
        "same_events": len(doubles),
    }
    return other.with_tables(events=kept, users=None).in_memory(), counts


def check_copied(events: pl.DataFrame, parts: Split, folder: str) -> None:
    """Raise `LeakError` where another shop's log holds held-out steps far more often than earlier ones.

    A step is (an item, the item that the same user of this shop had next). Whoever did not see what is held out holds
    both kinds of step alike, so that odds `ODDS` times as high, beyond chance, are copies. Steps outside the time of
    the other log are not counted. Users copied whole are found by `opened` alone.
    """
    held = parts.held_out()
    marked = held.scan("events").with_columns(origin=pl.lit("held out"))
    both = pl.concat([parts.train.scan("events"), marked], how="diagonal_relaxed")
    log = Log.of(parts.train.with_tables(events=both))
    theirs = Log.of(parts.train.with_tables(events=events))
    place = np.arange(1, len(log))
    place = place[(log.user[1:] == log.user[:-1]) & (log.item[1:] != log.item[:-1])]
    if log.timed and theirs.timed and len(theirs):
        place = place[
            (log.time[place] >= theirs.time.min()) & (log.time[place] <= theirs.time.max())
        ]
    there = np.asarray(follow_counts(theirs)[log.item[place - 1], log.item[place]]).ravel() > 0
    earlier = log.real[place]
    if earlier.all() or not earlier.any():
        return
    had, has = float(there[earlier].mean()), float(there[~earlier].mean())
    n, seen = int((~earlier).sum()), int(there[~earlier].sum())
    expected = n * max(had, 1 / (1 + int(earlier.sum())))
    odds = has * (1 - had) > ODDS * had * (1 - has)
    if odds and stats.binom.sf(seen - 1, n, min(1.0, expected / n)) < CHANCE:
        raise LeakError(
            f"The log of {folder} holds {has:.1%} of the {n:,} steps that are held out here, but {had:.1%} of the "
            "earlier ones: it was made of what is to be foretold. Take this shop's events out of it."
        )


def of_other_origin(logs: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Real events of other shops as one frame: of another origin, so that nothing takes them for this shop's own."""
    parts = []
    for number, events in enumerate(logs):
        keys = [name for name in ("user_id", "session_id") if name in events.columns]
        apart = [pl.format("other-{}/{}", pl.lit(number), name).alias(name) for name in keys]
        parts.append(events.with_columns(*apart, origin=pl.lit(ORIGIN)))
    return pl.concat(parts, how="diagonal_relaxed")
