"""Rankers that score by inner products: the items' vectors, and where in their space a request stands."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Space(NamedTuple):
    """Vectors whose inner products with a request's, plus `bias`, are the scores."""

    items: np.ndarray
    """float32 [items, size]"""
    bias: np.ndarray | None = None
    """float32 [items], what is added; None for nothing"""


class Places(NamedTuple):
    """Where requests stand in a space."""

    vectors: np.ndarray
    """float32 [requests, size]"""
    known: np.ndarray
    """bool [requests], false where there is no event to go by: popularity answers then"""
