"""Was a user a template of somebody? Chances of a history as a changed copy of each of many others.

A user's last events are held beside those of everybody with as many. Each event has values of several sorts, each
with a finer and a coarser form. With the chance `slip` a copy has a value by its share among all, else that of its
template; gaps are the template's, stretched. The likelihood of a user as a copy of one is divided by that of a user
drawn by shares alone, and added up over all whose copy it may be.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

LONGEST = 16
"""Events of a user that are looked at, the last ones"""
FINE = 0.7
"""Share of the finer form in a match"""
APART = 9.0
"""Nats below the best, from which a template adds nothing"""


class Traits(NamedTuple):
    """What the events of some users are like."""

    offsets: np.ndarray
    """int64 [users + 1]"""
    fine: np.ndarray
    """int64 [events, sorts]"""
    coarse: np.ndarray
    """int64 [events, sorts]; equal wherever `fine` is"""
    gap: np.ndarray
    """float64 [events]: logarithm of the microseconds since the event before; -1 for none at all, NaN where unknown"""


class Shares(NamedTuple):
    """How frequent values are, by which a match is surprising or not."""

    fine: list[tuple[np.ndarray, np.ndarray]]
    """For each sort: values, rising, and their shares"""
    coarse: list[tuple[np.ndarray, np.ndarray]]
    edges: np.ndarray
    """Of bins of positive gaps"""
    density: np.ndarray
    """Of positive gaps in each bin, over the logarithm; float64 [bins]"""
    none: float
    """Share of gaps of nothing"""


def shares(*sides: Traits) -> Shares:
    """The shares of values among the events of some people; one of each value more, so that none is 0."""
    found: list[list[tuple[np.ndarray, np.ndarray]]] = [[], []]
    for form, kept in zip(("fine", "coarse"), found, strict=True):
        whole = np.concatenate([getattr(side, form) for side in sides])
        for sort in range(whole.shape[1]):
            values, counts = np.unique(whole[:, sort], return_counts=True)
            kept.append((values, (counts + 1.0) / (counts.sum() + len(counts))))
    gap = np.concatenate([side.gap for side in sides])
    gap = gap[~np.isnan(gap)]
    positive = gap[gap >= 0]
    edges = np.arange(0.0, 40.0, 0.25)
    density = (np.histogram(positive, edges)[0] + 0.1) / (len(positive) + 0.1 * len(edges)) / 0.25
    none = (float((gap < 0).sum()) + 1.0) / (len(gap) + 2.0)
    return Shares(found[0], found[1], edges, density, none)


class _Gains(NamedTuple):
    """What each event of a user adds to the logarithm, by how far a template's agrees."""

    match: np.ndarray
    """float64 [events, sorts, 3]: neither, the coarser form, both"""
    gap: np.ndarray
    """float64 [events]: of an equal positive gap, or of none where there is none; 0 where it is unknown"""


def _gains(traits: Traits, told: Shares, slip: float, width: float) -> _Gains:
    match = np.empty((*traits.fine.shape, 3))
    for sort in range(traits.fine.shape[1]):
        fine = _share(traits.fine[:, sort], *told.fine[sort])
        coarse = _share(traits.coarse[:, sort], *told.coarse[sort])
        match[:, sort, 0] = np.log(slip)
        match[:, sort, 1] = np.log(slip + (1 - slip) * (1 - FINE) / coarse)
        match[:, sort, 2] = np.log(slip + (1 - slip) * (FINE / fine + (1 - FINE) / coarse))
    known, positive = ~np.isnan(traits.gap), traits.gap >= 0
    place = np.clip(
        np.searchsorted(told.edges, np.where(positive, traits.gap, 0), "right") - 1,
        0,
        len(told.density) - 1,
    )
    peak = (1 - slip) / (width * np.sqrt(2 * np.pi) * told.density[place] * (1 - told.none))
    gap = np.where(positive, np.log(slip + peak), np.log(slip + (1 - slip) / told.none))
    return _Gains(match, np.where(known, gap, 0.0))


