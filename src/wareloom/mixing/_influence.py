"""Which steps from item to item pull a small model towards held-back ones."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

BLOCK = 4_000
"""Items whose chances are computed at a time."""


def item_vectors(counts: sparse.csr_matrix, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return vectors of items from how often they follow one another: float64 [items, size], of length 1 or 0.

    Left singular vectors, with singular values, of the symmetric counts divided by the roots of both items' sums. What
    an item is followed by and what it follows counts alike.
    """
    both = (counts + counts.T).astype(np.float64)
    scale = 1 / np.sqrt(np.maximum(np.asarray(both.sum(axis=1)).ravel(), 1e-12))
    even = sparse.diags_array(scale) @ both @ sparse.diags_array(scale)
    left, values, _ = svds(even, k=min(size, even.shape[0] - 1), v0=rng.random(even.shape[0]))
    vectors = left * values
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: np.ndarray = np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), 0.0)
    return found


class Bilinear:
    """The model p(j | i) ∝ popularity(j) · exp(vᵢᵀ W vⱼ) with fixed item vectors v, of which W is learned.

    The sum over all j is taken over a sample of items drawn by popularity; `drawn` None takes each item once, with its
    popularity as weight, which is exact.
    """

    def __init__(
        self, vectors: np.ndarray, popular: np.ndarray, drawn: np.ndarray | None = None
    ) -> None:
        self.vectors = vectors
        """float64 [items, size]"""
        self.sample = vectors if drawn is None else vectors[drawn]
        self.prior = (
            popular / popular.sum() if drawn is None else np.full(len(drawn), 1 / len(drawn))
        )

    def expected(self, w: np.ndarray) -> np.ndarray:
        """Mean vector of what follows each item, by the model: float64 [items, size]."""
        mean = np.empty_like(self.vectors)
        right = self.sample @ w.T
        for start in range(0, len(mean), BLOCK):
            z = self.vectors[start : start + BLOCK] @ right.T
            chance = self.prior * np.exp(z - z.max(axis=1, keepdims=True))
            mean[start : start + BLOCK] = (chance @ self.sample) / chance.sum(axis=1, keepdims=True)
        return mean

    def gradient(self, pairs: sparse.csr_matrix, mean: np.ndarray) -> np.ndarray:
        """Gradient of the mean log likelihood of weighted `pairs` [items, items]: float64 [size, size]."""
        out = np.asarray(pairs.sum(axis=1)).ravel()
        gap = pairs @ self.vectors - out[:, None] * mean
        found: np.ndarray = self.vectors.T @ gap / max(out.sum(), 1e-12)
        return found

    def influence(
        self, train: sparse.csr_matrix, held: sparse.csr_matrix, steps: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (a, b), float64 [items, size] and [items]: the pair (i, j) is worth aᵢ · vⱼ - bᵢ to the `held` pairs.

        This is the inner product of the pair's gradient with that of the held-back pairs, added up over `steps` steps
        of gradient ascent on `train` (TracIn; Pruthi et al. 2020), the rate of learning left out.
        """
        w = np.zeros((self.vectors.shape[1],) * 2)
        centred = self.sample - self.prior @ self.sample
        steepest = np.linalg.eigvalsh(
            self.vectors.T @ (self.vectors * _shares(train)[:, None])
        ).max()
        rate = 1 / max(
            steepest * np.linalg.eigvalsh((centred * self.prior[:, None]).T @ centred).max(), 1e-12
        )
        a, b = np.zeros_like(self.vectors), np.zeros(len(self.vectors))
        for _ in range(steps):
            mean = self.expected(w)
            towards = self.vectors @ self.gradient(held, mean)
            a += towards
            b += (towards * mean).sum(axis=1)
            w += rate * self.gradient(train, mean)
        return a, b


def _shares(pairs: sparse.csr_matrix) -> np.ndarray:
    """Share of the weight of all pairs that begins at each item."""
    out = np.asarray(pairs.sum(axis=1)).ravel()
    found: np.ndarray = out / max(out.sum(), 1e-12)
    return found
