"""Users as latent vectors: what is known of those to draw, and how items are drawn from their vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from wareloom.core.kernel import kernel
from wareloom.core.run import Run
from wareloom.neural.training import seeded
from wareloom.synthesis.behaviour._candidates import Candidates
from wareloom.synthesis.behaviour._fill import outlined, proposed, put
from wareloom.synthesis.behaviour._outline import Outline
from wareloom.synthesis.behaviour._slots import Event, Latest, new_latest
from wareloom.synthesis.behaviour._walk import (
    TRIES,
    AliasTables,
    Model,
    Plan,
    Users,
    _begin,
    _draw,
    _next,
    _stream,
    in_threads,
    new_state,
)

BLOCK = 512
"""Users that are decoded at a time, at most"""
CHANCES = 8_000_000
"""Chances of items that a thread holds at a time: 32 MB"""
LIFTS = 8
"""Draws among which one is chosen by how much more a user likes it than others do"""


def gather(
    offsets: np.ndarray, item: np.ndarray, users: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The first `sizes` items of some users: their offsets int64 [users + 1], and the items."""
    places = np.concatenate([[0], np.cumsum(sizes)])
    return places, item[np.repeat(offsets[users] - places[:-1], sizes) + np.arange(places[-1])]


class UserBlock(NamedTuple):
    """Users whose latent vectors are wanted at once."""

    rows: np.ndarray
    """int64 [users], their places in the plan"""
    known: np.ndarray
    """bool [users], whether there is anything to be conditional on: a history, or an item to start with"""
    offsets: np.ndarray
    """int64 [known users + 1], places in `item`"""
    item: np.ndarray
    """int32, what the known ones had"""


class Likes(NamedTuple):
    """How much the users of a block like the items."""

    chance: np.ndarray
    """float32 [users, items], unnormalised chances under their vectors"""
    usual: np.ndarray
    """float32 [items], chances by popularity"""
    order: float
    """In chains, the share of known steps that lead where others went; in outlines, the power that lifts count to"""


class Sums(NamedTuple):
    """Room to draw from chances."""

    state: np.ndarray
    """uint64 [1], of the random stream"""
    running: np.ndarray
    """float64 [items], running sums of one user's chances"""


class Room(NamedTuple):
    """Room to fill outlines, and how long each item is sought."""

    tries: int
    """Items drawn at most until one leads on"""
    state: np.ndarray
    """uint64 [1], of the random stream"""
    latest: Latest


Latents = Callable[[UserBlock], np.ndarray]
"""Gives the vectors of a block of users: float32 [users, latent]"""


