"""Items of walks drawn from sums of tables over the walk so far: many tables, one kernel, a stream for every user."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.kernel import kernel
from wareloom.rankers._neighbours import Neighbourhood, put_in_order
from wareloom.synthesis.behaviour._walk import Plan, _begin, _draw, _next, in_threads, longest_history, new_state


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

    top: int
    """Best items that can be drawn"""
    power: float
    """Scores count to this power: 1 / temperature"""
    uniform: float
    """Share of walks that begin anywhere in the catalogue"""


def pack(parts: list[tuple[Neighbourhood, float]], prior: np.ndarray) -> Knowledge:
    """Lay weighted neighbourhoods out for the kernel."""
    sizes = np.cumsum([0, *(len(part.table.data) for part, _ in parts)])
    return Knowledge(
        np.stack([part.table.indptr.astype(np.int64) + at for (part, _), at in zip(parts, sizes, strict=False)]),
        np.concatenate([part.table.indices.astype(np.int32) for part, _ in parts]),
        np.concatenate([(part.table.data * weight).astype(np.float32) for part, weight in parts]),
        np.array([part.decay for part, _ in parts], dtype=np.float64),
        np.array([part.last for part, _ in parts], dtype=np.int64),
        prior.astype(np.float32),
    )


def same_before(offsets: np.ndarray, items: np.ndarray, past_offsets: np.ndarray, past: np.ndarray) -> np.ndarray:
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


def teach(
    knowledge: Knowledge, plan: Plan, seen: np.ndarray, starts: tuple[object, Draw], seed: np.uint64, cores: int
) -> np.ndarray:
    """Draw the items of all users of `plan`: int32 [events], the same whatever the number of cores.

    `seen`: what `same_before` says, so that events on one item stay on one item; `starts`: the alias table of first
    items and how to draw.
    """
    items = np.empty(plan.offsets[-1], dtype=np.int32)
    width, longest = len(knowledge.prior), longest_history(plan)

    def part(first: int, last: int) -> None:
        sums = np.zeros(width, np.float32), np.empty(width, np.int32)
        best = np.empty(starts[1].top, np.int32), np.empty(starts[1].top, np.float64)
        buffers = new_state(), np.empty(longest, np.int32), sums, best
        _teach(knowledge, plan, (seen, *starts), (seed, first, last), buffers, items)

    in_threads(part, len(plan.offsets) - 1, cores)
    return items


@kernel
def _teach(knowledge, plan, how, part, buffers, items):  # type: ignore[no-untyped-def]
    """Walk the users first … last - 1 of `part` = (seed, first, last).

    `buffers`: (state, memory, (sums, items touched), (best items, their scores)), all sums 0.
    """
    (seen, starts, draw), (seed, first, last), (state, memory, (sums, touched), (best, score)) = how, part, buffers
    width = len(knowledge.prior)
    for u in range(first, last):
        _begin(state, seed, u)
        a, b = plan.offsets[u], plan.offsets[u + 1]
        pa, pb = plan.past_offsets[u], plan.past_offsets[u + 1]
        have = pb - pa
        for k in range(have):
            memory[k] = plan.past_item[pa + k]
        for place in range(a, b):
            if seen[place] >= 0:
                item = memory[seen[place]]
            elif have == 0:
                if len(plan.start):
                    item = plan.start[int(_next(state) * len(plan.start))]
                elif _next(state) < draw.uniform:
                    item = int(_next(state) * width)
                else:
                    item = _draw(starts, 0, state)
            else:
                n = _sum(knowledge, memory, have, sums, touched)
                item = _pick_best(knowledge.prior, sums, touched[:n], (best, score), draw.power, state)
                if item < 0:
                    item = _draw(starts, 0, state)
            items[place] = memory[have] = item
            have += 1


@kernel
def _sum(knowledge, memory, have, sums, touched):  # type: ignore[no-untyped-def]
    """Add the rows of all tables up over the history; returns how many items were touched, those had left out."""
    n = 0
    for t in range(len(knowledge.decay)):
        weight = 1.0
        reach = min(have, knowledge.last[t]) if knowledge.last[t] > 0 else have
        for h in range(have - 1, have - 1 - reach, -1):
            row = memory[h]
            for e in range(knowledge.start[t, row], knowledge.start[t, row + 1]):
                j = knowledge.item[e]
                if sums[j] == 0.0:
                    touched[n] = j
                    n += 1
                sums[j] += np.float32(weight) * knowledge.value[e]
            weight *= knowledge.decay[t]
            if weight < 1e-4:
                break
    for h in range(have):
        if sums[memory[h]] > 0.0:
            sums[memory[h]] = -1.0
    return n


@kernel
def _pick_best(prior, sums, touched, buffers, power, state):  # type: ignore[no-untyped-def]
    """Draw one of the best of `touched` by its score to a power, and zero the sums; -1 where there is none."""
    best, score = buffers
    filled = 0
    for j in touched:
        s = sums[j] + prior[j] if sums[j] > 0.0 else -1.0
        sums[j] = 0.0
        if s > 0.0:
            filled = put_in_order(s, j, score, best, filled)
    if filled == 0:
        return -1
    total = 0.0
    for i in range(filled):
        score[i] = score[i] ** power
        total += score[i]
    u = _next(state) * total
    for i in range(filled):
        u -= score[i]
        if u < 0.0:
            return best[i]
    return best[filled - 1]
