"""Is a synthetic user nearer to a real one than real users are to one another?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import polars as pl
from annotated_types import Ge, Le

from wareloom.core.run import Run
from wareloom.core.settings import Factor, NonNegative, Size
from wareloom.screening import Screen, Screened, reject_users
from wareloom.screening._runs import LONGEST_RUN, longest_runs
from wareloom.shop import Log, Shop
from wareloom.shop.item_sets import nearest, rarity, sets

SAME, NEAR, RUN = (
    "the same items as a real user",
    "nearly the items of a real user",
    "items in a row of a real user",
)
BANDS = 5
"""Users are held beside real ones of about as many items: so many bands, about as many real users in each."""


@dataclass(frozen=True)
class _Near:
    """How near users are to a training user."""

    items: np.ndarray
    """int64 [users], distinct items"""
    jaccard: np.ndarray
    """float64 [users]"""
    run: np.ndarray
    """int64 [users]"""

    def of(self, users: np.ndarray) -> _Near:
        """Return some of them."""
        return _Near(self.items[users], self.jaccard[users], self.run[users])


@dataclass(kw_only=True, eq=False)
class Novelty(Screen):
    """Take whole users that copy a training user, or nearly so, where there are more than among real users themselves.

    How near a user is to another is told in two ways: the Jaccard similarity of their items, and the most items that
    both have in a row. The yardstick is the training part: how near each of its users is to the nearest other. Among
    users of about as many items, at every degree of nearness that few real users reach (`rare`), and at that of equal
    items, the share of synthetic users that are so near or nearer is brought down to that of real ones (times
    `tolerance`); which of several equally near ones go is drawn. What is no nearer than many real users are to one
    another stays.
    """

    jaccard: Annotated[float, Ge(0.3), Le(1)] = 0.5
    """Similarity of the items from which a user is near at all."""
    length: Annotated[int, Ge(2), Le(LONGEST_RUN)] = 4
    """Items in a row from which a run counts."""
    shortest: Size = 3
    """Users with fewer different items are too common to be called copies."""
    rare: Factor = 0.05
    """Share of real users up to which it takes so few to be so near that it counts; 1 counts every degree."""
    tolerance: NonNegative = 1.0
    """How frequent near-copies may be, in multiples of their share among real users; 0 takes every one."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Reject user by user; only the training part is looked at."""
        run = run or Run()
        with run.limits(), run.task("novelty"):
            fake = Log.of(synthetic)
            real, mine = self._near(Log.of(train), fake)
            judged = np.flatnonzero(mine.items >= self.shortest)
            standing = real.of(np.flatnonzero(real.items >= self.shortest))
            taken = judged[self._excess(mine.of(judged), standing, run.rng("novelty"))]
        named = pl.DataFrame(
            {
                "owner": fake.users.ids.gather(taken),
                "reason": _reasons(mine.of(taken), self.length),
            },
            schema={"owner": pl.String, "reason": pl.String},
        )
        screened = reject_users(synthetic, named, len(fake.users))
        kept = np.setdiff1d(judged, taken)
        screened.report["near"] = self._told(
            {"real": standing, "synthetic": mine.of(judged), "kept": mine.of(kept)}
        )
        return screened

    def _near(self, real: Log, fake: Log) -> tuple[_Near, _Near]:
        """How near real users are to the nearest other, and synthetic ones to the nearest real one."""
        rank = rarity(real.user, real.item, len(real.items))
        item = real.items.recode(fake.items)[fake.item] if len(fake) else fake.item
        ours = sets(real.user, real.item, len(real.users), rank, real.item)
        theirs = sets(fake.user, item, len(fake.users), rank, fake.item)
        itself = np.arange(len(real.users))
        near = nearest(ours, ours, self.jaccard, itself), nearest(theirs, ours, self.jaccard)
        runs = longest_runs(real.item, real.offsets, real, self.length, own=True)
        others = longest_runs(item, fake.offsets, real, self.length, own=False)
        return _Near(ours.sizes(), near[0], runs), _Near(theirs.sizes(), near[1], others)

    def _excess(self, fake: _Near, real: _Near, rng: np.random.Generator) -> np.ndarray:
        """Places of the synthetic users that must go for the rest to be no nearer than real users are: int64."""
        edges = (
            np.unique(np.quantile(real.items, np.arange(1, BANDS) / BANDS))
            if len(real.items)
            else np.zeros(0)
        )
        of_fake, of_real = (
            np.searchsorted(edges, side.items, side="left") for side in (fake, real)
        )
        there, before = rng.permutation(len(fake.items)), -1
        while before != len(there):
            before = len(there)
            for level, yard, top in (
                (fake.run, real.run, LONGEST_RUN),
                (fake.jaccard, real.jaccard, 1.0),
            ):
                rare = _reach(yard, level) <= self.rare * len(yard)
                counts = np.where(rare | (level >= top), level, 0)
                for band in range(len(edges) + 1):
                    mine = there[of_fake[there] == band]
                    over = _over(counts[mine], yard[of_real == band], self.tolerance)
                    there = np.setdiff1d(there, mine[over], assume_unique=True)
        return np.setdiff1d(np.arange(len(fake.items)), there)

    def _told(self, sides: dict[str, _Near]) -> dict[str, Any]:
        """Share of the judged users that are near, by how."""
        return {
            name: {
                "users": len(side.items),
                "same items": _share(side.jaccard == 1.0),
                f"jaccard from {self.jaccard:g}": _share(side.jaccard >= self.jaccard),
                f"run from {self.length}": _share(side.run >= self.length),
            }
            for name, side in sides.items()
        }