def walked(of: Any, plan: Plan, latents: Latents, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Items, int32 [events], and kinds of event of all users of `plan`, the same whatever the number of cores.

    `of`: a fitted synthesizer that builds on `markov` and has a coder's `weights_`, a `temperature` and an `order`.
    Blocks are the same whatever the cores, each is worked on by one thread, and its users have streams of their own.
    Where there are outlines to fill, `LIFTS` items that `markov` might have taken are drawn for each new event, and one
    of them is chosen by how much likelier the latent vector makes it than popularity does. Else new items are drawn
    from the vector's chances.
    """
    items = np.empty(plan.offsets[-1], dtype=np.int32)
    model: Model = of._model()
    n, seed = len(plan.offsets) - 1, np.uint64(run.seed_for(of.name, "items"))
    usual = _usual(model.popular, of.weights_)
    size = max(1, min(BLOCK, CHANCES // len(usual)))
    seen, event = of._skeleton(plan, run)
    outlines: tuple[Candidates, Outline] | None = of._fill() if len(plan.template) else None

    def work(first: int, last: int) -> None:
        for begin in range(first * size, min(n, last * size), size):
            block = Users(seed, begin, min(n, begin + size))
            known = _known_of(plan, seed, np.arange(block.first, block.last))
            chance = _chances(latents(known), of.weights_, of.temperature)
            if outlines is None:
                sums = Sums(new_state(), np.empty(chance.shape[1]))
                likes = Likes(chance, usual, of.order)
                _choose(likes, model, plan, seen, block, sums, items)
            else:
                likes = Likes(chance, usual, 1.0 - of.order)
                latest = new_latest(outlines[0])
                tries, state = of.look_ahead, new_state()
                _fit_in(likes, *outlines, plan, block, Room(tries, state, latest), items)

    with threadpool_limits(1), seeded(run.with_(threads=1), "latent"):
        in_threads(work, -(-n // size), run.cores)
    return items, event


def _known_of(plan: Plan, seed: np.uint64, rows: np.ndarray) -> UserBlock:
    """Gather what the users of a block had, or begin with."""
    sizes = np.diff(plan.past_offsets)[rows]
    new = sizes == 0
    offsets, item = gather(plan.past_offsets, plan.past_item, rows[~new], sizes[~new])
    if len(plan.start) == 0 or not new.any():
        return UserBlock(rows, ~new, offsets, item)
    first = np.array([_first(plan.start, seed, u) for u in rows[new]], dtype=np.int32)
    sizes[new] = 1
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    both = np.empty(offsets[-1], dtype=np.int32)
    at_start = np.zeros(len(both), dtype=bool)
    at_start[offsets[:-1][new]] = True
    both[at_start], both[~at_start] = first, item
    return UserBlock(rows, np.ones(len(rows), dtype=bool), offsets, both)


def _chances(z: np.ndarray, w: dict[str, np.ndarray], temperature: float) -> np.ndarray:
    """Unnormalised chances of all items, at most 1: float32 [users, items]."""
    logits: np.ndarray = np.tanh(z @ w["wide.weight"].T + w["wide.bias"]) @ w["out.weight"].T
    logits += w["out.bias"]
    logits /= np.float32(temperature)
    logits -= logits.max(axis=1, keepdims=True)
    return np.exp(logits, out=logits)


def _usual(table: AliasTables, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The items' chances where nothing is known of a user, by popularity: float32 [items], all above 0."""
    share = np.zeros(len(weights["out.bias"]))
    np.add.at(share, table.value, table.accept)
    np.add.at(share, table.value[table.alias], 1.0 - table.accept)
    return np.maximum(share / max(1.0, share.sum()), 1e-9).astype(np.float32)


@njit(cache=True)
def _first(start, seed, user):  # type: ignore[no-untyped-def]
    """The start item that the stream of a new user draws first."""
    return start[int(_next(_stream(seed, user)) * len(start))]


@kernel
def _choose(likes, model, plan, seen, users, sums, items):  # type: ignore[no-untyped-def]
    """Draw the new items of a block of users from their chances, none twice if it can be helped.

    A vector says what a user likes, not in which order: so some steps, `likes.order` of those the log knows, lead where
    others went from the last item, among what this user likes. What was had is drawn again a few times, and then taken.
    """
    chance, usual, state, running = likes.chance, likes.usual, sums.state, sums.running
    width = chance.shape[1]
    for r in range(chance.shape[0]):
        u = users.first + r
        _begin(state, users.seed, u)
        total = 0.0
        for i in range(width):
            total += chance[r, i]
            running[i] = total
        begin, past = plan.offsets[u], plan.past_offsets[u]
        have = plan.past_offsets[u + 1] - past
        for e in range(begin, plan.offsets[u + 1]):
            if seen[e] >= 0:
                at = seen[e]
                items[e] = plan.past_item[past + at] if at < have else items[begin + at - have]
                continue
            if have == 0 and e == begin and len(plan.start):
                items[e] = plan.start[int(_next(state) * len(plan.start))]
                continue
            last = -1
            if likes.order > 0.0 and have + e > begin:
                last = items[e - 1] if e > begin else plan.past_item[past + have - 1]
            for _ in range(TRIES):
                item = -1
                if last >= 0 and _next(state) < likes.order * (1.0 - model.backoff[last]):
                    item = _led(model.follow, last, chance[r], usual, state)
                if item < 0:
                    item = min(
                        width - 1, np.searchsorted(running, _next(state) * total, side="right")
                    )
                known = False
                for p in range(past, past + have):
                    known = known or plan.past_item[p] == item
                for p in range(begin, e):
                    known = known or items[p] == item
                if not known:
                    break
            items[e] = item


@njit(inline="always")
def _led(
    follow: AliasTables, last: int, chance: np.ndarray, usual: np.ndarray, state: np.ndarray
) -> int:
    """Draw what follows `last`, times how much likelier it is for this user than for others; -1 where nothing does.

    The product is sampled by importance: some draws of what follows, one of them chosen by its lift.
    """
    if follow.indptr[last + 1] == follow.indptr[last]:
        return -1
    total, item = 0.0, -1
    for _ in range(LIFTS):
        other = _draw(follow, last, state)
        lift = chance[other] / usual[other] + 1e-30
        total += lift
        if _next(state) * total < lift:
            item = other
    return item


@kernel
def _fit_in(likes, candidates, outline, plan, users, room, items):  # type: ignore[no-untyped-def]
    """Fill the outlines of a block of users with items that fit both outline and user.

    What the outline admits cannot be added up, item by item, for each slot. So some candidates are drawn as `markov`
    draws them, and one of these is chosen by how much likelier the vector makes it than popularity does: importance
    sampling of the product of both.
    """
    chance, usual, state, latest = likes.chance, likes.usual, room.state, room.latest
    for r in range(chance.shape[0]):
        u = users.first + r
        _begin(state, users.seed, u)
        first = plan.offsets[u]
        for e in range(first, plan.offsets[u + 1]):
            event = Event(u, first, e)
            item, wanted = outlined(candidates, outline, plan, items, event, state)
            total = 0.0
            for _ in range(LIFTS if item < 0 else 0):
                other = proposed(candidates, latest, items, event, wanted, room.tries, state)
                lift = (chance[r, other] / usual[other] + 1e-30) ** likes.order
                total += lift
                if item < 0 or _next(state) * total < lift:
                    item = other
            put(candidates, latest, items, event, item)
