"""Do synthetic pictures lie where real ones lie close together?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.metrics.likeness.pictures.measure import Neighbourly


@dataclass(kw_only=True, eq=False)
class PictureDensity(Neighbourly):
    """What the mean number of training photos in whose reach a synthetic picture lies lacks to k, as a share of k.

    It is 1 − density, and 0 where density is above 1, as it is where training photos come again (Naeem et al. 2020);
    `about` has density itself.
    """

    def _within(self, between: np.ndarray, real: np.ndarray, fake: np.ndarray) -> float:
        return float((between <= real[:, None]).sum(axis=0).mean() / self.k)