def _share(values: np.ndarray, known: np.ndarray, share: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[place] == values, share[place], share.min())


def copies(
    mine: Traits, among: Traits, told: Shares, *, slip: float = 0.05, width: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """How likely each user is a changed copy of one of `among`: (mean over all, of the best) as logarithms.

    float64 [users] each, beside a user drawn by shares alone. One more template is such a draw: both are finite.
    `slip`: chance that a value is not the template's; `width`: standard deviation of the logarithm of a gap's stretch.
    """
    gains = _gains(mine, told, slip, width)
    mean, best = np.empty(len(mine.offsets) - 1), np.empty(len(mine.offsets) - 1)
    many = len(among.offsets) - 1
    length, theirs = (np.minimum(np.diff(side.offsets), LONGEST) for side in (mine, among))
    loss = float(np.log(slip))
    for size in np.unique(length):
        users, others = np.flatnonzero(length == size), np.flatnonzero(theirs == size)
        rows, rows_of_others = (
            side.offsets[whose + 1][:, None] - 1 - np.arange(size)
            for side, whose in ((mine, users), (among, others))
        )
        mean[users], best[users] = _search(
            _Block(mine.fine[rows], mine.coarse[rows], mine.gap[rows]),
            _Block(
                among.fine[rows_of_others], among.coarse[rows_of_others], among.gap[rows_of_others]
            ),
            gains.match[rows],
            gains.gap[rows],
            (loss, 1 / (2 * width * width)),
            get_num_threads() * 16,
        )
    return mean - np.log(many + 1.0), best


class _Block(NamedTuple):
    """Users of one length, the last event first."""

    fine: np.ndarray
    coarse: np.ndarray
    gap: np.ndarray


@njit(cache=True, parallel=True)
def _search(mine, among, match, gap, costs, chunks):  # type: ignore[no-untyped-def]
    """Hold each user of a block beside all of another."""
    users = mine.gap.shape[0]
    mean, best = np.empty(users), np.empty(users)
    for c in prange(chunks):
        rest = np.empty(mine.gap.shape[1] + 1)
        for u in range(users * c // chunks, users * (c + 1) // chunks):
            mean[u], best[u] = _one(u, mine, among, match, gap, costs, rest)
    return mean, best


@njit(cache=True)
def _one(u, mine, among, match, gap, costs, rest):  # type: ignore[no-untyped-def]
    """Logarithm of the sum over templates, and of the best; one is left as soon as it must stay far below the best."""
    loss, curve = costs
    size, sorts = mine.fine.shape[1], mine.fine.shape[2]
    rest[size] = 0.0
    for e in range(size - 1, -1, -1):
        most = gap[u, e]
        for s in range(sorts):
            most += match[u, e, s, 2]
        rest[e] = rest[e + 1] + most
    best, total = 0.0, 1.0
    for v in range(among.gap.shape[0]):
        sum_, e = 0.0, 0
        while e < size and sum_ + rest[e] > best - APART:
            for s in range(sorts):
                if mine.fine[u, e, s] == among.fine[v, e, s]:
                    sum_ += match[u, e, s, 2]
                elif mine.coarse[u, e, s] == among.coarse[v, e, s]:
                    sum_ += match[u, e, s, 1]
                else:
                    sum_ += loss
            sum_ += _gap(mine.gap[u, e], among.gap[v, e], gap[u, e], loss, curve)
            e += 1
        if e == size and sum_ > best - APART:
            if sum_ > best:
                total = total * np.exp(best - sum_) + 1.0
                best = sum_
            else:
                total += np.exp(sum_ - best)
    return best + np.log(total), best


@njit(cache=True)
def _gap(mine, theirs, gain, loss, curve):  # type: ignore[no-untyped-def]
    """What a gap beside the template's adds."""
    if np.isnan(mine) or np.isnan(theirs):
        return 0.0
    if mine < 0.0 or theirs < 0.0:
        return gain if mine < 0.0 and theirs < 0.0 else loss
    apart = mine - theirs
    return max(loss, gain - curve * apart * apart)
