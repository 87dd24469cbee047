"""Does the synthetic shop take steps that only somebody took?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wareloom.attacks import Attack, Case
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Size
from wareloom.shop import Log

FAINT = 0.2
"""Share of a member's steps that a cautious generator takes again"""


class Steps(NamedTuple):
    """Steps from one item to another, each once for a user."""

    user: np.ndarray
    """int64 [steps]"""
    code: np.ndarray
    """int64 [steps], from · items + to"""
    times: np.ndarray
    """float64 [steps], how often the user took it"""


@dataclass(kw_only=True, eq=False)
class Pairs(Attack):
    """Tells members by their own rare steps from item to item, of which SYNTH has more than other people would.

    Steps of SYNTH are counted. Expected are as many as others take from the item, backed off to how often SYNTH has the
    item they lead to, so that neither popular items nor popular steps are evidence. The score is the likelihood of the
    counts where SYNTH takes each own step once more for each time that the target did, over that where it does not.
    """

    window: Size = 2
    """Items so many places apart make a step of the target."""
    prior: Positive = 2.0
    """Steps by popularity alone, beside those that others took from an item."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Four scores: steps as they were and in either direction, taken again by a bold and a cautious generator."""
        own = steps(case.targets.log, self.window)
        if not len(own.code):
            return "no target has two different items"
        scores = []
        for both_ways in (False, True):
            seen, expected = self._counts(own, case, both_ways)
            for again in (1.0, FAINT):
                more = again * own.times
                gain = seen * np.log1p(more / expected) - more
                scores.append(np.bincount(own.user, weights=gain, minlength=len(case.targets)))
        return np.column_stack(scores)

    def _counts(self, own: Steps, case: Case, both_ways: bool) -> tuple[np.ndarray, np.ndarray]:
        """How often SYNTH takes each step, and how often it should: float64 [steps]."""
        items = len(case.synth.log.items)
        fake, others = (
            _counted(side.log, 1 if side is case.synth else self.window, both_ways)
            for side in (case.synth, case.others)
        )
        start, end = own.code // items, own.code % items
        popular = (case.synth.log.counts() + 0.5) / (len(case.synth.log) + 0.5 * items)
        out = np.bincount(others.code // items, weights=others.times, minlength=items)
        leaving = np.bincount(fake.code // items, weights=fake.times, minlength=items)
        if both_ways:
            start, end = np.minimum(start, end), np.maximum(start, end)
        known = _looked_up(start * items + end, others)
        rate = (known + self.prior * popular[end]) / (out[start] + self.prior)
        return _looked_up(start * items + end, fake), np.maximum(leaving[start], 0.5) * rate


def steps(log: Log, window: int) -> Steps:
    """Steps of each user between different items up to `window` places apart."""
    user, items = log.user.astype(np.int64), len(log.items)
    found = []
    for apart in range(1, window + 1):
        there = (user[apart:] == user[:-apart]) & (log.item[apart:] != log.item[:-apart])
        a, b = log.item[:-apart][there].astype(np.int64), log.item[apart:][there].astype(np.int64)
        found.append(np.stack([user[apart:][there], a * items + b]))
    both = np.concatenate(found, axis=1)
    order = np.lexsort((both[1], both[0]))
    both = both[:, order]
    new = np.append(True, (np.diff(both, axis=1) != 0).any(axis=0))[: both.shape[1]]
    first = np.flatnonzero(new)
    times = np.diff(np.append(first, both.shape[1])).astype(np.float64)
    return Steps(both[0][first], both[1][first], times)


def _counted(log: Log, window: int, both_ways: bool) -> Steps:
    """Steps of all users together: `code` rises, `user` is empty."""
    own, items = steps(log, window), len(log.items)
    code = own.code
    if both_ways:
        a, b = code // items, code % items
        code = np.minimum(a, b) * items + np.maximum(a, b)
    values, place = np.unique(code, return_inverse=True)
    return Steps(values[:0], values, np.bincount(place, weights=own.times, minlength=len(values)))


def _looked_up(code: np.ndarray, counted: Steps) -> np.ndarray:
    if not len(counted.code):
        return np.zeros(len(code))
    place = np.minimum(np.searchsorted(counted.code, code), len(counted.code) - 1)
    return np.where(counted.code[place] == code, counted.times[place], 0.0)
