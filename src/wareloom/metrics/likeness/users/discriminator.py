"""Can synthetic users be told from real ones by what their sequences are like?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import needed
from wareloom.metrics.likeness.measure import Figure, Measure
from wareloom.metrics.likeness.samples import Sample, Trio
from wareloom.metrics.likeness.users.discriminators import Judged, auc, boosting, judged, spread
from wareloom.metrics.likeness.users.features import Known, features

TOLD = 8
"""Features that are named."""


@dataclass(kw_only=True, eq=False)
class Discriminator(Measure):
    """Area under the curve of boosted trees that tell synthetic users from real ones; .5 where they cannot.

    As many users of both kinds, features of their sequences, cross-validated. Which items are popular and which
    transitions known is said by real users that are not judged. The floor: other real users in the place of the
    synthetic ones. Interval: DeLong's, the mean over folds. Needs the extra `learned`. Lopez-Paz and Oquab (2017).
    """

    quick: ClassVar[Mapping[str, Any]] = {"trees": 5, "folds": 2}
    unit: ClassVar[str] = "AUC"

    users: Annotated[int, Ge(10)] = 10_000
    """Users of each kind that are judged, at most."""
    folds: Annotated[int, Ge(2)] = 5
    """Parts of which each in turn is judged by trees that learned from the others."""
    trees: Size = 100
    """Trees that are added up."""
    leaves: Annotated[int, Ge(2)] = 15
    """Leaves of a tree at most."""

    def _compare(self, trio: Trio, run: Run) -> list[Figure] | str:
        lightgbm = needed("lightgbm", "learned", f"The measure {self.name}")
        sides = judged(trio, self.users, run)
        describe, names = self._describing(sides.known, trio), list[str]()

        def rows(sample: Sample) -> np.ndarray:
            found = describe(sample)
            names[:] = list(found)
            return np.stack(list(found.values()), axis=1)

        real, again, fake = rows(sides.real), rows(sides.again), rows(sides.synthetic)
        value, variance, gain = self._told(lightgbm, real, fake, run)
        floor, of_floor, _ = self._told(lightgbm, real, again, run)
        low, high = spread(value, variance)
        floor_low, floor_high = spread(floor, of_floor)
        return [
            Figure(
                name=self.name,
                value=value,
                low=low,
                high=high,
                floor=floor,
                floor_low=floor_low,
                floor_high=floor_high,
                unit=self.unit,
                about=self._about(sides, names, gain, real, fake),
            )
        ]

    def _describing(self, known: Sample, trio: Trio) -> Callable[[Sample], dict[str, np.ndarray]]:
        """Return what describes the users of a sample by what the `known` users did."""
        about = Known(known)
        return lambda sample: features(sample, about, trio)

    def _told(
        self, lightgbm: Any, real: np.ndarray, other: np.ndarray, run: Run
    ) -> tuple[float, float, np.ndarray]:
        """Mean area over the folds, its variance, and each feature's share of the gain: float64 [features]."""
        table = np.concatenate([real, other])
        label = np.repeat([0.0, 1.0], [len(real), len(other)])
        rng = run.rng("compare", "folds")
        fold = np.concatenate([rng.permutation(len(side)) % self.folds for side in (real, other)])
        settings = boosting(self.leaves, len(table), run.seed_for("compare", "trees"), run.cores)
        found, gain = [], np.zeros(table.shape[1])
        for part in range(self.folds):
            held = fold == part
            model = lightgbm.train(
                settings, lightgbm.Dataset(table[~held], label[~held]), self.trees
            )
            found.append(auc(model.predict(table[held]), label[held]))
            gain += model.feature_importance("gain")
        areas, variances = np.array(found).T
        return (
            float(areas.mean()),
            float(variances.sum() / self.folds**2),
            gain / max(gain.sum(), 1e-12),
        )

    def _about(
        self, sides: Judged, names: list[str], gain: np.ndarray, real: np.ndarray, fake: np.ndarray
    ) -> dict[str, Any]:
        """Which features betray the synthetic users: those that tell most by themselves, of all that trees split by.

        Of each its area alone, its share of the trees' gain, and the means on both sides. Gain alone would name
        features of many values that trees split by chance.
        """
        areas = [_alone(real[:, f], fake[:, f]) for f in range(len(names))]
        order = np.argsort(
            [-abs(area - 0.5) if area is not None else 0.0 for area in areas], kind="stable"
        )
        betray = [
            {
                "feature": names[f],
                "area": areas[f],
                "gain": float(gain[f]),
                "real": _mean(real[:, f]),
                "synthetic": _mean(fake[:, f]),
            }
            for f in order
            if gain[f] > 0 and areas[f] is not None
        ]
        return {
            "users": len(sides.real),
            "known_users": len(sides.known),
            "betray": betray[:TOLD],
        }


def _alone(real: np.ndarray, fake: np.ndarray) -> float | None:
    """Area under the curve of one feature, among users who have it; None where hardly any have."""
    sides = [side[~np.isnan(side)] for side in (real, fake)]
    if min(map(len, sides)) < 2:
        return None
    return auc(np.concatenate(sides), np.repeat([0, 1], [len(side) for side in sides]))[0]


def _mean(values: np.ndarray) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None
