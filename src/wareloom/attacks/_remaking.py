"""People as a shop that a generator can be fitted on, and the scores of all other attacks on what it made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from wareloom.attacks.cases import Case
from wareloom.attacks.people import People
from wareloom.core.family import ATTACKS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.log import NO_TIME
from wareloom.shop.runs import whole_codes
from wareloom.shop.schema import EVENTS


def shop_of(people: People, items: pl.DataFrame) -> Shop:
    """A shop of some people's events; a session ends where half an hour goes by."""
    log = people.log
    kinds = pl.Series(EVENTS).gather(log.event.astype(np.int64))
    frame = pl.DataFrame(
        {
            "user_id": log.users.ids.gather(log.user),
            "item_id": log.items.ids.gather(log.item),
            "event": kinds,
        }
    )
    if log.timed:
        known = pl.Series(log.time != NO_TIME)
        time = pl.Series(np.where(log.time == NO_TIME, 0, log.time)).cast(pl.Datetime("us"))
        frame = frame.with_columns(time=pl.when(known).then(time))
    return Shop({"items": items, "events": frame})


def coded(shop: Shop, like: Log, run: Run) -> People:
    """The people of a shop by the codes of the items of another log; events on other items are left out."""
    shuffle = run.seed_for("attack", "ties") if shop.has("events", "time") else None
    log = Log.of(shop, shuffle_ties=shuffle)
    item = like.items.encode(log.items.ids).astype(np.int64)[log.item]
    log = replace(log, items=like.items, item=item.astype(np.int32)).keep(item >= 0)
    return People(log.select(np.flatnonzero(log.lengths())))


def histories(people: People) -> np.ndarray:
    """A code of each user's items and times, by which it is known whatever its place: uint64 [users]."""
    log = people.log
    codes = whole_codes(log.item.astype(np.int64), log.offsets)
    found: np.ndarray = codes ^ (whole_codes(log.time % (2**62), log.offsets) * np.uint64(3))
    return found


def ordered(people: People) -> tuple[People, np.ndarray]:
    """The people by the codes of their histories, named by their places, and where each of them is: int64 [users]."""
    order = np.argsort(histories(people), kind="stable")
    found = people.select(order)
    names = pl.select(pl.format("u{}", pl.int_range(len(order)))).to_series()
    found = replace(found, log=replace(found.log, users=Vocabulary(names)))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return found, place


def scored(names: Sequence[str], case: Case, run: Run) -> dict[str, np.ndarray]:
    """What some attacks make of the targets of a case, by name: float64 [targets, scores]; none where one cannot be.

    Raises `SettingError` for an attack that looks into a model, or that fits the generator anew.
    """
    found = {}
    for name in names:
        attack = ATTACKS.make(name)
        if attack.white_box or attack.refits or attack.slow:
            raise SettingError(
                f"The attack {name!r} looks at more than SYNTH, and cannot be made on each of many: leave it out."
            )
        if attack.reads == "events" and not isinstance(score := attack.score(case, run), str):
            found[name] = np.asarray(score, dtype=np.float64).reshape(len(case.targets), -1)
    return found
