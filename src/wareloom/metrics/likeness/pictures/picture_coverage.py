"""Does each real photo have a synthetic one near it?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.pictures.measure import Neighbourly


@dataclass(kw_only=True, eq=False)
class PictureCoverage(Neighbourly):
    """Share of training photos with no synthetic picture within their reach: 1 − coverage (Naeem et al. 2020)."""

    def _within(self, between: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
        return float((between.min(axis=1) <= real).mean())
