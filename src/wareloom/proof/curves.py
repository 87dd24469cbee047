"""What synthetic data looks like beside real data, in a few curves a person can read."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.shop import Log, Shop
from wareloom.shop.pairs import follow_counts

POINTS = 60


def curves(shops: dict[str, Shop]) -> dict[str, Any]:
    """Return, by name of shop, popularity by rank, share of users by length, and figures beside the first shop's."""
    logs = {name: Log.of(shop) for name, shop in shops.items()}
    first = next(iter(logs.values()))
    return {name: {**_shape(log), **_beside(log, first)} for name, log in logs.items()}


def _shape(log: Log) -> dict[str, Any]:
    """Share of all events on the item of each popularity rank, and share of users with at least so many events."""
    counts = np.sort(log.counts())[::-1]
    total = max(1.0, counts.sum())
    ranks = np.unique(np.geomspace(1, len(counts), POINTS).astype(int))
    lengths = log.lengths()[log.lengths() > 0]
    steps = np.unique(np.geomspace(1, max(1, lengths.max(initial=1)), POINTS).astype(int))
    return {
        "rank": ranks.tolist(),
        "share": [float(f"{counts[r - 1] / total:.6g}") for r in ranks],
        "length": steps.tolist(),
        "users": [float(f"{(lengths >= step).mean():.6g}") for step in steps],
    }


def _beside(log: Log, real: Log) -> dict[str, Any]:
    """Distances from the real log: total variation of popularity, Kolmogorov-Smirnov of lengths, known transitions."""
    p, q = log.counts() / max(1, len(log)), real.counts() / max(1, len(real))
    own, known = follow_counts(log), follow_counts(real)
    seen = own.multiply(known > 0).sum() / max(1.0, own.sum())
    return {
        "popularity_tv": float(f"{0.5 * np.abs(p - q).sum():.6g}"),
        "length_ks": float(f"{_ks(log.lengths(), real.lengths()):.6g}"),
        "transitions_known": float(f"{seen:.6g}"),
        "items": int((log.counts() > 0).sum()),
    }


def _ks(a: np.ndarray, b: np.ndarray) -> float:
    """Largest distance between two empirical distributions."""
    both = np.union1d(a, b)
    return float(
        np.abs(
            np.searchsorted(np.sort(a), both, "right") / len(a)
            - np.searchsorted(np.sort(b), both, "right") / len(b)
        ).max()
    )
