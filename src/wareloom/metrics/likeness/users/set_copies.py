"""How many synthetic users have the items of a training user, in whatever order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from annotated_types import Ge, Le

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.metrics.likeness.measure import Figure, Measure, wilson
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.shop.item_sets import Sets, nearest, occurrence, rarity, sets


@dataclass(kw_only=True, eq=False)
class SetCopies(Measure):
    """Share of users whose items are nearly those of a training user, whatever their order; floor: other real users.

    Near is a Jaccard similarity of `jaccard` between the two multisets of items: what both have, by what either has,
    an item as often as it was chosen. `near_copies` looks for runs in order, and takes a history that was dealt anew
    for a new one. A real user that is a training user itself is held beside all others. Intervals are Wilson's.
    """

    unit: ClassVar[str] = "share"
    laws: ClassVar[frozenset[str]] = frozenset({"the floor is of the real users alone"})

    jaccard: Annotated[float, Ge(0.3), Le(1)] = 0.5
    """Similarity from which a user is a copy; .5 is a history of three in which one item was exchanged."""
    shortest: Size = 3
    """Users with fewer events are too common to be called copies."""

    def _compare(self, trio: Trio, run: Run) -> list[Figure] | str:
        sides = trio.training, trio.real, trio.synthetic
        judged = [sample.log.lengths() >= self.shortest for sample in sides[1:]]
        for side, long in zip(("REAL", "SYNTH"), judged, strict=True):
            if not long.any():
                return f"no user of {side} has {self.shortest} events"
        known, real, fake = multisets(sides)
        floor = nearest(real, known, self.jaccard, trio.own)[judged[0]]
        found = nearest(fake, known, self.jaccard)[judged[1]]
        copies = [int((each > 0).sum()) for each in (found, floor)]
        ends = [wilson(copies[0], len(found)), wilson(copies[1], len(floor))]
        return [
            Figure(
                name=self.name,
                value=copies[0] / len(found),
                low=ends[0][0],
                high=ends[0][1],
                floor=copies[1] / len(floor),
                floor_low=ends[1][0],
                floor_high=ends[1][1],
                unit=self.unit,
                about={
                    "users": len(found),
                    "copies": copies[0],
                    "equal": int((found == 1).sum()),
                    "equal_real": int((floor == 1).sum()),
                },
            )
        ]


def multisets(samples: tuple[Sample, ...]) -> list[Sets]:
    """The items of each user of some samples, an item as often as it was chosen; rarity is that of the first sample."""
    items, users = len(samples[0].log.items), [sample.user for sample in samples]
    entries = [
        sample.log.item + items * occurrence(user, sample.log.item)
        for sample, user in zip(samples, users, strict=True)
    ]
    known, code = np.unique(np.concatenate(entries), return_inverse=True)
    codes = np.split(code, np.cumsum([len(each) for each in entries])[:-1])
    rank = rarity(users[0], codes[0], len(known))
    return [
        sets(user, code, len(sample), rank, code)
        for user, code, sample in zip(users, codes, samples, strict=True)
    ]
