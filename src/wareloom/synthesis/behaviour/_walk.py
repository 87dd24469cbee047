"""Compiled sampling of item walks: alias tables, a funnel of event kinds, a random stream for every user."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import sparse

from wareloom.core.kernel import kernel

TRIES = 16
"""Draws before an item that the user has had is accepted after all."""
LOOK_BACK = 512
"""Events of a user's past among which repeats are looked for."""
AT_ONCE = 64
"""Users, at most, that one thread draws without being asked through a pool"""
BUCKETS = 16
"""Buckets of a count by its power of two."""


class AliasTables(NamedTuple):
    """Alias tables (Walker 1977; Vose 1991) of many discrete distributions, row after row."""

    indptr: np.ndarray
    """int64 [rows + 1]"""
    value: np.ndarray
    """int32 [entries], what is drawn"""
    accept: np.ndarray
    """float32 [entries]"""
    alias: np.ndarray
    """int32 [entries], place within the row"""


class Model(NamedTuple):
    """Everything a walk draws from."""

    follow: AliasTables
    """Next item by item"""
    popular: AliasTables
    """One row: items by popularity"""
    start: AliasTables
    """One row: first items"""
    backoff: np.ndarray
    """float32 [items], chance that the next item is drawn by popularity instead"""
    repeat: np.ndarray
    """float64 [BUCKETS], chance that the next item is one the user had, by the number of events before"""
    chain: np.ndarray
    """float64 [kinds, 2 · kinds], cumulative: next event on the same item by kind, then on another item by kind"""
    first: np.ndarray
    """float64 [kinds], cumulative: kind of the first event"""


class Plan(NamedTuple):
    """Which users to walk: how many events each, and from which past."""

    offsets: np.ndarray
    """int64 [users + 1], places in the output"""
    past_offsets: np.ndarray
    """int64 [users + 1], places in `past_item`"""
    past_item: np.ndarray
    """int32, what each user had before, oldest first"""
    past_event: np.ndarray
    """int8, and as which kind of event"""
    start: np.ndarray
    """int32, items to begin with, drawn evenly; empty for the fitted ones"""
    template: np.ndarray = np.zeros(0, np.int64)
    """int64 [users], the outline that each user is to fill; empty where structure is drawn one by one"""
    time: np.ndarray = np.zeros(0, np.int64)
    """int64 [events], the time of each, `NO_TIME` where unknown; empty where items are drawn without looking at it"""


class Users(NamedTuple):
    """Users of a plan that a kernel works on, and the seed of their random streams."""

    seed: np.uint64
    first: int
    """Place of the first in the plan"""
    last: int
    """Place behind the last"""


class Memory(NamedTuple):
    """Room that a kernel needs while it walks one user after the other."""

    state: np.ndarray
    """uint64 [1], of the random stream"""
    items: np.ndarray
    """int32 [longest history], the user's items so far, oldest first"""


def alias_tables(counts: sparse.csr_matrix) -> AliasTables:
    """Build the alias tables of the rows of `counts` (non-negative, need not sum to one)."""
    counts = counts.tocsr()
    indptr = counts.indptr.astype(np.int64)
    accept, alias = _alias(indptr, counts.data.astype(np.float64))
    return AliasTables(indptr, counts.indices.astype(np.int32), accept, alias)


