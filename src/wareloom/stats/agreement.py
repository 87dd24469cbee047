"""How far two graders agree: kappa, rank correlation, accuracy, calibration, with a bootstrap over queries."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

GRADES = 4
REPLICATES = 400
BINS = 10
MEASURES = ("kappa", "tau", "accuracy", "within_half", "calibration_error")


def whole(grade: np.ndarray) -> np.ndarray:
    """Round to whole grades, halves up: int64."""
    return np.clip(np.floor(grade + 0.5), 0, GRADES - 1).astype(np.int64)


def kappa(table: np.ndarray) -> np.ndarray:
    """Cohen's kappa with quadratic weights of tables of counts [..., grades, grades]; 0 where all is one grade."""
    size = table.shape[-1]
    apart = (np.arange(size)[:, None] - np.arange(size)[None, :]) ** 2
    total = np.maximum(table.sum(axis=(-2, -1)), 1e-9)
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    chance = (rows[..., :, None] * columns[..., None, :] * apart).sum(axis=(-2, -1)) / total
    seen = (table * apart).sum(axis=(-2, -1))
    found: np.ndarray = np.where(chance > 1e-9, 1 - seen / np.maximum(chance, 1e-9), 0.0)
    return found


def agreement(
    grade: np.ndarray,
    sure: np.ndarray,
    human: np.ndarray,
    query: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The measures [measures], and their bootstrap over queries [replicates, measures].

    `grade`, `human`: float [pairs], from 0 to 3; `sure`: confidence of each grade, from 0 to 1; `query`: int [pairs].
    """
    near = np.abs(grade - human) <= 0.5 + 1e-9
    pair = whole(grade) * GRADES + whole(human)
    hit, bins = whole(grade) == whole(human), np.minimum((sure * BINS).astype(int), BINS - 1)

    def of(weight: np.ndarray) -> np.ndarray:
        total = max(weight.sum(), 1e-9)
        table = np.bincount(pair, weights=weight, minlength=GRADES**2).reshape(GRADES, GRADES)
        gaps = np.bincount(bins, weights=weight * (sure - near), minlength=BINS)
        return np.array(
            [
                kappa(table),
                0.0,
                weight @ hit / total,
                weight @ near / total,
                np.abs(gaps).sum() / total,
            ]
        )

    values = of(np.ones(len(grade)))
    values[1] = stats.kendalltau(grade, human).statistic if np.ptp(grade) and np.ptp(human) else 0.0
    draws = np.empty((REPLICATES, len(MEASURES)))
    queries = query.max() + 1
    for row in range(REPLICATES):
        weight = rng.poisson(1.0, queries)[query].astype(float)
        draws[row] = of(weight)
    draws[:, 1] = _taus(grade, human, query, rng)
    return values, draws


def _taus(
    grade: np.ndarray, human: np.ndarray, query: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Bootstrap of tau over queries, by the normal distribution about 40 replicates' spread, since each takes a
    sort."""
    few = []
    for _ in range(40):
        rows = np.repeat(np.arange(len(grade)), rng.poisson(1.0, query.max() + 1)[query])
        few.append(stats.kendalltau(grade[rows], human[rows]).statistic if len(rows) > 1 else 0.0)
    spread = float(np.nanstd(few, ddof=1))
    return rng.normal(float(np.nanmean(few)), spread, size=REPLICATES)


def reliability(sure: np.ndarray, near: np.ndarray) -> dict[str, Any]:
    """What was right among pairs of about one confidence: "bins" with confidence, share that was right, and pairs."""
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    rows = []
    for place in range(BINS):
        here = bins == place
        if here.any():
            rows.append(
                {
                    "confidence": float(sure[here].mean()),
                    "right": float(near[here].mean()),
                    "pairs": int(here.sum()),
                }
            )
    return {"bins": rows}
