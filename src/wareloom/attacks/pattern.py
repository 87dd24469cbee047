"""Is somebody's pattern in the synthetic shop: categories, kinds of event, repeats, popularity?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import polars as pl
from annotated_types import Gt, Lt

from wareloom.attacks import Attack, Case, People
from wareloom.attacks._templates import Traits, weighed
from wareloom.attacks._times import times
from wareloom.core.run import Run
from wareloom.core.settings import Positive


@dataclass(kw_only=True, eq=False)
class Pattern(Attack):
    """Tells members by what their events are like, whatever the items: categories, kinds, repeats, popularity.

    Each user of SYNTH may be a changed copy of the target, every item another of the same category, or the level below
    which categories tell items apart, and about as popular. The likelihood of the target as such a copy, over all users
    of SYNTH, is divided by that over other people. Where times are known, two more scores look at them, too.
    """

    slip: Annotated[float, Gt(0), Lt(1)] = 0.05
    """Chance that a value of a copy is not its template's."""
    blur: Annotated[float, Gt(0), Lt(1)] = 0.4
    """Chance that an item of a copy is not about as popular: an attacker counts what others and SYNTH have."""
    width: Positive = 0.3
    """How far a copy's gaps are stretched: the standard deviation of the logarithm."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Two scores, or four with times: the mean and the best likelihood."""
        people = (case.targets, case.synth, case.others)
        popular = np.log2(1.0 + case.synth.log.counts() + case.others.log.counts())
        sides = [traits_of(side, case, popular) for side in people]
        slips = slips_of(case, self.slip, self.blur)
        found = weighed(sides, [*slips, self.slip], self.width)
        if case.timed:
            both = [
                beside(side, times(p, dated=True)) for side, p in zip(sides, people, strict=True)
            ]
            found += weighed(both, [*slips, self.slip, self.slip, self.blur, self.slip], self.width)
        return np.column_stack(found)


def slips_of(case: Case, slip: float, blur: float) -> list[float]:
    """Chances that a value is not the template's, of each sort of `traits_of`; `blur` that of popularity."""
    kinds = [slip, slip, blur]
    kinds += [] if case.category is None else [slip, slip]
    return [*kinds, *[slip for _ in case.brands]]


def traits_of(people: People, case: Case, popular: np.ndarray) -> Traits:
    """Of each event: category and the level above, kind, which event before was on the item, or in the category."""
    log = people.log
    bucket = np.ceil(popular[log.item]).astype(np.int64)
    columns = [
        (log.event.astype(np.int64), log.event.astype(np.int64)),
        _first(log.user, log.item, log.offsets),
        (bucket, bucket // 3),
    ]
    if case.category is not None:
        leaf, shelf = case.category[log.item].astype(np.int64), case.shelf[log.item]
        columns += [(leaf, shelf.astype(np.int64)), _first(log.user, leaf, log.offsets)]
    for codes in case.brands:
        columns.append(_first(log.user, codes[log.item], log.offsets))
    fine, coarse = (np.stack(form, axis=1).astype(np.int32) for form in zip(*columns, strict=True))
    return Traits(log.offsets, fine, coarse, np.full(len(log), np.nan))


def _first(
    user: np.ndarray, value: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many events ago the value last was there, 0 where it is new; and whether it is new: int64 [events]."""
    rows = pl.DataFrame({"u": user, "v": value, "row": np.arange(len(user))})
    back = rows.select((pl.col("row") - pl.col("row").shift(1).over("u", "v")).fill_null(0))["row"]
    ago = back.to_numpy()
    return ago, (ago > 0).astype(np.int64)


def beside(what: Traits, when: Traits) -> Traits:
    """What events are like, and when they were."""
    return Traits(
        what.offsets,
        np.concatenate([what.fine, when.fine], axis=1),
        np.concatenate([what.coarse, when.coarse], axis=1),
        when.gap,
    )
