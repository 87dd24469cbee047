"""Does the saved model hold somebody's history: its times, its gaps, its items, or a loss that is too small?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from wareloom.attacks import Arena, Attack, Case
from wareloom.attacks._ranked import losses, saved_ranker
from wareloom.attacks._stored import Stored, in_common, stored
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.shop import Log
from wareloom.shop.item_sets import distinct

VOCABULARY = 0.5
"""Share of different texts that are items of the catalogue, from which a column of text is a list of items"""


class Sought(NamedTuple):
    """Sequences of targets, and where they are looked for."""

    values: np.ndarray
    """int64 [events]"""
    offsets: np.ndarray
    surprise: np.ndarray
    """float64 [events], what a value in common adds"""
    among: list[np.ndarray]


@dataclass(kw_only=True, eq=False)
class Model(Attack):
    """Searches the folder of a saved model for members: a white box.

    Every array, table and list of numbers in it is searched for runs of a target's times, of its gaps (a history that
    was moved has them still), of its items by their places in any list of items that is there, in order of time, and in
    order of places, as sparse matrices have them. How surprising the most surprising common run is, beside how
    frequent its values are, is the score. Where the model is a ranker, or a generator that can rank, how low it ranks
    the target's choices are two scores more. `told` says how many timelines stand in the folder whole.
    """

    white_box: ClassVar[bool] = True

    longest: Size = 32
    """Values in a row beyond which a run is no more surprising, and a timeline is taken for recovered."""
    most: Size = 10_000
    """Targets of each part that are looked at, members and others; all where there are no more."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Scores: runs of times, of gaps, of items and of items by place; the share of times found; two losses."""
        if case.model is None:
            return "no model was given"
        log, found = case.targets.log, []
        for place, ways in enumerate(_searches(case, stored(case.model))):
            runs = [in_common(*sought, self.longest) for sought in ways]
            found.append(np.max([one.surprise for one in runs], axis=0))
            if place == 0:
                whole = np.minimum(log.lengths(), self.longest)
                found.append(np.where(whole > 1, np.minimum(runs[0].length, whole) / whole, 0.0))
        ranker = saved_ranker(case.model)
        if ranker is not None:
            found += list(-losses(ranker, case.targets).T)
        return np.column_stack(found)

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Share of members, and of others, with two events or more whose timeline stands in the folder whole."""
        if not arena.cases[0].timed:
            return {}
        share, length = np.concatenate([s[:, 1] for s in scores]), np.concatenate(arena.lengths)
        truth, long = np.concatenate(arena.truth), length > 1
        return {
            f"timelines of {who} recovered": float((share[long & side] == 1).mean())
            for who, side in (("members", truth), ("others", ~truth))
            if (long & side).any()
        }


def _searches(case: Case, kept: Stored) -> Iterator[list[Sought]]:
    """Times, gaps, items in order of time, and items in order of their places; each in one way or several."""
    log = case.targets.log
    if case.timed:
        rare = _surprise(log.time, case.others.log.time)
        yield [Sought(log.time, log.offsets, rare, kept.numbers)]
        (gap, offsets), (others, _) = (_gaps(side.log) for side in (case.targets, case.others))
        moved = [np.diff(one) for one in kept.numbers]
        yield [Sought(gap, offsets, _surprise(gap, others), moved)]
    rare = _surprise(log.item, case.others.log.item)
    columns = [log.items.encode(text).astype(np.int64) for text in kept.texts]
    columns = [column for column in columns if (column >= 0).any()]
    ways = [(np.arange(len(log.items)), columns)]
    for column in columns:
        if (column >= 0).mean() > VOCABULARY and len(distinct(column[column >= 0])) == (
            column >= 0
        ).sum():
            places = -(10**9) - np.arange(len(log.items))
            places[column[column >= 0]] = np.flatnonzero(column >= 0)
            ways.append((places, kept.numbers))
    yield [Sought(places[log.item], log.offsets, rare, among) for places, among in ways]
    yield [_by_place(places[log.item], log, rare, among) for places, among in ways]


def _by_place(place: np.ndarray, log: Log, rare: np.ndarray, among: list[np.ndarray]) -> Sought:
    """Each user's different items in order of their places."""
    order = np.lexsort((place, log.user))
    new = np.append(True, (np.diff(place[order]) != 0) | (np.diff(log.user[order]) != 0))
    rows = order[new]
    offsets = np.searchsorted(log.user[rows], np.arange(len(log.users) + 1))
    return Sought(place[rows], offsets, rare[rows], among)


def _gaps(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """Times between a user's events, int64, and where each user's begin."""
    inside = np.diff(log.user) == 0
    offsets = np.concatenate([[0], np.cumsum(np.maximum(log.lengths() - 1, 0))])
    return np.diff(log.time)[inside], offsets.astype(np.int64)


def _surprise(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Logarithm of one over the share of each value among others: float64."""
    known, counts = np.unique(others, return_counts=True)
    if not len(known):
        return np.zeros(len(values))
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    number = np.where(known[place] == values, counts[place], 0) + 0.5
    found: np.ndarray = np.log((len(others) + 0.5) / number)
    return found
