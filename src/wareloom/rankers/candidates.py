"""Weights of a sum of scores, found by climbing: few numbers, judged by the very order they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEPS = (2.0, 1.4, 1.2)
"""Factors by which a weight is tried up and down, coarse first."""
FROM_NOTHING = (0.05, 0.2, 0.5)
"""What a weight of 0 is tried at."""


@dataclass(frozen=True)
class Candidates:
    """Candidates of many requests, one request after the other, and which of them was right."""

    features: np.ndarray
    """float32 [candidates, features]"""
    offsets: np.ndarray
    """int64 [requests + 1]"""
    right: np.ndarray
    """int64 [requests], row of the right one; -1 where it is not among them"""
    item: np.ndarray
    """int32 [candidates]"""

    def gain(self, scores: np.ndarray) -> float:
        """Mean of 1 / log2(1 + rank) of the right ones, equal scores counted against them; 0 for a missing one."""
        asked = self.right >= 0
        own = np.full(len(asked), np.inf, dtype=scores.dtype)
        own[asked] = scores[self.right[asked]]
        ahead = scores >= np.repeat(own, np.diff(self.offsets))
        rank = np.add.reduceat(ahead.astype(np.int64), self.offsets[:-1])
        return float(np.where(asked, 1.0 / np.log2(1.0 + np.maximum(rank, 1)), 0.0).mean())

    def take(self, rows: np.ndarray) -> Candidates:
        """Return some of the requests: int [n], their places."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        moved = self.offsets[rows] - offsets[:-1]
        own = np.repeat(moved, sizes) + np.arange(offsets[-1])
        right = np.where(self.right[rows] >= 0, self.right[rows] - moved, -1)
        return Candidates(self.features[own], offsets, right, self.item[own])


def climb(candidates: Candidates) -> np.ndarray:
    """Return weights float64 [features], the highest 1, that rank the right candidates high.

    Begins with the best feature alone and changes one weight at a time while that helps (coordinate ascent on the
    metric itself, Metzler and Croft 2007).
    """
    x = candidates.features
    alone = [candidates.gain(x[:, i]) for i in range(x.shape[1])]
    weights = np.zeros(x.shape[1])
    weights[int(np.argmax(alone))], best = 1.0, max(alone)
    for step in STEPS:
        climbing = True
        while climbing:
            climbing = False
            for i in range(len(weights)):
                total = x @ weights.astype(np.float32)
                tried = (
                    FROM_NOTHING if weights[i] == 0 else (weights[i] * step, weights[i] / step, 0.0)
                )
                found = [
                    candidates.gain(total + np.float32(value - weights[i]) * x[:, i])
                    for value in tried
                ]
                if max(found) > best + 1e-6:
                    best, weights[i], climbing = max(found), tried[int(np.argmax(found))], True
    return weights / max(float(weights.max()), 1e-12)


def climb_often(candidates: Candidates, times: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mean of the weights that `times` random halves of the requests lead to, as `climb` does.

    One climb ends wherever few requests happen to send it; the mean of several lies nearer to what many would say
    (bagging, Breiman 1996). With `times` 1 it is one climb on all requests.
    """
    if times == 1:
        return climb(candidates)
    requests, total = len(candidates.right), np.zeros(candidates.features.shape[1])
    for _ in range(times):
        half = np.sort(rng.permutation(requests)[: max(1, requests // 2)])
        weights = climb(candidates.take(half))
        total += weights / weights.sum()
    return total / total.max()
