"""Do synthetic pictures lie where real ones do?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.pictures.measure import Neighbourly


@dataclass(kw_only=True, eq=False)
class PicturePrecision(Neighbourly):
    """Share of synthetic pictures that lie within the reach of no training photo: 1 − precision (Kynkäänniemi 2019)."""

    def _within(self, between: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
        return float((between <= real[:, None]).any(axis=0).mean())
