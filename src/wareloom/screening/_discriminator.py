"""How surely boosted trees take each user for a synthetic one, by others than they learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import needed
from wareloom.metrics.likeness.samples import Sample, everybody
from wareloom.metrics.likeness.users.discriminators import boosting
from wareloom.metrics.likeness.users.item_features import describing
from wareloom.shop import Shop

FOLDS, TREES, LEAVES = 5, 100, 15
MOST = 10_000
"""Users of each kind that the trees learn from, at most, and real ones that are judged."""
BLOCK = 20_000
"""Users that are described at a time: pairs of their items take memory"""
FEWEST = 40
"""Users of each kind below which nobody is judged."""


@dataclass(frozen=True)
class Judgment:
    """Scores of users, higher where they seem synthetic."""

    users: pl.Series
    """Ids of the synthetic users"""
    score: np.ndarray
    """float64 [synthetic users]"""
    size: np.ndarray
    """Events of each synthetic user"""
    real: np.ndarray
    """Scores of real users that no tree was taught"""
    real_size: np.ndarray


def judge(synthetic: Shop, train: Shop, run: Run) -> Judgment | None:
    """Cross-fit trees on features of sequences and items, real users of the training part against synthetic ones.

    Which items are popular, what follows what and when items are sold is said by half of the real users, who are not
    judged; what a shop's catalogue says of brands, prices and titles is looked at, too. None where
    there are fewer than `FEWEST` users of a kind. Needs the extra `learned`.
    """
    lightgbm = needed("lightgbm", "learned", "The screen plausibility by its discriminator")
    whole = everybody(train, synthetic, run)
    rng = run.rng("plausibility", "judge")
    order = rng.permutation(len(whole.training))
    half = min(MOST, len(order) // 2)
    judged, known = np.sort(order[:half]), np.sort(order[half:])
    if min(len(judged), len(whole.synthetic)) < FEWEST:
        return None
    real = whole.training.select(judged)
    describe = describing(whole.training.select(known), whole)

    def rows(sample: Sample) -> np.ndarray:
        parts = np.array_split(np.arange(len(sample)), len(sample) // BLOCK + 1)
        found = [describe(sample.select(part)) for part in parts]
        return np.concatenate([np.stack(list(each.values()), axis=1) for each in found])

    sides = (rows(real), rows(whole.synthetic))
    scores = _crossed(lightgbm, sides, run, rng)
    fake = whole.synthetic.log
    return Judgment(fake.users.ids, scores[1], fake.lengths(), scores[0], real.log.lengths())


def _crossed(
    lightgbm: Any, sides: tuple[np.ndarray, np.ndarray], run: Run, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Score each row of both sides by trees that learned from other folds."""
    settings = boosting(
        LEAVES, 2 * min(map(len, sides)), run.seed_for("plausibility", "trees"), run.cores
    )
    folds = [rng.permutation(len(side)) % FOLDS for side in sides]
    found = (np.zeros(len(sides[0])), np.zeros(len(sides[1])))
    for part in range(FOLDS):
        taught = [np.flatnonzero(fold != part) for fold in folds]
        taught = [
            rows if len(rows) <= MOST else np.sort(rng.choice(rows, MOST, replace=False))
            for rows in taught
        ]
        table = np.concatenate([side[rows] for side, rows in zip(sides, taught, strict=True)])
        label = np.repeat([0.0, 1.0], [len(rows) for rows in taught])
        model = lightgbm.train(settings, lightgbm.Dataset(table, label), TREES)
        for side, fold, score in zip(sides, folds, found, strict=True):
            held = np.flatnonzero(fold == part)
            if len(held):
                score[held] = model.predict(side[held])
    return found
