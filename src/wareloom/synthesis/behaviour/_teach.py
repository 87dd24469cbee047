"""Items of walks drawn from sums of tables over the walk so far: many tables, one kernel, a stream for every user."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import sparse

from wareloom.core.kernel import kernel
from wareloom.rankers.neighbourhood import Neighbourhood, put_in_order
from wareloom.synthesis.behaviour._walk import (
    AliasTables,
    Plan,
    Users,
    _begin,
    _draw,
    _next,
    in_threads,
    longest_history,
    new_state,
)

NOTHING = 1e-4
"""Weight below which an older event is not looked at"""
SMALLEST = 1e-12
"""Unit of the sums below which they are put into new units"""
MANY = 16
"""All items are looked at where a row of all tables together names more than one in so many of them, on average"""
BLOCK = 64
"""Items that are passed over at once where none is among the best so far"""


class Knowledge(NamedTuple):
    """Several neighbourhoods behind one another, and what is drawn where they are silent."""

    start: np.ndarray
    """int64 [tables, items + 1], places in `item` and `value`"""
    item: np.ndarray
    """int32"""
    value: np.ndarray
    """float32, times the table's weight"""
    decay: np.ndarray
    """float64 [tables]"""
    last: np.ndarray
    """int64 [tables]"""
    prior: np.ndarray
    """float32 [items], added to every item that any table names"""


class Draw(NamedTuple):
    """How an item is drawn from the scores."""

    starts: AliasTables
    """One row: first items"""
    top: int
    """Best items that can be drawn"""
    power: float
    """Scores count to this power: 1 / temperature"""
    uniform: float
    """Share of walks that begin anywhere in the catalogue"""


def pack(parts: list[tuple[Neighbourhood, float]], prior: np.ndarray) -> Knowledge:
    """Lay weighted neighbourhoods out for the kernel; without any, an empty one: first items alone are drawn then."""
    if not parts:
        none = sparse.csr_matrix((len(prior), len(prior)), dtype=np.float32)
        parts = [(Neighbourhood(none, 1.0, 0), 0.0)]
    sizes = np.cumsum([0, *(len(part.table.data) for part, _ in parts)])
    return Knowledge(
        np.stack(
            [
                part.table.indptr.astype(np.int64) + at
                for (part, _), at in zip(parts, sizes, strict=False)
            ]
        ),
        np.concatenate([part.table.indices.astype(np.int32) for part, _ in parts]),
        np.concatenate([(part.table.data * weight).astype(np.float32) for part, weight in parts]),
        np.array([part.decay for part, _ in parts], dtype=np.float64),
        np.array([part.last for part, _ in parts], dtype=np.int64),
        prior.astype(np.float32),
    )


def same_before(
    offsets: np.ndarray, items: np.ndarray, past_offsets: np.ndarray, past: np.ndarray
) -> np.ndarray:
    """Place within the user's whole history (past first) of the first event on each event's item; -1 for a new item."""
    found = np.full(len(items), -1, dtype=np.int64)
    _same_before(offsets, items, past_offsets, past, found)
    return found


@njit(cache=True)
def _same_before(offsets, items, past_offsets, past, found):  # type: ignore[no-untyped-def]
    for u in range(len(offsets) - 1):
        before = past_offsets[u + 1] - past_offsets[u]
        for e in range(offsets[u], offsets[u + 1]):
            for p in range(past_offsets[u], past_offsets[u + 1]):
                if past[p] == items[e]:
                    found[e] = p - past_offsets[u]
                    break
            if found[e] < 0:
                for p in range(offsets[u], e):
                    if items[p] == items[e]:
                        found[e] = before + p - offsets[u]
                        break


class Sums(NamedTuple):
    """Sums of the tables' rows over a user's history, kept from event to event: one row a table and event is added."""

    value: np.ndarray
    """float32 [tables, items], in units of `unit`"""
    unit: np.ndarray
    """float32 [tables], what older events have decayed to since the units were set"""
    whose: np.ndarray
    """int32 [items], the latest user of whom an item has sums; -1 for none"""
    touched: np.ndarray
    """int32 [items], the items with sums, in the order in which rows named them"""
    score: np.ndarray
    """float32 [items], room for all tables together"""


