"""A linear map after which vectors of one class, or of one thing, lie near one another, learned in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

SIZE = 256
"""Directions of the vectors that are kept, at most"""
SHRINK = 0.1
"""Share of the mean variance that is added to every direction's, so that what hardly varies is not blown up"""


@dataclass(frozen=True)
class MetricHead:
    """Maps vectors to others whose cosine is the likeness."""

    mean: np.ndarray
    """float32 [numbers]"""
    axes: np.ndarray
    """float32 [numbers, kept], less the spread within classes, or within copies of one thing"""
    between: np.ndarray
    """float32 [kept, classes − 1 at most], the directions in which the classes lie"""
    pull: float

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Map [rows, numbers] to float32 rows of length 1: what they are, and `pull` times where classes lie."""
        whole = (np.asarray(vectors, dtype=np.float32) - self.mean) @ self.axes
        parts = [_unit(whole), self.pull * _unit(whole @ self.between)]
        return _unit(np.concatenate(parts, axis=1))


def fit_metric_head(
    vectors: np.ndarray,
    classes: np.ndarray,
    pull: float = 1.0,
    size: int = SIZE,
    copies: tuple[np.ndarray, np.ndarray] | None = None,
) -> MetricHead:
    """Learn from vectors, float [rows, numbers], and classes, int64 [rows], -1 where unknown.

    The leading directions are divided by the spread within classes (shrunk), as in linear discriminant analysis (Fisher
    1936; Rao 1948); the directions between the means of classes then count once more, `pull` times, so that
    photos of a class come nearer while those that are one photo stay nearest. Without classes nothing is pulled.

    `copies`: vectors of altered copies, float [copies, numbers], and whose copy each is, int64 [copies], a row of
    `vectors`. The directions are then divided by how far copies lie from what they are copies of, so that what an
    alteration moves counts little and what tells one thing from another of its class stays (Radenović et al. 2018).
    """
    x = np.asarray(vectors, dtype=np.float32)
    mean, scale = x.mean(axis=0), 1 / (x.std(axis=0) + np.float32(1e-3))
    x = (x - mean) * scale
    kept = max(1, min(size, x.shape[1], len(x) - 1))
    leading = _leading(x, kept)
    low = x @ leading.astype(np.float32)
    known = [code for code in np.unique(classes) if code >= 0]
    by_class = _within(low, classes, known)
    if copies is None:
        within = by_class
    else:
        moved = ((np.asarray(copies[0], dtype=np.float32) - mean) * scale - x[copies[1]]) @ leading
        within = moved.T @ moved / max(1, len(moved))
    axes = leading @ _whitening(within)
    between = np.zeros((kept, 0))
    if len(known) > 1:
        whole = x @ axes.astype(np.float32)
        # Classes are told best once the spread within them is divided out, whatever the axes were divided by.
        told = np.eye(kept) if copies is None else _whitening(_within(whole, classes, known))
        whole = whole @ told.astype(np.float32)
        means = np.stack([whole[classes == code].mean(axis=0) for code in known]).astype(np.float64)
        _, strength, ways = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)
        between = told @ ways[strength > 1e-6 * strength[0]][: len(known) - 1].T
    return MetricHead(
        mean,
        (scale[:, None] * axes).astype(np.float32),
        between.astype(np.float32),
        float(pull) if len(known) > 1 else 0.0,
    )


def _leading(x: np.ndarray, kept: int) -> np.ndarray:
    """The leading directions of rows, float64 [numbers, kept], by the smaller of the two matrices of products."""
    rows, numbers = x.shape
    products = (x.T @ x if numbers <= rows else x @ x.T).astype(np.float64)
    value, leading = eigh(products, subset_by_index=[len(products) - kept, len(products) - 1])
    if numbers > rows:
        leading = x.T.astype(np.float64) @ leading / np.sqrt(np.maximum(value, 1e-9))
    leading *= np.sign(leading[np.abs(leading).argmax(axis=0), np.arange(kept)])
    return np.asarray(leading)


def _within(low: np.ndarray, classes: np.ndarray, known: list[int]) -> np.ndarray:
    """The spread within classes: float64 [kept, kept]; no class, no spread that is known."""
    kept = low.shape[1]
    within, rows = np.zeros((kept, kept)), 0
    for code in known:
        own = low[classes == code].astype(np.float64)
        own = own - own.mean(axis=0)
        within, rows = within + own.T @ own, rows + len(own)
    return within / max(rows, 1) if rows else np.eye(kept)


def _whitening(within: np.ndarray) -> np.ndarray:
    """What divides a spread out, shrunk: float64 [kept, kept]."""
    kept = len(within)
    within = within + SHRINK * np.trace(within) / kept * np.eye(kept) + 1e-9 * np.eye(kept)
    value, turned = np.linalg.eigh(within)
    return np.asarray(turned / np.sqrt(value))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9), dtype=np.float32)
