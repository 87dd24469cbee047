"""What walks add up of a ranker: a table of neighbours over the history."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from wareloom.core.top import top_k
from wareloom.rankers import Ranker
from wareloom.rankers.content.nearest import nearest
from wareloom.rankers.factor.als import ALS
from wareloom.rankers.factor.ease import EASE
from wareloom.rankers.neighbourhood import Neighbourhood, to_table


def neighbourhood_of(ranker: Ranker, neighbours: int) -> Neighbourhood | None:
    """The table that a fitted ranker adds up; None for one that adds up none.

    Of EASE the `neighbours` highest positive weights of each item, of ALS as many items by the cosine of their vectors.
    """
    if isinstance(ranker, EASE):
        return _weights(ranker, neighbours)
    if isinstance(ranker, ALS):
        return _vectors(ranker, neighbours)
    return ranker.neighbourhood()


def _weights(ranker: EASE, neighbours: int) -> Neighbourhood:
    """The highest positive weights; items that it left out have none."""
    kept, whole = ranker.kept_, len(ranker.items_)
    best = np.sort(top_k(ranker.weights_, min(neighbours, len(kept))), axis=1)
    value = np.take_along_axis(ranker.weights_, best, axis=1)
    first = np.argsort(value <= 0, axis=1, kind="stable")
    count = (value > 0).sum(axis=1)
    parts = count, np.take_along_axis(best, first, axis=1), np.take_along_axis(value, first, axis=1)
    small = to_table(parts, len(kept)).tocoo()
    table = sparse.csr_matrix(
        (small.data, (kept[small.row], kept[small.col])), shape=(whole, whole)
    )
    return Neighbourhood(table, ranker.decay, ranker.last)


def _vectors(ranker: ALS, neighbours: int) -> Neighbourhood:
    """The items whose vectors point most alike."""
    vectors = ranker.vectors_
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return Neighbourhood(nearest(unit.astype(np.float32), neighbours), ranker.decay, 0)
