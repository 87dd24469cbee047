"""Calibrated: lists whose mix of categories is that of the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.settings import Count, Factor, Fraction, Share
from wareloom.errors import InputError
from wareloom.rankers.history import recency
from wareloom.reranking import Lists, Reranker, greedy
from wareloom.reranking.catalogue import Catalogue


@dataclass(kw_only=True, eq=False)
class Calibrated(Reranker):
    """Take next the item with which relevance × Σ scores - (1 - relevance) × KL(history ‖ list) is highest.

    KL = Σ over categories of p log(p / ((1 - smoothing) q + smoothing p)), p the recency-decayed share of a category in
    the history and q its share in the list. An item without a category takes a place but has no share; an empty
    history leaves the order. Scores are brought to [0, 1] within each list. Steck (2018).
    """

    faithful: ClassVar[Mapping[str, Any]] = {"relevance": 1.0}

    relevance: Share = 0.5
    """Weight of the scores; 1 keeps the order."""
    facet: Literal["category", "brand"] = "category"
    """Whose mix counts: category or brand."""
    level: Count = 0
    """Parts of the category's path that count, from the top; 0 takes the whole path."""
    decay: Factor = 1.0
    """Factor for each step back in the history; 1 counts all events alike."""
    smoothing: Fraction = 0.01
    """Share of the history's mix that is added to the list's, so that no category of the history has share 0."""

    def _rerank(self, lists: Lists, catalogue: Catalogue, k: int) -> np.ndarray:
        group = catalogue.brand if self.facet == "brand" else catalogue.level(self.level)
        if group is None:
            raise InputError(
                f"The reranker 'calibrated' needs the {self.facet} of the items, but the shop's items have none: fill "
                "the column, or set facet to the other of category and brand."
            )
        if lists.histories is None:
            raise InputError(
                "The reranker 'calibrated' compares lists with histories, but it was given none of those."
            )
        score, rows = lists.relevance(), np.arange(len(lists))
        own = np.where(lists.item >= 0, group[np.maximum(lists.item, 0)], -1)
        local = _local(own)
        share = _shares(lists, group, self.decay, own)
        known = own >= 0
        held, cost = np.zeros(own.shape), np.zeros(len(lists))
        # One place a category: that of its first candidate. Categories of the history without one are the same for all.
        first = known & (local == np.arange(own.shape[1]))

        def term(count: np.ndarray, size: int) -> np.ndarray:
            """p log(p / q̃) of each candidate's category, with `count` of `size` items in it."""
            mixed = (1 - self.smoothing) * count / size + self.smoothing * share
            some = share > 0
            return np.where(
                some, share * np.log(np.where(some, share, 1.0) / np.where(some, mixed, 1.0)), 0.0
            )

        def gain(place: int) -> np.ndarray:
            now = term(held, place + 1)
            cost[:] = (now * first).sum(axis=1)
            after = cost[:, None] + np.where(known, term(held + 1, place + 1) - now, 0.0)
            found: np.ndarray = self.relevance * score - (1 - self.relevance) * after
            return found

        def take(place: int, chosen: np.ndarray) -> None:
            held[known & (local == local[rows, chosen][:, None])] += 1

        return greedy(lists, k, gain, take)


def _local(own: np.ndarray) -> np.ndarray:
    """Place of the first candidate of the same category, int64 [requests, candidates]."""
    order = np.argsort(own, axis=1, kind="stable")
    ordered = np.take_along_axis(own, order, axis=1)
    new = np.ones(own.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    start = np.maximum.accumulate(np.where(new, np.arange(own.shape[1]), 0), axis=1)
    local = np.empty(own.shape, dtype=np.int64)
    np.put_along_axis(local, order, np.take_along_axis(order, start, axis=1), axis=1)
    return local


def _shares(lists: Lists, group: np.ndarray, decay: float, own: np.ndarray) -> np.ndarray:
    """Share of each candidate's category in the history, float64 [requests, candidates]."""
    assert lists.histories is not None
    offsets, item, weight = recency(lists.histories, decay, 0)
    request, of = np.repeat(np.arange(len(lists)), np.diff(offsets)), group[item].astype(np.int64)
    request, of, weight = request[of >= 0], of[of >= 0], weight[of >= 0].astype(np.float64)
    width = int(group.max(initial=0)) + 1
    keys, place = np.unique(request * width + of, return_inverse=True)
    total = np.bincount(request, weights=weight, minlength=len(lists))
    mass = np.bincount(place, weights=weight, minlength=len(keys))
    wanted = np.arange(len(lists))[:, None] * width + np.maximum(own, 0)
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    if not len(keys):
        return np.zeros(own.shape)
    found = np.where((keys[at] == wanted) & (own >= 0), mass[at], 0.0)
    share: np.ndarray = found / np.maximum(total, 1e-300)[:, None]
    return share
