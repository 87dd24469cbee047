"""Clicks as examination by position times attraction by item."""

from __future__ import annotations

import numpy as np
import polars as pl

ROUNDS = 100
PRIOR = 5.0
"""Impressions at the average that every item's attraction starts from."""


def position_model(position: pl.Series, item: pl.Series, clicked: np.ndarray) -> np.ndarray:
    """Return the chance of a click of each impression, θ(position) · γ(item), by expectation-maximisation.

    The first position is examined for sure, unknown positions are one of their own. γ is drawn towards the share of
    clicks. Richardson et al. (2007); Chuklin, Markov and de Rijke (2015).
    """
    place = position.fill_null(-1).rank("dense").cast(pl.Int64).to_numpy() - 1
    code = item.rank("dense").cast(pl.Int64).to_numpy() - 1
    mean = clicked.mean()
    theta, gamma = np.ones(place.max() + 1), np.full(code.max() + 1, mean)
    shown_at, shown = np.bincount(place), np.bincount(code)
    for _ in range(ROUNDS):
        seen, liked = theta[place], gamma[code]
        rest = np.maximum(1 - seen * liked, 1e-12)
        examined = np.where(clicked == 1, 1.0, seen * (1 - liked) / rest)
        attracted = np.where(clicked == 1, 1.0, liked * (1 - seen) / rest)
        theta = np.bincount(place, weights=examined) / shown_at
        gamma = (np.bincount(code, weights=attracted) + PRIOR * mean) / (shown + PRIOR)
        gamma, theta = np.minimum(gamma * theta.max(), 1.0), theta / theta.max()
    return np.asarray(theta[place] * gamma[code])
