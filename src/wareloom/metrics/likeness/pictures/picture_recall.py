"""Do synthetic pictures reach wherever real ones do?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.pictures.measure import Neighbourly


@dataclass(kw_only=True, eq=False)
class PictureRecall(Neighbourly):
    """Share of training photos that lie within the reach of no synthetic picture: 1 − recall (Kynkäänniemi 2019)."""

    def _within(self, between: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
        return float((between <= fake[None, :]).any(axis=1).mean())
