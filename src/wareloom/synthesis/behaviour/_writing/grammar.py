"""Which kinds of event may follow which, on which items: what the log never does is never generated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from wareloom.shop import Log
from wareloom.shop.schema import EVENTS

KINDS = len(EVENTS)
SAME, EARLIER, NEW = 0, 1, 2
"""Whether an event is on the item of the event before, on another one that the user had, or on one it had not."""
ACTIONS = 3 * KINDS
"""Kinds of event on the same item, then on an earlier one, then on a new one"""


class Grammar(NamedTuple):
    """What the log has, counted."""

    follow: np.ndarray
    """float64 [kinds + 1, actions], how often an action came after a kind; row 0: as a user's first event"""
    known: np.ndarray
    """bool [2^kinds, kinds], which kinds were seen on an item on which the user had had that set of kinds"""


def fit_grammar(log: Log) -> tuple[Grammar, np.ndarray]:
    """Count the actions of a log; returns the grammar and the action of each event, int64 [events]."""
    sets = kinds_before(log)
    first = np.zeros(len(log), dtype=bool)
    first[log.offsets[:-1][log.lengths() > 0]] = True
    same = np.zeros(len(log), dtype=bool)
    same[1:] = (log.item[1:] == log.item[:-1]) & ~first[1:]
    relation = np.where(same, SAME, np.where(sets > 0, EARLIER, NEW))
    kind = log.event.astype(np.int64)
    action = relation * KINDS + kind
    before = np.where(first, 0, np.concatenate([[0], kind[:-1] + 1]))
    follow = np.zeros((KINDS + 1, ACTIONS))
    np.add.at(follow, (before, action), 1.0)
    known = np.zeros((1 << KINDS, KINDS), dtype=bool)
    known[sets, kind] = True
    return Grammar(follow, known), action


def kinds_before(log: Log) -> np.ndarray:
    """The kinds of event that the user had had on the event's item, a bit each: int64 [events]."""
    key = log.user.astype(np.int64) * len(log.items) + log.item
    sets = np.zeros(len(log), dtype=np.int64)
    _gather_sets(key, np.argsort(key, kind="stable"), log.event, sets)
    return sets


@njit(cache=True)
def _gather_sets(key, order, event, sets):  # type: ignore[no-untyped-def]
    running, last = 0, -1
    for place in order:
        if key[place] != last:
            running, last = 0, key[place]
        sets[place] = running
        running |= 1 << event[place]
