"""Compiled choices, a user a row: stop or gap, then the action, then the item; a random stream for every user."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.shop.log import NO_TIME
from wareloom.synthesis.behaviour._walk import TRIES, _next
from wareloom.synthesis.behaviour._writing.clusters import (
    DRAWN,
    Best,
    Clusters,
    DrawRoom,
    ProbeRoom,
    draw_best,
    draw_item,
)
from wareloom.synthesis.behaviour._writing.event_net import AGES
from wareloom.synthesis.behaviour._writing.grammar import (
    ACTIONS,
    EARLIER,
    KINDS,
    NEW,
    SAME,
    Grammar,
)
from wareloom.synthesis.behaviour._writing.pace import Pace, count_class, draw_gap

IMPOSSIBLE = -1e8
"""Logits below this are of what the log never has"""


class Lines(NamedTuple):
    """Users that are being written, a row each; their events from the left."""

    stream: np.ndarray
    """uint64 [rows, 1], the state of each one's random numbers"""
    past: np.ndarray
    """int64 [rows], events that were given and are held here"""
    before: np.ndarray
    """int64 [rows], events before those"""
    have: np.ndarray
    """int64 [rows], events held here"""
    latest: np.ndarray
    """int64 [rows], time no event passes"""
    done: np.ndarray
    """bool [rows]"""
    now: np.ndarray
    """int64 [rows], time of the last event, of the next one once its gap is drawn"""
    item: np.ndarray
    """int32 [rows, room]"""
    kind: np.ndarray
    """int64 [rows, room]"""
    live: np.ndarray
    """int64 [rows, room], kinds of event had on the item so far where it is the last event on it, else -1"""
    gap: np.ndarray
    """int64 [rows, room], class of the gap before each event"""
    time: np.ndarray
    """int64 [rows, room]"""
    number: np.ndarray
    """int64 [rows], class of how many events there are"""
    last: np.ndarray
    """int64 [rows], kind of the last event, from 1; 0 where there is none"""
    ahead: np.ndarray
    """int64 [rows], class of the gap before the next event"""
    action: np.ndarray
    """int64 [rows], of the next event"""


class Limits(NamedTuple):
    """How long users are to be."""

    longest: int
    """Events at which every user stops"""
    length: int
    """Events each is to have; 0 as it comes"""
    one_session: int
    """1 where each is to have one session more"""
    goes_on: int
    """1 where the session at hand goes on"""


class Rules(NamedTuple):
    """What choices go by."""

    pace: Pace
    grammar: Grammar
    hazard: np.ndarray
    """float64 [COUNTS], NaN where no user was"""
    limits: Limits
    possible: int
    """Items that can be drawn"""
    start: np.ndarray
    """int32, items to begin with; empty for the learned ones"""
    best: Best
    window: int
    """Events among which repeats are looked for"""


class Choice(NamedTuple):
    """What the item is drawn from."""

    clusters: Clusters
    vectors: np.ndarray
    """float32 [items, size]"""
    age: np.ndarray
    """float32 [AGES]"""
    pair: np.ndarray
    """float32 [kinds, kinds]"""
    age_remind: np.ndarray
    """float32 [AGES]"""
    widest: int
    """Items of the largest cluster"""


@njit(cache=True, nogil=True)
def choose_pace(lines, rules, stop, pace):  # type: ignore[no-untyped-def]
    """Decide who stops, and the gap before the next event of the others, from logits [rows] and [rows, classes].

    Whether and when come before what, as the network was taught: each is given those before it. Where at a number of
    events nobody, or everybody, of the log stopped, no logit is asked. A gap is drawn among the classes that leave room
    before the log's end, since nothing later was ever seen.
    """
    limits = rules.limits
    length, one = limits.length, limits.one_session
    within, between = rules.pace.split
    for r in range(len(lines.done)):
        if lines.done[r]:
            continue
        state, made, count = (
            lines.stream[r],
            lines.have[r] - lines.past[r],
            lines.before[r] + lines.have[r],
        )
        lines.ahead[r] = 0
        if count == 0:
            continue
        free = length == 0 and made > 0
        if length > 0 and made >= length:
            lines.done[r] = True
            continue
        if free:
            share = rules.hazard[lines.number[r]]
            chance = 1.0 / (1.0 + np.exp(-stop[r]))
            if (
                count >= limits.longest
                or share >= 1.0
                or (not share <= 0.0 and _next(state) < chance)
            ):
                lines.done[r] = True
                continue
        low, high = 0, within + between
        if limits.goes_on == 1 and within > 0:
            high = within
        elif one == 1 and made == 0 and between > 0:
            low = within
        row = _class(pace[r], rules.pace, low, high, lines.latest[r] - lines.now[r], state)
        if row < 0:
            # Nothing of the log fits into the time that is left.
            lines.done[r] = free
            continue
        if one == 1 and made > 0 and row >= within:
            lines.done[r] = True
            continue
        lines.ahead[r] = row + 1
        if rules.pace.bounds[3] == 1:
            lines.now[r] += draw_gap(rules.pace, row, lines.now[r], lines.latest[r], state)


