"""Whose changed copy may somebody be? The likeliest templates of each user, and halves of histories."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.attacks import Case, People
from wareloom.attacks._templates import (
    LONGEST,
    Shares,
    Traits,
    block_of,
    gap_gain,
    value_gain,
    worth_of,
)
from wareloom.attacks._times import MINUTE, WEEK, times
from wareloom.shop.log import NO_TIME


class Matches(NamedTuple):
    """The likeliest templates of users, the best first."""

    place: np.ndarray
    """int64 [users, k], codes of templates; -1 where there are no more with as many events"""
    gain: np.ndarray
    """float64 [users, k], logarithm of the likelihood as its copy beside a draw by shares alone; -inf where none"""

    def weight(self) -> np.ndarray:
        """How much each template is believed in, beside a draw by shares alone: float64 [users, k], a sum below 1."""
        top = np.maximum(self.gain.max(axis=1, keepdims=True, initial=0.0), 0.0)
        likely = np.exp(self.gain - top)
        found: np.ndarray = likely / (likely.sum(axis=1, keepdims=True) + np.exp(-top))
        return found


class Guess(NamedTuple):
    """How a changed copy differs from its template."""

    slips: list[float]
    """Chance that a value of each sort is not its template's, and last that a gap is not"""
    width: float
    """Standard deviation of the logarithm of a gap's stretch"""
    slip: float = 0.05
    """Chance that the last event is at another time altogether"""
    moved: float = 2.0
    """Standard deviation of the weeks that a copy's last event is moved by"""


class Seen(NamedTuple):
    """What users' events are like, and when each was there last."""

    traits: Traits
    last: np.ndarray
    """float64 [users], weeks; NaN where unknown"""


def matches(
    mine: Seen,
    among: Seen,
    told: Shares,
    guess: Guess,
    k: int,
    hidden: np.ndarray | None = None,
) -> Matches:
    """The k templates of `among` that each user is likeliest a changed copy of, among those with as many events.

    Of more than `LONGEST` events the last are looked at. `hidden`: which values of users are not known, bool [events,
    sorts].
    """
    users = len(mine.last)
    found = Matches(np.full((users, k), -1, dtype=np.int64), np.full((users, k), -np.inf))
    length, theirs = (np.minimum(np.diff(side.traits.offsets), LONGEST) for side in (mine, among))
    peak = _date_gains(mine.last, among.last, guess)
    for size in np.unique(length[length > 0]):
        own, others = np.flatnonzero(length == size), np.flatnonzero(theirs == size)
        if not len(others):
            continue
        block, fakes = block_of(mine.traits, own, size), block_of(among.traits, others, size)
        worth = worth_of(block, told, guess.slips, guess.width)
        if hidden is not None:
            rows = mine.traits.offsets[own + 1][:, None] - 1 - np.arange(size)
            worth[0][hidden[rows]] = 0.0
        rules = (float(np.log(guess.slip)), 1 / (2 * guess.moved**2))
        dates = (mine.last[own], among.last[others], peak[own], *rules)
        place, gain = np.full((len(own), k), -1, dtype=np.int64), np.full((len(own), k), -np.inf)
        _search(block, fakes, worth, dates, (place, gain), get_num_threads() * 16)
        found.place[own] = np.where(place >= 0, others[place], -1)
        found.gain[own] = gain
    return found


def _date_gains(mine: np.ndarray, among: np.ndarray, guess: Guess) -> np.ndarray:
    """What the same date of the last event adds, beside how many are there about then: float64 [users]."""
    known = among[~np.isnan(among)]
    if not len(known):
        return np.zeros(len(mine))
    edges = np.arange(known.min() - 8, known.max() + 16, 4.0)
    share = (np.histogram(known, edges)[0] + 0.5) / (len(known) + 0.5 * len(edges)) / 4.0
    at = np.clip(np.searchsorted(edges, mine, "right") - 1, 0, len(share) - 1)
    density = (1 - guess.slip) / (guess.moved * np.sqrt(2 * np.pi) * share[at])
    return np.where(np.isnan(mine), 0.0, np.log(guess.slip + density))


