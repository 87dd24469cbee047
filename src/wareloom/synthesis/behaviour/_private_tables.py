"""Of noisy counts the best that can be said: shrunk, smoothed, made to agree. All of it is post-processing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from wareloom.synthesis.behaviour._private_items import ALIKE, RANKS, Catalogue

GRID = 150
"""Sizes that an item's true count is taken to have, from 1 to the largest; and 0"""
ROUNDS = 40
PSEUDO = 30.0
"""Items of the whole catalogue that each category's sizes are mixed with"""
FAR = 15.0
"""Standard deviations above which a count is taken as it is: there sizes lie further apart than the noise reaches"""
EXACT = 0.3
"""Standard deviation below which rounded noise is nothing"""
CLEAR = 2.0
"""Standard deviations below which a cell is taken for empty"""
LEAST_RATE = 1e-9


def cleared(counts: np.ndarray, sigma: float) -> np.ndarray:
    """Counts as shares, float64 summing to 1 along the last axis: what noise alone could make is 0.

    A row with nothing clear takes the row of all together, and where that is empty, too, all alike.
    """
    kept = np.where(counts > CLEAR * sigma, counts, 0).astype(np.float64)
    whole = kept.reshape(-1, kept.shape[-1]).sum(axis=0)
    total = whole.sum()
    spare = whole / total if total > 0 else np.full(kept.shape[-1], 1 / kept.shape[-1])
    rows = kept.sum(axis=-1, keepdims=True)
    return np.where(rows > 0, kept / np.where(rows > 0, rows, 1), spare)


def smoothed(counts: np.ndarray, sigma: float) -> np.ndarray:
    """Counts of classes that are likely all there, as shares: those below 0 are 0, none is cut off for being small."""
    kept = np.maximum(counts, 0).astype(np.float64)
    if sigma > EXACT and kept.sum() > 0:
        # What noise adds by being cut off at 0 is taken off all alike, until the sum is right.
        low, high = 0.0, float(kept.max())
        total = max(float(counts.sum()), 1.0)
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if np.maximum(counts - middle, 0).sum() > total else (low, middle)
            )
        kept = np.maximum(counts - low, 0)
    return kept / kept.sum() if kept.sum() > 0 else np.full(len(kept), 1 / len(kept))


