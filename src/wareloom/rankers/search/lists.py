"""Lists of items of several grades, and what learns the order that somebody gives them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from wareloom.core.run import Run
from wareloom.shop import Shop

GRADES = (10, 30)
"""Places of a list after which what stands there is of another grade: likely right, perhaps, hardly"""


class Lists(NamedTuple):
    """Lists of items, and what a teacher says of each item."""

    queries: Sequence[str]
    item: np.ndarray
    """int64 [queries, listed]"""
    said: np.ndarray
    """float64 [queries, listed], logits: their softmax over a list is to be learned"""


def of_grades(
    found: np.ndarray, right: np.ndarray, listed: int, rng: np.random.Generator
) -> np.ndarray:
    """Choose `listed` of the items that were found for a query, best first, of every grade as many as of another.

    `right`: items that are taken for right, one of which comes first. Returns codes int64 [up to listed]. Negatives of
    several grades teach more than the hardest alone, many of which are right (Hofstätter et al. 2021).
    """
    first = [int(right[rng.integers(len(right))])] if len(right) else []
    edges = [0, *GRADES, len(found)]
    parts = [
        rng.permutation(np.setdiff1d(found[start:stop], first)) for start, stop in pairwise(edges)
    ]
    chosen, place = first, 0
    while len(chosen) < listed and any(place < len(part) for part in parts):
        chosen += [int(part[place]) for part in parts if place < len(part)]
        place += 1
    return np.array(chosen[:listed], dtype=np.int64)


@runtime_checkable
class LearnsOrder(Protocol):
    """A ranker that can learn the order that another one gives lists of items."""

    def learn_order(self, shop: Shop, lists: Lists, updates: int, run: Run) -> None:
        """Learn it from where it stands, on the shop it was fitted on."""