def _share(there: np.ndarray) -> float:
    return float(there.mean()) if len(there) else 0.0


def _reach(yard: np.ndarray, level: np.ndarray) -> np.ndarray:
    """How many of `yard` are at each level or above: int64 [levels]."""
    found: np.ndarray = len(yard) - np.searchsorted(np.sort(yard), level, side="left")
    return found


def _over(level: np.ndarray, yard: np.ndarray, tolerance: float) -> np.ndarray:
    """Whether each must go, so that for every t > 0 the share with level ≥ t is at most that of `yard`: bool.

    The first of equal ones stay. Of the i nearest there may stay k_i = min over j ≤ i of a_j + i - j, with a_j allowed
    at the level of the j-th; what goes makes all fewer and a_j smaller, hence anew until nothing does. When some went
    later, a few that went before have room again: they stay, the least near first.
    """
    goes = np.zeros(len(level), dtype=bool)
    while True:
        left = np.flatnonzero(~goes)
        near = left[level[left] > 0]
        near = near[np.argsort(-level[near], kind="stable")]
        allowed = np.floor(
            tolerance * _reach(yard, level[near]) / max(1, len(yard)) * len(left) + 1e-9
        )
        place = np.arange(1, len(near) + 1)
        stay = np.minimum(place + np.minimum.accumulate(np.minimum(allowed - place, 0)), place)
        more = near[np.diff(stay, prepend=0) < 1]
        if not len(more):
            break
        goes[more] = True
    while (back := _with_room(level, goes, yard, tolerance)) is not None:
        goes[back] = False
    return goes


def _with_room(
    level: np.ndarray, goes: np.ndarray, yard: np.ndarray, tolerance: float
) -> int | None:
    """The first and least near of those that go beside whom all that stay would still be few enough; None for none."""
    steps = np.unique(level[level > 0])
    room = tolerance * _reach(yard, steps) / max(1, len(yard)) * (~goes).sum() + 1e-9
    full = steps[_reach(level[~goes], steps) + 1 > room]
    fits = np.flatnonzero(goes & ((level < full.min()) if len(full) else True))
    return int(fits[np.argmin(level[fits])]) if len(fits) else None


def _reasons(near: _Near, least: int) -> list[str]:
    """Why each went: by its items where these are near, else by its run."""
    return [
        SAME if jaccard == 1.0 else f"{run} {RUN}" if run > least or jaccard == 0 else NEAR
        for jaccard, run in zip(near.jaccard, near.run, strict=True)
    ]
