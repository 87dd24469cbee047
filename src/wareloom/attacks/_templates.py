"""Was a user a template of somebody? Chances of a history as a changed copy of each of many others.

A user's last events are held beside those of everybody with as many. Each event has values of several sorts, each
with a finer and a coarser form. With the chance `slip` a copy has a value by its share among all, else that of its
template; gaps are the template's, stretched. The likelihood of a user as a copy of one is divided by that of a user
drawn by shares alone, and added up over all whose copy it may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.core.kernel import kernel

LONGEST = 16
"""Events of a user that are looked at, the last ones"""
FINE = 0.7
"""Share of the finer form in a match"""
APART = 6.0
"""Nats below the best, from which a template adds nothing"""
BEGUN, HOPELESS = 2, -8.0
"""Events after which a template is left, too, where it is so many nats less likely than a draw by shares alone"""
MANY = 5_000
"""Users of one length, from which on only those are templates that agree in the last event, or in the one before"""
FEW = 4.0
"""Kinds of last events, as many as equally frequent ones tell apart, below which that would save nothing"""


class Traits(NamedTuple):
    """What the events of some users are like."""

    offsets: np.ndarray
    """int64 [users + 1]"""
    fine: np.ndarray
    """int32 or int64 [events, sorts]"""
    coarse: np.ndarray
    """likewise [events, sorts]; equal wherever `fine` is"""
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


def copies(
    mine: Traits, among: Traits, told: Shares, slips: Sequence[float], width: float
) -> tuple[np.ndarray, np.ndarray]:
    """How likely each user is a changed copy of one of `among`: (mean over all, of the best) as logarithms.

    float64 [users] each, beside a user drawn by shares alone. One more template is such a draw: both are finite.
    `slips`: chance that a value of each sort, and last a gap, is not the template's; `width`: standard deviation of the
    logarithm of a gap's stretch.
    """
    mean, best = np.empty(len(mine.offsets) - 1), np.empty(len(mine.offsets) - 1)
    many = len(among.offsets) - 1
    length, theirs = (np.minimum(np.diff(side.offsets), LONGEST) for side in (mine, among))
    for size in np.unique(length):
        users, others = np.flatnonzero(length == size), np.flatnonzero(theirs == size)
        block, fakes = block_of(mine, users, size), block_of(among, others, size)
        worth = worth_of(block, told, slips, width)
        # By what templates are sought hangs on the targets alone, so that all sides are searched alike.
        sort = _key_sort(block, slips) if len(users) > MANY else -1
        keys = _keys(block, fakes, sort)
        mean[users], best[users] = _search(block, fakes, keys, *worth, get_num_threads() * 16)
    return mean - np.log(many + 1.0), best


class Block(NamedTuple):
    """Users of one length, the last event first."""

    fine: np.ndarray
    """int32 or int64 [users, events, sorts]"""
    coarse: np.ndarray
    gap: np.ndarray
    """float64 [users, events]"""


def block_of(traits: Traits, users: np.ndarray, size: int) -> Block:
    """The last `size` events of some users."""
    rows = traits.offsets[users + 1][:, None] - 1 - np.arange(size)
    return Block(traits.fine[rows], traits.coarse[rows], traits.gap[rows])


class _Keys(NamedTuple):
    """By what the templates of users are sought: first by the last event, then by the one before."""

    mine: np.ndarray
    """int64 [2, users]"""
    among: np.ndarray
    """int64 [2, templates]"""
    order: np.ndarray
    """int64 [2, templates], by either key"""
    start: np.ndarray
    """int64 [2, keys + 2], where those of each key begin in `order`; nowhere where there is no second key"""


def _key_sort(block: Block, slips: Sequence[float]) -> int:
    """The sort whose coarser form tells most last events apart; -1 where none tells `FEW` apart.

    One that a copy often has otherwise is none.
    """
    different = [0.0]
    for sort in range(block.coarse.shape[2]):
        share = np.unique(block.coarse[:, 0, sort], return_counts=True)[1] / len(block.coarse)
        likely = slips[sort] <= min(slips)
        different.append(float(np.exp(-(share * np.log(share)).sum())) if likely else 0.0)
    return int(np.argmax(different)) - 1 if max(different) >= FEW else -1


def _keys(mine: Block, among: Block, sort: int) -> _Keys:
    """Keys by one sort, or one key for all where it is -1."""
    places = min(2, mine.coarse.shape[1]) if sort >= 0 else 0
    whole = [side.coarse[:, :places, sort] for side in (mine, among)]
    values = np.unique(np.concatenate([each.ravel() for each in whole]))
    keys = [np.zeros((2, len(each)), dtype=np.int64) for each in whole]
    for side, each in zip(keys, whole, strict=True):
        side[:places] = np.searchsorted(values, each.T)
    bounds = np.arange(len(values) + 2)
    start = np.stack([np.searchsorted(np.sort(key), bounds) for key in keys[1]])
    if places < 2:
        start[1] = 0
    return _Keys(keys[0], keys[1], np.argsort(keys[1], axis=1, kind="stable"), start)


def worth_of(
    block: Block, told: Shares, slips: Sequence[float], width: float
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """What equal values and gaps add, and (what another gap adds, by what a gap's distance costs): see `copies`."""
    sorts = [_gains(block, told, s, slip) for s, slip in enumerate(slips[:-1])]
    costs = (float(np.log(slips[-1])), 1 / (2 * width * width))
    return np.stack(sorts, axis=2), _gap_gains(block.gap, told, slips[-1], width), costs


def _gains(block: Block, told: Shares, sort: int, slip: float) -> np.ndarray:
    """What each event adds to the logarithm: float32 [users, events, 3], for neither form equal, the coarser, both."""
    fine = _share(block.fine[:, :, sort], *told.fine[sort])
    coarse = _share(block.coarse[:, :, sort], *told.coarse[sort])
    both = slip + (1 - slip) * (FINE / fine + (1 - FINE) / coarse)
    neither = np.full(fine.shape, slip)
    some = np.minimum(slip + (1 - slip) * (1 - FINE) / coarse, both)
    return np.log(np.stack([neither, some, both], axis=2)).astype(np.float32)


def _gap_gains(gap: np.ndarray, told: Shares, slip: float, width: float) -> np.ndarray:
    """What an equal positive gap adds, or no gap where there is none: float64 [users, events], 0 where unknown."""
    positive = gap >= 0
    place = np.searchsorted(told.edges, np.where(positive, gap, 0.0), "right") - 1
    density = told.density[np.clip(place, 0, len(told.density) - 1)] * (1 - told.none)
    peak = np.log(slip + (1 - slip) / (width * np.sqrt(2 * np.pi) * density))
    found = np.where(positive, peak, np.log(slip + (1 - slip) / told.none))
    return np.where(np.isnan(gap), 0.0, found)


def _share(values: np.ndarray, known: np.ndarray, share: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[place] == values, share[place], share.min())


def weighed(sides: list[Traits], slips: Sequence[float], width: float) -> list[np.ndarray]:
    """Likelihood of targets as copies of SYNTH's users over that as copies of others': of all, and of the best."""
    mine, fake, others = sides
    told = shares(mine, others)
    by_fake, by_others = (copies(mine, side, told, slips, width) for side in (fake, others))
    return [a - b for a, b in zip(by_fake, by_others, strict=True)]


@njit(cache=True, parallel=True)
def _search(mine, among, keys, match, gap, costs, chunks):  # type: ignore[no-untyped-def]
    """Hold each user of a block beside those of another that it may be a copy of."""
    users = mine.gap.shape[0]
    mean, best = np.empty(users), np.empty(users)
    for c in prange(chunks):
        rest = np.empty(mine.gap.shape[1] + 1)
        for u in range(users * c // chunks, users * (c + 1) // chunks):
            mean[u], best[u] = _one(u, mine, among, keys, match, gap, costs, rest)
    return mean, best


@kernel
def _one(u, mine, among, keys, match, gap, costs, rest):  # type: ignore[no-untyped-def]
    """Logarithm of the sum over templates, and of the best; one is left as soon as it must stay far below the best.

    Templates are those of the user's first key, and those of its second that have another first one.
    """
    size = mine.gap.shape[1]
    rest[size] = 0.0
    for e in range(size - 1, -1, -1):
        most = gap[u, e]
        for s in range(match.shape[2]):
            most += match[u, e, s, 2]
        rest[e] = rest[e + 1] + most
    best, total = 0.0, 1.0
    for k in range(2):
        key = keys.mine[k, u]
        for x in range(keys.start[k, key], keys.start[k, key + 1]):
            v = keys.order[k, x]
            if k == 1 and keys.among[0, v] == keys.mine[0, u]:
                continue
            sum_ = _held((u, v), mine, among, match, gap, costs, rest, best - APART)
            if sum_ > best:
                total = total * np.exp(best - sum_) + 1.0
                best = sum_
            elif sum_ > best - APART:
                total += np.exp(sum_ - best)
    return best + np.log(total), best


@kernel
def _held(pair, mine, among, match, gap, costs, rest, least):  # type: ignore[no-untyped-def]
    """A user's logarithm as a copy of one template; less than `least` as soon as it must be."""
    (u, v), sum_ = pair, 0.0
    for e in range(mine.gap.shape[1]):
        if sum_ + rest[e] <= least or (e >= BEGUN and sum_ < HOPELESS):
            return least - 1.0
        for s in range(match.shape[2]):
            sum_ += value_gain((u, v, e, s), mine, among, match)
        sum_ += gap_gain(mine.gap[u, e], among.gap[v, e], gap[u, e], costs[0], costs[1])
    return sum_


@kernel
def value_gain(at, mine, among, match):  # type: ignore[no-untyped-def]
    """What a value beside the template's adds; `at`: user, template, event, sort of value."""
    u, v, e, s = at
    if mine.fine[u, e, s] == among.fine[v, e, s]:
        return match[u, e, s, 2]
    if mine.coarse[u, e, s] == among.coarse[v, e, s]:
        return match[u, e, s, 1]
    return match[u, e, s, 0]


@kernel
def gap_gain(mine, theirs, gain, loss, curve):  # type: ignore[no-untyped-def]
    """What a gap beside the template's adds."""
    if np.isnan(mine) or np.isnan(theirs):
        return 0.0
    if mine < 0.0 or theirs < 0.0:
        return gain if mine < 0.0 and theirs < 0.0 else loss
    apart = mine - theirs
    return max(loss, gain - curve * apart * apart)