class Room(NamedTuple):
    """Room to draw the items of one user after the other."""

    state: np.ndarray
    """uint64 [1], of the random stream"""
    history: np.ndarray
    """int32 [longest history], the user's items so far, oldest first"""
    latest: np.ndarray
    """int32 [items], the latest user to have each item; -1 for none"""
    best: np.ndarray
    """int32 [top], the items with the highest scores"""
    score: np.ndarray
    """float64 [top], their scores"""
    none: int
    """How many items have sums where none has: 0, or -1 where it is not kept which have, and all are looked at"""


def teach(
    knowledge: Knowledge, plan: Plan, seen: np.ndarray, draw: Draw, seed: np.uint64, cores: int
) -> np.ndarray:
    """Draw the items of all users of `plan`: int32 [events], the same whatever the number of cores.

    `seen`: what `same_before` says, so that events on one item stay on one item.
    """
    items = np.empty(plan.offsets[-1], dtype=np.int32)
    width, longest = len(knowledge.prior), longest_history(plan)
    none = -1 if len(knowledge.item) * MANY > width * width else 0

    def part(first: int, last: int) -> None:
        room = Room(
            new_state(),
            np.empty(longest, np.int32),
            np.full(width, -1, np.int32),
            np.empty(draw.top, np.int32),
            np.empty(draw.top, np.float64),
            none,
        )
        sums = _new_sums(knowledge)
        _teach(knowledge, plan, seen, draw, Users(seed, first, last), room, sums, items)

    in_threads(part, len(plan.offsets) - 1, cores)
    return items


def _new_sums(knowledge: Knowledge) -> Sums:
    width, tables = len(knowledge.prior), len(knowledge.decay)
    return Sums(
        np.zeros((tables, width), np.float32),
        np.ones(tables, np.float32),
        np.full(width, -1, np.int32),
        np.empty(width, np.int32),
        np.empty(width, np.float32),
    )


@kernel
def _teach(knowledge, plan, seen, draw, users, room, sums, items):  # type: ignore[no-untyped-def]
    """Walk some users of a plan.

    A ranker says best what to show next, and so what a likely shopper would take next: each new item is drawn among
    its best ones. To take always the first would make all shoppers alike; the power says how far from that. Sums go on
    from event to event, so that a step costs a row of each table, however long the history.
    """
    state, had = room.state, room.history
    width = len(knowledge.prior)
    for u in range(users.first, users.last):
        _begin(state, users.seed, u)
        a, b = plan.offsets[u], plan.offsets[u + 1]
        pa, pb = plan.past_offsets[u], plan.past_offsets[u + 1]
        have, summed, n = pb - pa, 0, room.none
        for k in range(have):
            had[k] = plan.past_item[pa + k]
            room.latest[had[k]] = u
        for place in range(a, b):
            if seen[place] >= 0:
                item = had[seen[place]]
            elif have == 0:
                if len(plan.start):
                    item = plan.start[int(_next(state) * len(plan.start))]
                elif _next(state) < draw.uniform:
                    item = int(_next(state) * width)
                else:
                    item = _draw(draw.starts, 0, state)
            else:
                n = _sum(knowledge, had, summed, have, u, sums, n)
                summed = have
                item = _pick_best(knowledge.prior, sums, n, room, u, draw.power)
                if item < 0:
                    item = _draw(draw.starts, 0, state)
            items[place] = had[have] = item
            room.latest[item] = u
            have += 1
        _forget(sums, n)


@kernel
def _forget(sums, n):  # type: ignore[no-untyped-def]
    """Set the sums of n items, all where n < 0, and the units back."""
    for t in range(len(sums.unit)):
        sums.unit[t] = 1.0
        for k in range(n):
            sums.value[t, sums.touched[k]] = 0.0
        for j in range(sums.value.shape[1] if n < 0 else 0):
            sums.value[t, j] = 0.0