@njit(cache=True, parallel=True)
def _search(mine, among, worth, dates, out, chunks):  # type: ignore[no-untyped-def]
    """Hold each user of a block beside all of another, and fill (place, gain) of its best templates."""
    # Compilers of parallel loops take arrays and numbers, and no tuples of both.
    match, gap, (loss, curve) = worth
    when, others, peak, late, far = dates
    place, gain = out
    users = mine.gap.shape[0]
    for c in prange(chunks):
        rest = np.empty(gap.shape[1] + 1)
        for u in range(users * c // chunks, users * (c + 1) // chunks):
            about, rules = (match, gap, loss, curve), (when, others, peak, late, far)
            _one(u, mine, among, about, rules, rest, (place[u], gain[u]))


@njit(cache=True)
def _one(u, mine, among, worth, dates, rest, out):  # type: ignore[no-untyped-def]
    """Fill the best templates of a user; one is left as soon as it must stay below the last of these."""
    match, gap, loss, curve = worth
    when, others, peak, late, far = dates
    place, gain = out
    size, sorts = mine.fine.shape[1], mine.fine.shape[2]
    rest[size] = 0.0
    for e in range(size - 1, -1, -1):
        most = max(gap[u, e], 0.0)
        for s in range(sorts):
            most += match[u, e, s, 2]
        rest[e] = rest[e + 1] + most
    last = len(gain) - 1
    for v in range(among.gap.shape[0]):
        sum_, e = gap_gain(when[u], others[v], peak[u], late, far), 0
        while e < size and sum_ + rest[e] > gain[last]:
            for s in range(sorts):
                sum_ += value_gain((u, v, e, s), mine, among, match)
            sum_ += gap_gain(mine.gap[u, e], among.gap[v, e], gap[u, e], loss, curve)
            e += 1
        if e < size or sum_ <= gain[last]:
            continue
        at = last
        while at > 0 and gain[at - 1] < sum_:
            gain[at], place[at] = gain[at - 1], place[at - 1]
            at -= 1
        gain[at], place[at] = sum_, v


class Half(NamedTuple):
    """One half of the histories of some users."""

    people: People
    """Those that have an event in it"""
    users: np.ndarray
    """int64, their codes among all"""


def halves(people: People) -> tuple[Half, Half]:
    """The earlier half of each user's events, the greater one where their number is odd, and the later half."""
    log = people.log
    place = np.arange(len(log)) - np.repeat(log.offsets[:-1], log.lengths())
    first = place < np.repeat(log.lengths() + 1, log.lengths()) // 2
    return _half(people, first), _half(people, ~first)


def _half(people: People, there: np.ndarray) -> Half:
    log = people.log.keep(there)
    users = np.flatnonzero(log.lengths())
    return Half(replace(people, log=log, queries=None).select(users), users)


def weeks(people: People) -> np.ndarray:
    """When each user's last event was, in weeks: float64 [users]; NaN where unknown."""
    last = people.log.time[people.log.offsets[1:] - 1]
    return np.where(last == NO_TIME, np.nan, last / float(WEEK))


def when(people: People) -> Traits:
    """Of each event: minute of the week and hour, whether a session begins, and the gap before it to the minute."""
    plain = times(people)
    gap = np.where(np.isnan(plain.gap), -2.0, plain.gap)
    exact = np.where(gap >= 0, np.round(np.exp(np.maximum(gap, 0.0)) / MINUTE), gap)
    octave = np.where(gap >= 0, np.round(gap), gap)
    fine = np.column_stack([plain.fine, exact.astype(np.int64)])
    coarse = np.column_stack([plain.coarse, octave.astype(np.int64)])
    return Traits(plain.offsets, fine, coarse, plain.gap)


def in_order(people: People, case: Case) -> People:
    """The same people, events of one time in the order of their categories: their own says nothing."""
    log = people.log
    keys = [log.item, log.time, log.user]
    if case.category is not None:
        keys[1:1] = [case.category[log.item], case.shelf[log.item]]
    rows = np.lexsort(keys)
    columns = ("item", "time", "event", "session", "weight", "real")
    sorted_ = replace(log, **{name: getattr(log, name)[rows] for name in columns})
    return replace(people, log=sorted_) if case.timed else people
