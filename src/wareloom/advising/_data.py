"""The shop as it is worked on: its artefacts undone, its copies out, a sample of its users; and how it is parted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from wareloom.advising._look import COPIED, LONG, Look
from wareloom.advising.settings import AdviceSettings
from wareloom.core.run import Run
from wareloom.errors import InputError, SchemaError, SettingError
from wareloom.evaluation.tasks import Task, build_task
from wareloom.preparing.splits import Split, SplitSettings, together
from wareloom.preparing.splits_by import hashed
from wareloom.proof.ties import TIES, arranged, has_ties
from wareloom.shop import Log, Shop
from wareloom.shop.buckets import user_key

FEW_BY_TIME, TIMES_MORE = 500, 3
"""Requests below which a split by time asks too few, where leaving the last out asks so many times more"""


A_SECOND, LEAST = 2_000, 20_000
"""Events for each second that is given, at most, and events that are taken however few seconds there are"""
SCORES = 16_000_000
"""Events × items for each second that is given, at most: rankers score the whole catalogue for what is held out"""


@dataclass(frozen=True)
class Worked:
    """What is worked on."""

    shop: Shop
    """With the test part, which the last proof alone reads"""
    before: Shop
    """Without it: all that is chosen is chosen on this"""
    split: SplitSettings
    ties: TIES
    events: int
    share: float
    """Of the users"""


def undone(shop: Shop, look: Look, run: Run) -> Shop:
    """Return the shop without what is no behaviour: an order by item within days, and copied users."""
    events = shop.scan("events")
    if look.copied > COPIED:
        events = _without_copies(events, timed=look.has["times"])
    if look.sorted_by_item == "days":
        events = events.with_columns(pl.col("time").dt.truncate("1d"))
    if look.sorted_by_item == "file":
        frame = events.collect()
        events = frame[run.rng("advice", "order").permutation(len(frame))].lazy()
    return shop.with_tables(events=events)


def _without_copies(events: pl.LazyFrame, *, timed: bool) -> pl.LazyFrame:
    """Keep the first of the users who did exactly the same, where they did so much."""
    time = [pl.col("time").cast(pl.String)] if timed else []
    did = pl.concat_str([pl.col("item_id"), *time], separator=" ", ignore_nulls=True)
    own = events.with_columns(_user=user_key(events), _did=did).drop_nulls(["_user", "item_id"])
    users = own.group_by("_user", maintain_order=True).agg(
        did=pl.col("_did").str.join("\x1f"), long=pl.col("item_id").n_unique() >= LONG
    )
    copied = users.filter(pl.col("long") & ~pl.col("did").is_first_distinct()).collect()["_user"]
    return events.filter(~user_key(events).is_in(copied.implode()).fill_null(False))


def sampled(shop: Shop, most: int, run: Run) -> tuple[Shop, float]:
    """Return the events of as many users as have about `most` events between them, and the share of the users."""
    rows = shop.rows("events")
    if rows <= most:
        return shop, 1.0
    share = most / rows
    events = shop.scan("events")
    users = events.select(user=user_key(events)).unique().drop_nulls().collect(engine="streaming")
    ids = users["user"].sort()
    kept = ids.filter(pl.Series(hashed(ids, (share, 1.0 - share, 0.0), ("advice", run.seed)) == 0))
    some = events.filter(user_key(events).is_in(kept.implode())).collect(engine="streaming")
    return shop.with_tables(events=some, users=None), len(kept) / max(1, len(ids))


def most_events(items: int, settings: AdviceSettings, busy: float = 1.0) -> int:
    """How many events are worked on at most; `busy`: how many times longer than alone this process takes."""
    seconds = 60 * settings.minutes / max(1.0, busy)
    able = min(A_SECOND * seconds, SCORES * seconds / max(1, items))
    return min(settings.most_events, max(LEAST, round(able)))


def work_on(
    shop: Shop, look: Look, settings: AdviceSettings, run: Run, busy: float = 1.0
) -> Worked:
    """Prepare the shop; raises `InputError` where nobody can be asked. `busy`: see `most_events`."""
    most = most_events(shop.rows("items"), settings, busy)
    some, share = sampled(shop, most, run)
    some = undone(some, look, run).in_memory()
    ties: TIES = "shuffled" if has_ties(some) else "file"
    asked: dict[str, int] = {}
    if settings.split in ("auto", "time") and look.has["times"]:
        asked["time"] = requests(some, SplitSettings(by="time"), ties, run)
    few = asked.get("time", 0) < FEW_BY_TIME
    if settings.split == "leave-last-out" or (settings.split == "auto" and few):
        asked["leave-last-out"] = requests(some, SplitSettings(by="leave-last-out"), ties, run)
    by = "time" if asked.get("time") else "leave-last-out"
    if few and asked.get("leave-last-out", 0) >= TIMES_MORE * asked.get("time", 0):
        by = "leave-last-out"
    if not asked.get(by):
        raise InputError(
            "Nobody can be asked: no user has something that was done before and something to hold out."
        )
    how = SplitSettings(by=by)  # type: ignore[arg-type]
    if by == "leave-last-out" and asked[by] > 5_000:
        how = SplitSettings(by="leave-last-out", validation_users=0.3)
    parts = arranged(some, how, ties, run)
    before = together([parts.train, parts.validation]).in_memory()
    return Worked(some, before, how, ties, some.rows("events"), share)


def parted(shop: Shop, how: SplitSettings, ties: TIES, run: Run) -> tuple[Split, Task] | None:
    """Split, and build what the test part asks; None where nobody can be asked."""
    try:
        parts = arranged(shop, how, ties, run)
        return parts, build_task(parts)
    except (InputError, SchemaError, SettingError):
        return None


def requests(shop: Shop, how: SplitSettings, ties: TIES, run: Run) -> int:
    """How many requests a split asks in its test part."""
    found = parted(shop, how, ties, run)
    return 0 if found is None else len(found[1])


def share_of(shop: Shop, share: float, run: Run) -> Shop:
    """Return the events of a share of the users, those of a smaller share among those of a larger one."""
    if share >= 1.0:
        return shop
    events = shop.table("events")
    owner = events.select(user=user_key(events))["user"]
    ids = owner.unique().drop_nulls().sort()
    order = run.rng("advice", "share").permutation(len(ids))
    kept = ids.gather(np.sort(order[: max(1, round(share * len(ids)))]))
    return shop.with_tables(events=events.filter(owner.is_in(kept.implode())))


def users_of(shop: Shop) -> int:
    """Users with events."""
    return len(Log.of(shop).users)
