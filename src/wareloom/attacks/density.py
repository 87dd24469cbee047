"""Is somebody's history likelier under a model of the synthetic shop than under one of other people?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from wareloom.attacks import Attack, Case, People
from wareloom.attacks._sequences import chances, learn
from wareloom.attacks._times import gaps
from wareloom.core.run import Run


@dataclass(kw_only=True, eq=False)
class Density(Attack):
    """Tells members by how much likelier their history is under a sequence model of SYNTH than under one of others.

    The model predicts each event from as many before it as were seen together, backing off to fewer. One model reads
    items, another categories with kinds of event and gaps. Both are held beside the same model of other people's
    histories, and back off to the same shares at last: how often an item is chosen at all is what `items` looks at.
    """

    order: Annotated[int, Ge(1), Le(16)] = 8
    """Events before one that it is predicted from, at most."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """For either model two scores: the sum over events, and the best event's."""
        found = []
        for sides in _symbols(case):
            found += self._ratios(case, *sides)
        return np.column_stack(found)

    def _ratios(
        self, case: Case, mine: np.ndarray, fake: np.ndarray, others: np.ndarray
    ) -> list[np.ndarray]:
        """Scores by one alphabet; `mine`, `fake` and `others`: symbols of the events of either side."""
        width = int(max(side.max(initial=0) for side in (mine, fake, others))) + 1
        counts = np.bincount(others, minlength=width) + 0.5
        base = (counts / counts.sum())[mine]
        offsets = case.targets.log.offsets
        models = [
            learn(symbol, side.log.offsets, self.order)
            for symbol, side in ((fake, case.synth), (others, case.others))
        ]
        by_fake, by_others = (chances(mine, offsets, one, base) for one in models)
        gain = np.log(by_fake / by_others)
        return [each.reduceat(gain, offsets[:-1]) for each in (np.add, np.maximum)]


def _symbols(case: Case) -> Iterator[list[np.ndarray]]:
    """The alphabets: items; and what else an event is. For each the symbols of targets, SYNTH and others, int64."""
    people = (case.targets, case.synth, case.others)
    yield [side.log.item.astype(np.int64) for side in people]
    whole = [_kinds(side, case) for side in people]
    values, code = np.unique(np.concatenate(whole), return_inverse=True)
    if len(values) > 1:
        ends = np.cumsum([len(each) for each in whole])[:-1]
        yield np.split(code.astype(np.int64), ends)


def _kinds(people: People, case: Case) -> np.ndarray:
    """Category, kind and class of gap of each event in one number, int64 [events]."""
    log = people.log
    found = log.event.astype(np.int64)
    if case.category is not None:
        found += 16 * (1 + case.category[log.item].astype(np.int64))
    if case.timed:
        gap = gaps(people)
        octave = np.where(np.isnan(gap), 0.0, np.where(gap < 0, 1.0, 2.0 + np.floor(gap * 1.4427)))
        found += 2**40 * octave.astype(np.int64)
    return found