@njit(cache=True)
def _class(logits, pace, low, high, room, state):  # type: ignore[no-untyped-def]
    """Draw a class of gaps from low … high - 1 that leaves some gap no longer than `room`; -1 where there is none."""
    top = -np.inf
    for g in range(low, high):
        if pace.lower[g] <= room:
            top = max(top, logits[g])
    total, chosen = 0.0, -1
    for g in range(low, high):
        if pace.lower[g] <= room:
            weight = np.exp(logits[g] - top)
            total += weight
            if _next(state) * total < weight:
                chosen = g
    return chosen


@njit(cache=True, nogil=True)
def remind(lines, rules, choice, query, out):  # type: ignore[no-untyped-def]
    """Write how much each user's earlier items are called for, as `EventNet` adds it up, from queries [rows, size]."""
    for r in range(len(lines.done)):
        have, total, top = lines.have[r], 0.0, -np.inf
        for p in range(max(0, have - rules.window), have - 1):
            if lines.live[r, p] < 0:
                continue
            logit = choice.age_remind[min(AGES - 1, int(np.log2(have - p)))]
            for j in range(query.shape[1]):
                logit += choice.vectors[lines.item[r, p], j] * query[r, j]
            if logit > top:
                total, top = total * np.exp(top - logit), float(logit)
            total += np.exp(logit - top)
        out[r] = top + np.log(total) if total > 0.0 else 0.0


@njit(cache=True, nogil=True)
def choose_action(lines, rules, logits):  # type: ignore[no-untyped-def]
    """Decide kind and relation of the next event (see `_grammar`) from logits [rows, actions].

    What the log never has, a purchase without a view where there is none such, is left out before the draw: a network
    leaves everything some chance, and a shop's rules know none.
    """
    may = np.empty(ACTIONS, dtype=np.bool_)
    for r in range(len(lines.done)):
        if lines.done[r]:
            continue
        state, have = lines.stream[r], lines.have[r]
        _allowed(lines, rules, r, may)
        first = lines.before[r] + have == 0
        top = -np.inf
        for a in range(ACTIONS):
            may[a] = may[a] and logits[r, a] > IMPOSSIBLE
            if may[a]:
                top = max(top, logits[r, a])
        total, chosen = 0.0, -1
        for a in range(ACTIONS):
            if may[a]:
                weight = np.exp(logits[r, a] - top)
                total += weight
                if _next(state) * total < weight:
                    chosen = a
        if chosen < 0 and not first and rules.limits.length == 0 and have > lines.past[r]:
            lines.done[r] = True
            continue
        if chosen < 0:
            # Nothing that the log has can follow, yet something must: begin anew, as users begin.
            kind = _pick_weight(rules.grammar.follow[0, NEW * KINDS :], state)
            chosen = (NEW if _distinct(lines, r) < rules.possible else SAME) * KINDS + kind
        lines.action[r] = chosen


@njit(cache=True)
def _allowed(lines, rules, r, may):  # type: ignore[no-untyped-def]
    """Mark the actions that the items a user has had leave open."""
    have, known = lines.have[r], rules.grammar.known
    may[:] = False
    fresh = _distinct(lines, r) < rules.possible
    for kind in range(KINDS):
        may[NEW * KINDS + kind] = fresh and known[0, kind]
        if have:
            may[SAME * KINDS + kind] = known[lines.live[r, have - 1], kind]
    for p in range(max(0, have - rules.window), have - 1):
        if lines.live[r, p] >= 0:
            for kind in range(KINDS):
                if known[lines.live[r, p], kind]:
                    may[EARLIER * KINDS + kind] = True


@njit(cache=True)
def _distinct(lines, r):  # type: ignore[no-untyped-def]
    n = 0
    for p in range(lines.have[r]):
        n += lines.live[r, p] >= 0
    return n


@njit(cache=True)
def _pick_weight(weights, state):  # type: ignore[no-untyped-def]
    total, chosen = 0.0, 0
    for i in range(len(weights)):
        total += weights[i]
        if weights[i] > 0.0 and _next(state) * total < weights[i]:
            chosen = i
    return chosen


