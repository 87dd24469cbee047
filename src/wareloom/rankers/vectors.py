"""Dense vectors of the items' texts, as small as a network wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from wareloom.core.family import EMBEDDERS
from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.shop.texts import item_texts


def check_embedder(name: str) -> None:
    """Raise `UnknownNameError` for an embedder that there is not; none is one."""
    if name != "none":
        EMBEDDERS.load(name)


def text_vectors(shop: Shop, embedder: str, size: int, run: Run) -> np.ndarray:
    """Embed each item's text and keep the `size` directions that tell most: float32 [items, at most size], rows of
    length 1, zeros for an item without text.
    """
    made = EMBEDDERS.make(embedder)
    texts = item_texts(shop)
    return unit_rows(reduced(made.fit(texts, run).vectors(texts, run), size, run))


def reduced(vectors: Any, size: int, run: Run) -> np.ndarray:
    """Project [rows, numbers] on what `axes` finds: float32 [rows, at most size] (latent semantic analysis)."""
    return projected(vectors, axes(vectors, size, run))


def projected(vectors: Any, axes: np.ndarray | None) -> np.ndarray:
    """Product of dense or sparse vectors and axes, the vectors alone where there are none: float32."""
    if axes is None:
        return (vectors.toarray() if sparse.issparse(vectors) else vectors).astype(np.float32)
    return np.asarray(vectors @ axes.astype(np.float32), dtype=np.float32)


def axes(vectors: Any, size: int, run: Run) -> np.ndarray | None:
    """The leading right singular vectors, as columns: float32 [numbers, at most size]; None where there are too few."""
    size = min(size, min(vectors.shape) - 1)
    if size < 1:
        return None
    if sparse.issparse(vectors):
        start = run.rng("reduce").random(min(vectors.shape))
        _, strength, right = svds(vectors.astype(np.float64), k=size, v0=start)
        right = right[np.argsort(-strength)]
        right *= np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])[:, None]
    else:
        _, right = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
        right = right.T[::-1][:size]
    return np.ascontiguousarray(right.T, dtype=np.float32)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1; rows of zeros stay."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(length, 1e-12)).astype(np.float32)