def shrunk(noisy: np.ndarray, sigma: float, group: np.ndarray) -> np.ndarray:
    """Expected true counts given noisy ones, float64 [items].

    How many items have which count is estimated by maximum likelihood without a form (Kiefer & Wolfowitz 1956; by EM),
    for all items and from there for each `group`, int [items]; each item's mean under it is returned.
    """
    if sigma < EXACT:
        return np.maximum(noisy, 0).astype(np.float64)
    value, place = np.unique(noisy, return_inverse=True)
    top = max(4.0, float(value.max()) + sigma)
    grid = np.concatenate([[0.0], np.geomspace(0.5, top, GRID)])
    # Of whole numbers with rounded noise: the chance of the half on either side.
    apart = value[:, None] - grid
    like = np.maximum(ndtr((apart + 0.5) / sigma) - ndtr((apart - 0.5) / sigma), 1e-300)
    groups = int(group.max(initial=0)) + 1
    counts = np.zeros((groups, len(value)))
    np.add.at(counts, (group, place), 1.0)
    shares = np.full(len(grid), 1 / len(grid))
    for _ in range(ROUNDS):
        shares = _step(counts.sum(axis=0), like, shares)
    mean = np.zeros((groups, len(value)))
    for g in np.flatnonzero(counts.sum(axis=1)):
        own = shares
        for _ in range(ROUNDS // 2):
            items = counts[g].sum()
            own = (items * _step(counts[g], like, own) + PSEUDO * shares) / (items + PSEUDO)
        weight = like * own
        mean[g] = (weight @ grid) / weight.sum(axis=1)
    return np.where(noisy > FAR * sigma, noisy, mean[group, place])


def _step(counts: np.ndarray, like: np.ndarray, shares: np.ndarray) -> np.ndarray:
    weight = like * shares
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(counts @ weight / counts.sum())


def kernel_of(
    noisy: np.ndarray, sigma: float, items: Catalogue, popularity: np.ndarray
) -> np.ndarray:
    """Rate of steps to a neighbour by class of rank, brand and leaf, float64 [classes · ALIKE], largest 1.

    Rate = f(rank) · g(brand, leaf), f never rising: a product has fewer numbers than cells, so that noise averages out.
    What could have been gone to is the neighbours there are, by the popularity of either side.
    """
    shape = len(RANKS), ALIKE
    there = items.neighbour >= 0
    weight = popularity[:, None] * popularity[np.maximum(items.neighbour, 0)] * there
    open_ = np.bincount(
        items.cell.ravel().astype(np.int64), weights=weight.ravel(), minlength=shape[0] * ALIKE
    ).reshape(shape)
    counts = np.maximum(noisy.reshape(shape), 0.0)
    counts = np.where(noisy.reshape(shape) > sigma, counts, 0.0)
    alike, rank = np.ones(ALIKE), np.ones(shape[0])
    for _ in range(ROUNDS):
        could = open_ @ alike
        rank = _falling(counts.sum(axis=1) / np.maximum(could, LEAST_RATE), could)
        could = rank @ open_
        alike = np.where(could > 0, counts.sum(axis=0) / np.maximum(could, LEAST_RATE), 0.0)
        alike = np.maximum(alike / max(alike.max(), LEAST_RATE), 0.05)
    rate = np.outer(rank, alike)
    if rate.max() <= 0:
        rate = np.outer(1.0 / (1 + RANKS), np.ones(ALIKE))
    return np.asarray((rate / rate.max()).ravel())


def _falling(value: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The nearest sequence that never rises, by weighted squares; what rises is pooled (Ayer et al. 1955)."""
    blocks: list[tuple[float, float, int]] = []
    for v, w in zip(value.tolist(), np.maximum(weight, 1e-12).tolist(), strict=True):
        size = 1
        while blocks and blocks[-1][0] < v:
            before, heavy, n = blocks.pop()
            v, w, size = (v * w + before * heavy) / (w + heavy), w + heavy, size + n
        blocks.append((v, w, size))
    return np.concatenate([np.full(n, v) for v, _, n in blocks])


def category_table(noisy: np.ndarray, sigma: float, share: np.ndarray) -> np.ndarray:
    """Chances of the next category given the present one, float64 [categories, categories].

    Counts are shrunk to what independence and a share of staying would give, by how far cells differ from it beyond
    the noise, and then made to agree with `share`, the categories' shares by popularity (Sinkhorn 1967).
    """
    total = max(float(noisy.sum()), 1.0)
    diagonal = np.eye(len(share), dtype=bool)
    staying = np.clip(noisy[diagonal].sum() / total, 0.0, 1.0)
    apart = np.outer(share, share) * ~diagonal
    apart *= (1 - staying) / max(apart.sum(), LEAST_RATE)
    prior = total * np.where(diagonal, staying * share, apart)
    off = (noisy - prior) / np.maximum(prior, 1.0)
    noise = (sigma / np.maximum(prior, 1.0)) ** 2
    weight = 1 / (noise + 1.0)
    spread = max(float((weight * (off**2 - noise)).sum() / weight.sum()), 0.0)
    trust = spread / (spread + noise) if spread > 0 or sigma > 0 else np.ones_like(noise)
    joint = np.maximum(prior + trust * (noisy - prior), 1e-6 * prior) + 1e-12
    aim = np.maximum(share, 1e-9)
    for _ in range(ROUNDS):
        joint *= (aim / joint.sum(axis=1))[:, None]
        joint *= (aim / joint.sum(axis=0))[None, :]
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


HEAD, FALL, NEAR = 30.0, 0.75, 20
"""How popularity falls, and how many followers an item has, where nothing of the shop is known"""


class Forecast(NamedTuple):
    """What thresholded pairs would give."""

    users: int
    """Users that a pair needs"""
    pairs: float
    """Pairs that are expected to have as many"""
    share: float
    """Share of all steps that go along them"""

    def __str__(self) -> str:
        return (
            f"a pair needs {self.users} users; of your shop's steps about {self.share:.1%} survive "
            f"({self.pairs:,.0f} pairs)"
        )


def forecast(
    threshold: tuple[int, float],
    items: Catalogue,
    popularity: np.ndarray,
    steps: tuple[np.ndarray, float, float],
) -> Forecast:
    """Say how many pairs would pass a threshold, from what was paid for already.

    `threshold`: users that a pair needs, and the noise of their count. `steps`: rates by class, steps that go to
    neighbours, all steps. They are taken to go from items by popularity to neighbours by rate and popularity; of those
    that go beyond neighbours none is taken to survive.
    """
    (users, sigma), (rate, near, every) = threshold, steps
    weight = walk_weights(items, popularity, rate, 1.0)
    row = weight.sum(axis=1, keepdims=True)
    going = popularity[:, None] / max(popularity.sum(), LEAST_RATE)
    expected = near * going * weight / np.maximum(row, LEAST_RATE)
    apart = np.sqrt(expected + sigma**2)
    there = expected > 0
    pairs = np.where(there, ndtr((expected - users + 0.5) / apart), 0.0)
    # A step goes along a pair that has it and, besides, as many others as any pair has.
    steps_kept = np.where(there, ndtr((expected + 1.5 - users) / apart), 0.0)
    share = float((steps_kept * expected).sum() / max(every, 1.0))
    return Forecast(users, float(pairs.sum()), share)


def by_size(threshold: tuple[int, float], users: int, items: int, most: int) -> Forecast:
    """The same from what is public alone: how many users and items there are, and how many rows of a user count.

    Items are taken to be had as (rank + HEAD) ** -FALL, about as in Amazon Beauty; half of the steps to go to NEAR
    followers of each item, to the k-th as 1 / k; and a user to make half of the steps that count. Real shops lie on
    either side: it says the order of size, and costs nothing.
    """
    (needed, sigma), steps = threshold, users * most / 2
    popular = (np.arange(1, items + 1) + HEAD) ** -FALL
    follows = 1 / np.arange(1, NEAR + 1)
    going = 0.5 * np.outer(popular / popular.sum(), follows / follows.sum())
    expected = steps * going
    apart = np.sqrt(expected + sigma**2)
    pairs = ndtr((expected - needed + 0.5) / apart)
    kept = ndtr((expected + 1.5 - needed) / apart)
    return Forecast(needed, float(pairs.sum()), float((kept * going).sum()))


def walk_weights(
    items: Catalogue, popularity: np.ndarray, rate: np.ndarray, sharpness: float
) -> np.ndarray:
    """How likely each neighbour is to follow, up to a factor a row: float64 [items, neighbours]."""
    there = items.neighbour >= 0
    weight = rate[items.cell] ** sharpness * popularity[np.maximum(items.neighbour, 0)]
    return np.asarray(np.where(there, weight, 0.0))