@njit(cache=True, nogil=True)
def choose_item(lines, rules, choice, guess, query, again):  # type: ignore[no-untyped-def]
    """Decide the item of the next event and write the event down, from queries [rows, size] and cluster logits.

    The softmax over all items would cost more than the network itself. So a new item is drawn from a few clusters, with
    weights that make up for those not looked at (see `draw_item`), and drawn again where the user had it.
    """
    widest = choice.widest
    share = np.empty(guess.shape[1])
    small = DrawRoom(share, np.empty((1 + DRAWN, widest), dtype=np.float32))
    many = rules.best.top_k > 0 or rules.best.top_p < 1.0
    size = len(choice.clusters.code) if many else 1
    large = ProbeRoom(np.empty(size, dtype=np.float32), np.empty(size, dtype=np.int64), share)
    for r in range(len(lines.done)):
        if lines.done[r]:
            continue
        state, have = lines.stream[r], lines.have[r]
        relation, kind = lines.action[r] // KINDS, lines.action[r] % KINDS
        if relation == SAME:
            item = lines.item[r, have - 1]
        elif relation == EARLIER:
            item = _earlier(lines, rules, choice, again[r], r)
        elif have == 0 and len(rules.start):
            item = rules.start[int(_next(state) * len(rules.start))]
        else:
            never, item = lines.item[r, :have], -1
            if many:
                item = draw_best(
                    choice.clusters, guess[r], query[r], rules.best, large, never, state
                )
            else:
                for _ in range(TRIES):
                    item = draw_item(choice.clusters, guess[r], query[r], small, state)
                    if not _among(item, never):
                        break
                    item = -1
            if item < 0:
                item = _any(choice.clusters, query[r], never, state)
        _write(lines, r, item, kind)


@njit(cache=True)
def _among(item, never):  # type: ignore[no-untyped-def]
    for code in never:  # noqa: SIM110
        if code == item:
            return True
    return False


@njit(cache=True)
def _any(clusters, query, never, state):  # type: ignore[no-untyped-def]
    """Draw an item that is none of `never` from the whole softmax: slow, where draws found only items had before."""
    total, top, item = 0.0, -np.inf, never[0] if len(never) else clusters.code[0]
    for i in range(len(clusters.code)):
        if _among(clusters.code[i], never):
            continue
        logit = clusters.bias[i]
        for j in range(len(query)):
            logit += clusters.vectors[i, j] * query[j]
        if logit > top:
            total, top = total * np.exp(top - logit), logit
        total += np.exp(logit - top)
        if _next(state) * total < np.exp(logit - top):
            item = clusters.code[i]
    return item


@njit(cache=True)
def _earlier(lines, rules, choice, query, r):  # type: ignore[no-untyped-def]
    """Draw one of the other items that the user had, among those on which the kind of event may come."""
    state, have, kind = lines.stream[r], lines.have[r], lines.action[r] % KINDS
    total, top, item = 0.0, -np.inf, lines.item[r, have - 1]
    for p in range(max(0, have - rules.window), have - 1):
        if lines.live[r, p] < 0 or not rules.grammar.known[lines.live[r, p], kind]:
            continue
        age = min(AGES - 1, int(np.log2(have - p)))
        logit = choice.age[age] + choice.pair[kind, lines.kind[r, p]]
        for j in range(len(query)):
            logit += choice.vectors[lines.item[r, p], j] * query[j]
        if logit > top:
            total, top = total * np.exp(top - logit), float(logit)
        total += np.exp(logit - top)
        if _next(state) * total < np.exp(logit - top):
            item = lines.item[r, p]
    return item


@njit(cache=True)
def _write(lines, r, item, kind):  # type: ignore[no-untyped-def]
    """Write an event down as the user's last."""
    have, had = lines.have[r], 0
    for p in range(have - 1, -1, -1):
        if lines.item[r, p] == item and lines.live[r, p] >= 0:
            had = lines.live[r, p]
            lines.live[r, p] = -1
            break
    lines.item[r, have], lines.kind[r, have], lines.time[r, have] = item, kind, lines.now[r]
    lines.gap[r, have], lines.live[r, have] = lines.ahead[r], had | (1 << kind)
    lines.have[r] = have + 1
    lines.last[r], lines.number[r] = kind + 1, count_class(lines.before[r] + have + 1)


@njit(cache=True, nogil=True)
def relive(lines):  # type: ignore[no-untyped-def]
    """Fill in `live` for the events that were given, from their kinds; times that are unknown stay so."""
    for r in range(len(lines.done)):
        given = lines.have[r]
        lines.have[r] = 0
        for p in range(given):
            now = lines.now[r]
            lines.now[r], lines.ahead[r] = lines.time[r, p], lines.gap[r, p]
            _write(lines, r, lines.item[r, p], lines.kind[r, p])
            if lines.now[r] <= NO_TIME:
                lines.now[r] = now
