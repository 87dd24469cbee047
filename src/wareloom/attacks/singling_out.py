"""Does the synthetic shop give predicates that isolate one person?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from wareloom.attacks import Arena, Attack, Case, People
from wareloom.attacks._control import beyond_control
from wareloom.attacks._matching import in_order
from wareloom.attacks._times import DAY, HOUR, MINUTE, WEEK, gaps
from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.shop.log import NO_TIME
from wareloom.shop.runs import run_codes


class Facts(NamedTuple):
    """Predicates, and of whom of some people they hold; the codes rise."""

    code: np.ndarray
    """uint64, the predicate"""
    user: np.ndarray
    """int64, of whom it holds"""


@dataclass(kw_only=True, eq=False)
class SinglingOut(Attack):
    """Isolates people by predicates that hold of one user of SYNTH: one value, or some known points in a row.

    A point is when in the week an event was, to the hour, and the category of its item; four of them isolate most
    people (de Montjoye and others 2015). A single value is an exact gap, or how many events there are; items are what
    `items` looks at.
    Predicates that hold of one user of SYNTH are tried on the targets, and each that holds of one target alone says
    that SYNTH was made of it. How many isolate a member is held beside how many isolate one of as many people that
    SYNTH cannot know, as some would by chance: Giomi, Boenisch, Wehmeyer and Tasnadi (PETS 2023).
    """

    points: Size = 4
    """Events in a row that a predicate of several values knows."""
    predicates: Size = 2000
    """Predicates of which the success is told, drawn at random."""

    def score(self, case: Case, run: Run) -> np.ndarray | str:
        """Two scores, for one value and for points in a row: how surprising all is that isolates the target."""
        targets, fake, others = (
            in_order(side, case) for side in (case.targets, case.synth, case.others)
        )
        makers: tuple[Callable[[People], Facts], ...] = (_single, partial(self._points, case))
        return np.column_stack(
            [_isolated(make(targets), make(fake), make(others), len(targets)) for make in makers]
        )

    def _points(self, case: Case, people: People) -> Facts:
        """Runs of so many points: hour of the week, category, and whether more than a week went by before."""
        log = people.log
        shelf = np.zeros(len(log), np.int64) if case.category is None else case.shelf[log.item] + 1
        hour = np.where(log.time == NO_TIME, -1, log.time % WEEK // HOUR)
        gap = np.exp(np.nan_to_num(gaps(people), nan=-1.0)) >= WEEK
        gap[log.offsets[:-1][log.lengths() > 0]] = False
        codes = run_codes((shelf * 200 + hour + 1) * 2 + gap, log.offsets, self.points)
        there = codes != 0
        return _distinct(log.user[there].astype(np.int64), codes[there])

    def told(self, arena: Arena, scores: Sequence[np.ndarray]) -> dict[str, float]:
        """Shares of predicates of points that isolate one member, or one other, and the risk beyond the control."""
        case = arena.cases[0]
        fake = _alone(self._points(case, in_order(case.synth, case))).code
        codes = fake[:: max(1, len(fake) // self.predicates)]
        tried = []
        for members in (True, False):
            sides = [
                self._points(c, in_order(c.targets.select(np.flatnonzero(t == members)), c)).code
                for c, t in zip(arena.cases, arena.truth, strict=True)
            ]
            values, counts = np.unique(np.concatenate(sides), return_counts=True)
            tried.append(np.isin(codes, values[counts == 1]))
        return beyond_control("isolates one", *tried)


def _single(people: People) -> Facts:
    """How many events there are, and each gap of half a day or more, to the minute."""
    log, gap = people.log, gaps(people)
    minutes = np.round(np.exp(np.nan_to_num(gap, nan=-1.0)) / MINUTE).astype(np.int64)
    long = np.flatnonzero(minutes >= DAY // MINUTE // 2)
    values = np.concatenate([-log.lengths(), minutes[long]])
    user = np.concatenate([np.arange(len(people)), log.user[long].astype(np.int64)])
    return _distinct(user, values.astype(np.uint64))


def _distinct(user: np.ndarray, code: np.ndarray) -> Facts:
    """Each fact once a user, by code and then by user."""
    order = np.lexsort((user, code))
    user, code = user[order], code[order]
    new = np.ones(len(user), dtype=bool)
    new[1:] = (user[1:] != user[:-1]) | (code[1:] != code[:-1])
    return Facts(code[new], user[new])


def _alone(facts: Facts) -> Facts:
    """Facts that hold of one person."""
    new = np.append(True, facts.code[1:] != facts.code[:-1])[: len(facts.code)]
    one = new & np.append(new[1:], True)[: len(facts.code)]
    return Facts(facts.code[one], facts.user[one])


def _isolated(mine: Facts, fake: Facts, others: Facts, targets: int) -> np.ndarray:
    """How surprising, in all, the predicates are that hold of one user of SYNTH and of one target: float64 [targets].

    A predicate is as surprising as the logarithm of one over the share of other people of whom it holds.
    """
    found = _alone(mine)
    hit = np.isin(found.code, _alone(fake).code)
    number = np.searchsorted(others.code, found.code, "right") - np.searchsorted(
        others.code, found.code
    )
    people = len(np.unique(others.user))
    surprise = np.log((people + 1.0) / (number + 1.0))
    return np.bincount(found.user, weights=hit * surprise, minlength=targets)