@njit(cache=True)
def _alias(indptr: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vose's method, row by row: what is too small is filled up by what is too large, in time linear in the entries."""
    accept = np.ones(len(weight), dtype=np.float32)
    alias = np.zeros(len(weight), dtype=np.int32)
    for r in range(len(indptr) - 1):
        a, b = indptr[r], indptr[r + 1]
        n = b - a
        if n == 0:
            continue
        scaled = weight[a:b] * (n / weight[a:b].sum())
        stack = np.empty(n, dtype=np.int32)
        small, large = 0, n
        for i in range(n):
            if scaled[i] < 1.0:
                stack[small] = i
                small += 1
            else:
                large -= 1
                stack[large] = i
        while small > 0 and large < n:
            small -= 1
            s, g = stack[small], stack[large]
            accept[a + s] = scaled[s]
            alias[a + s] = g
            scaled[g] -= 1.0 - scaled[s]
            if scaled[g] < 1.0:
                stack[small] = g
                small += 1
                large += 1
    return accept, alias


@njit(inline="always")
def _next(state: np.ndarray) -> float:
    """Advance an xorshift64* stream and return a number in [0, 1)."""
    x = state[0]
    x ^= x >> np.uint64(12)
    x ^= x << np.uint64(25)
    x ^= x >> np.uint64(27)
    state[0] = x
    return ((x * np.uint64(0x2545F4914F6CDD1D)) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(inline="always")
def _begin(state: np.ndarray, seed: np.uint64, user: int) -> None:
    """Set the state to the beginning of the random stream of one user (splitmix64 of seed and user), never zero."""
    z = seed + np.uint64(user + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state[0] = (z ^ (z >> np.uint64(31))) | np.uint64(1)


@njit(inline="always")
def _stream(seed: np.uint64, user: int) -> np.ndarray:
    """Return a state of its own at the beginning of a user's stream."""
    state = np.empty(1, dtype=np.uint64)
    _begin(state, seed, user)
    return state


@njit(inline="always")
def _draw(table: AliasTables, row: int, state: np.ndarray) -> int:
    """Draw from one distribution by one random number: which column, and whether itself or its alias."""
    a = table.indptr[row]
    n = table.indptr[row + 1] - a
    u = _next(state) * n
    i = min(int(u), n - 1)
    if u - i >= table.accept[a + i]:
        i = table.alias[a + i]
    return table.value[a + i]


@njit(inline="always")
def _pick(cumulative: np.ndarray, state: np.ndarray) -> int:
    """Draw a place by cumulative chances."""
    u = _next(state) * cumulative[-1]
    for i in range(len(cumulative)):
        if u < cumulative[i]:
            return i
    return len(cumulative) - 1


@njit(inline="always")
def _bucket(n: int) -> int:
    """Bucket of a count by its power of two."""
    b = 0
    while n > 1 and b < BUCKETS - 1:
        n >>= 1
        b += 1
    return b


@kernel
def _other(model: Model, had: np.ndarray, have: int, state: np.ndarray) -> int:
    """Draw an item other than the last: one of the user's own, or a new one by what follows the last.

    What follows an item is backed off to popularity the more, the fewer times it was seen (Witten and Bell 1991). New
    means new: what the user had is drawn again, from popularity at the end, but not for ever, since some shops are
    smaller than their users' baskets.
    """
    last = had[have - 1]
    if _next(state) < model.repeat[_bucket(have)]:
        for _ in range(TRIES):
            item = had[have - 1 - int(_next(state) * min(have, LOOK_BACK))]
            if item != last:
                return item
    item = last
    for attempt in range(2 * TRIES):
        known = model.follow.indptr[last + 1] > model.follow.indptr[last]
        if attempt < TRIES and known and _next(state) >= model.backoff[last]:
            item = _draw(model.follow, last, state)
        else:
            item = _draw(model.popular, 0, state)
        seen = False
        for k in range(have - 1, max(-1, have - 1 - LOOK_BACK), -1):
            if had[k] == item:
                seen = True
                break
        if not seen:
            return item
    return item


def walk(model: Model, plan: Plan, seed: np.uint64, cores: int) -> tuple[np.ndarray, np.ndarray]:
    """Walk all users of `plan`: (items int32, kinds of event int8), the same whatever the number of cores."""
    items = np.empty(plan.offsets[-1], dtype=np.int32)
    events = np.empty(plan.offsets[-1], dtype=np.int8)
    longest = longest_history(plan)

    def part(first: int, last: int) -> None:
        memory = Memory(new_state(), np.empty(longest, np.int32))
        _walk(model, plan, Users(seed, first, last), memory, items, events)

    in_threads(part, len(plan.offsets) - 1, cores)
    return items, events


def new_state() -> np.ndarray:
    """The state of a random stream, to be set by `_begin`: uint64 [1]."""
    return np.zeros(1, dtype=np.uint64)


def longest_history(plan: Plan) -> int:
    """Events of the user of a plan who has most, those before the plan's included."""
    return int((np.diff(plan.offsets) + np.diff(plan.past_offsets)).max(initial=0))


def in_threads(work: Callable[[int, int], None], users: int, cores: int) -> None:
    """Call `work(first, last)` over ranges of users; kernels release the interpreter, so that all cores are busy."""
    if cores == 1 and users <= AT_ONCE:
        # A session that waits does not pay for threads.
        work(0, users)
        return
    bounds = np.unique(np.linspace(0, users, 4 * cores + 1).astype(int)).tolist()
    with ThreadPoolExecutor(cores) as pool:
        for _ in pool.map(work, bounds[:-1], bounds[1:]):
            pass


@kernel
def _walk(model, plan, users, memory, items, events):  # type: ignore[no-untyped-def]
    """Walk some users of a plan, and write down their items and kinds of event.

    The kind comes first, since it says whether the item is the same again: carts follow views of one item. Each user
    has a stream of its own, so that it is the same whoever else is drawn, and by however many threads.
    """
    kinds, state, had = len(model.first), memory.state, memory.items
    for u in range(users.first, users.last):
        _begin(state, users.seed, u)
        a, b = plan.offsets[u], plan.offsets[u + 1]
        pa, pb = plan.past_offsets[u], plan.past_offsets[u + 1]
        have = pb - pa
        for k in range(have):
            had[k] = plan.past_item[pa + k]
        event = int(plan.past_event[pb - 1]) if have else 0
        for place in range(a, b):
            if have == 0:
                event = _pick(model.first, state)
                if len(plan.start):
                    item = plan.start[int(_next(state) * len(plan.start))]
                else:
                    item = _draw(model.start, 0, state)
            else:
                outcome = _pick(model.chain[event], state)
                event = outcome % kinds
                item = had[have - 1] if outcome < kinds else _other(model, had, have, state)
            items[place], events[place] = item, event
            had[have] = item
            have += 1
