"""Events of one user and one time: in random order, which decides, or in the order of the file."""

from __future__ import annotations

from typing import Literal

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.experiment.study import Study
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.shop import Log, Shop

TIES = Literal["shuffled", "file"]


def arranged(shop: Shop, how: SplitSettings, mode: str, run: Run) -> Split:
    """Split a shop with its ties "shuffled" or in the order of the "file", into parts held in memory."""
    dealt = deal_ties(shop, run.seed_for("ties")) if mode == "shuffled" else shop
    parts = split(dealt, how, None, run)
    train, validation, test = (part.in_memory() for part in parts)
    return Split(train, validation, test, parts.how)


def with_dealt_ties(study: Study) -> Split:
    """Split a study's shop with its ties in random order, as it was split where it comes in parts."""
    how = study.settings.split
    if study.parts is not None:
        how = configure(SplitSettings, study.parts.how["settings"])
    return arranged(study.shop, how, "shuffled", study.run)


def orders(shop: Shop, asked: tuple[TIES, ...]) -> tuple[TIES, ...]:
    """The orders of ties that are asked for; one where no user has two events of one time."""
    return asked if has_ties(shop) else ("file",)


def has_ties(shop: Shop) -> bool:
    """Whether a user has two events of one time."""
    if not shop.has("events", "time"):
        return False
    log = Log.of(shop)
    inner = log.user[1:] == log.user[:-1]
    return bool(np.any(inner & (log.time[1:] == log.time[:-1])))


def deal_ties(shop: Shop, seed: int) -> Shop:
    """Put the rows of a timed log in random order, so that a sort by time leaves events of one time in random order."""
    events = shop.table("events")
    return shop.with_tables(events=events[np.random.default_rng(seed).permutation(len(events))])