@kernel
def _sum(knowledge, history, first, end, u, sums, n):  # type: ignore[no-untyped-def]
    """Add what the events first … end - 1 of user u name to sums of n items; return of how many items there are then.

    Where n < 0 it is not kept which items have sums: rows are long beside the catalogue, and all items are looked at.
    What has decayed below `NOTHING` is not added, what has left a table's window is taken off again.
    """
    for t in range(len(knowledge.decay)):
        decay = knowledge.decay[t]
        sums.unit[t] *= np.float32(decay ** (end - first))
        if sums.unit[t] < SMALLEST:
            for j in range(sums.value.shape[1]):
                sums.value[t, j] *= sums.unit[t]
            sums.unit[t] = 1.0
        reach = end
        if decay < 1.0:
            reach = min(reach, int(np.ceil(np.log(NOTHING) / np.log(decay))))
        if 0 < knowledge.last[t] < reach:
            reach = knowledge.last[t]
            for h in range(max(0, first - reach), min(first, end - reach)):
                n = _add(
                    knowledge, t, history[h], -(decay ** (end - 1 - h)) / sums.unit[t], u, sums, n
                )
        for h in range(max(first, end - reach), end):
            n = _add(knowledge, t, history[h], decay ** (end - 1 - h) / sums.unit[t], u, sums, n)
    return n


@kernel
def _add(knowledge, t, row, weight, u, sums, n):  # type: ignore[no-untyped-def]
    """Add a row of table t, times a weight, to the sums of n items; return of how many items there are then."""
    value, whose, touched, weight = sums.value, sums.whose, sums.touched, np.float32(weight)
    if n < 0:
        for e in range(knowledge.start[t, row], knowledge.start[t, row + 1]):
            value[t, knowledge.item[e]] += weight * knowledge.value[e]
        return n
    for e in range(knowledge.start[t, row], knowledge.start[t, row + 1]):
        j = knowledge.item[e]
        if whose[j] != u:
            whose[j] = u
            touched[n] = j
            n += 1
        value[t, j] += weight * knowledge.value[e]
    return n


@kernel
def _pick_best(prior, sums, n, room, u, power):  # type: ignore[no-untyped-def]
    """Draw one of the best items of user u's sums by its score to a power; -1 where there is none."""
    best, score, had = room.best, room.score, room.latest
    value, unit, told, width, filled = sums.value, sums.unit, sums.score, len(prior), 0
    if n >= 0:
        for k in range(n):
            j = sums.touched[k]
            s = np.float32(0.0)
            for t in range(len(unit)):
                s += value[t, j] * unit[t]
            if s > 0.0 and had[j] != u:
                filled = put_in_order(s + prior[j], j, score, best, filled)
    else:
        # Of many items all are looked at in order, which is faster than one here and one there.
        told[:] = 0.0
        for t in range(len(unit)):
            for j in range(width):
                told[j] += value[t, j] * unit[t]
        for j in range(width):
            told[j] = told[j] + prior[j] if told[j] > 0.0 else np.float32(0.0)
        for begin in range(0, width, BLOCK):
            end = min(width, begin + BLOCK)
            least = np.float32(score[filled - 1]) if filled == len(best) else np.float32(0.0)
            above = 0
            for j in range(begin, end):
                above += told[j] > least
            for j in range(begin, end if above else begin):
                if told[j] > least and had[j] != u:
                    filled = put_in_order(told[j], j, score, best, filled)
                    least = np.float32(score[filled - 1]) if filled == len(best) else least
    if filled == 0:
        return -1
    total = 0.0
    for i in range(filled):
        score[i] = score[i] ** power
        total += score[i]
    at = _next(room.state) * total
    for i in range(filled):
        at -= score[i]
        if at < 0.0:
            return best[i]
    return best[filled - 1]
