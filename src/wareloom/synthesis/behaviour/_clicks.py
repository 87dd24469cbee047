"""Clicks as examination by position times attraction by item."""

from __future__ import annotations

import numpy as np
import polars as pl

ROUNDS = 50
PRIOR = 5.0
"""Clicks at the average that every item's attraction starts from."""


def position_model(position: pl.Series, item: pl.Series, clicked: np.ndarray) -> np.ndarray:
    """Return the chance of a click of each impression, θ(position) · γ(item), at most 1.

    θ and γ are fitted in turns so that each position and each item has as many clicks expected as it had: the
    equations of Poisson's likelihood, consistent whatever the distribution (Gourieroux, Monfort and Trognon 1984), and
    quick where clicks are rare, when expectation-maximisation hardly moves. Unknown positions are one of their own; γ
    is drawn towards the share of clicks. The model is Richardson, Dominowska and Ragno's (2007).
    """
    place = _places(position)
    theta, gamma = _fitted(place, item, clicked)
    chance = theta[place] * gamma[item.rank("dense").cast(pl.Int64).to_numpy() - 1]
    return np.minimum(chance * clicked.sum() / max(chance.sum(), 1e-12), 1.0)


def examination(position: pl.Series, item: pl.Series, clicked: np.ndarray) -> np.ndarray:
    """Return how likely each position is looked at, beside the one that is looked at most: float64 [positions].

    Positions in ascending order; the θ of `position_model`.
    """
    return _fitted(_places(position), item, clicked)[0]


def _places(position: pl.Series) -> np.ndarray:
    return position.fill_null(-1).rank("dense").cast(pl.Int64).to_numpy() - 1


def _fitted(
    place: np.ndarray, item: pl.Series, clicked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """θ [positions] and γ [items, in ascending order of their ids]."""
    code = item.rank("dense").cast(pl.Int64).to_numpy() - 1
    mean = clicked.mean()
    theta, gamma = np.ones(place.max() + 1), np.full(code.max() + 1, mean)
    at, of = np.bincount(place, weights=clicked), np.bincount(code, weights=clicked)
    for _ in range(ROUNDS):
        theta = at / np.maximum(np.bincount(place, weights=gamma[code]), 1e-12)
        theta /= max(theta.max(), 1e-12)
        gamma = (of + PRIOR) / (
            np.bincount(code, weights=theta[place]) + PRIOR / max(mean * theta.mean(), 1e-12)
        )
    return theta, gamma
