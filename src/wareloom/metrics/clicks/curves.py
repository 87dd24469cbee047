"""Reliability curve and confusion matrix, as plain functions."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.metrics import Predicted


def entropy(share: float) -> float:
    """Entropy in nats of an event of this probability; NaN for NaN."""
    parts = np.array([share, 1 - share])
    return float(-(parts * np.log(np.where(parts > 0, parts, 1.0))).sum())


def reliability(predicted: Predicted, bins: int = 10) -> pl.DataFrame:
    """Return a row a bin of equal mass, lowest probability first: predicted, observed, weight.

    `predicted` is the mean probability, `observed` the share of clicks. Rows of equal probability share a bin.
    """
    values, place = np.unique(predicted.clicks().value, return_inverse=True)
    mass = np.bincount(place, weights=predicted.weight, minlength=len(values))
    middle = (np.cumsum(mass) - mass / 2) / max(mass.sum(), 1e-300)
    bin_ = np.minimum((middle * bins).astype(np.int64), bins - 1)[place]
    weight = np.bincount(bin_, weights=predicted.weight, minlength=bins)
    kept = weight > 0
    means = [
        np.bincount(bin_, weights=predicted.weight * column, minlength=bins)[kept] / weight[kept]
        for column in (predicted.value, predicted.label)
    ]
    return pl.DataFrame({"predicted": means[0], "observed": means[1], "weight": weight[kept]})


def confusion(predicted: Predicted, threshold: float = 0.5) -> np.ndarray:
    """Count what happened by what was said: float64 [[true no, false yes], [false no, true yes]].

    A probability of `threshold` or more says yes.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"The threshold is {threshold}; give a probability in [0, 1].")
    said = (predicted.clicks().value >= threshold).astype(np.int64)
    cell = 2 * predicted.label.astype(np.int64) + said
    return np.bincount(cell, weights=predicted.weight, minlength=4).reshape(2, 2).astype(np.float64)
