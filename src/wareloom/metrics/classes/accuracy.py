"""Accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.metrics import Classified, ClassMetric


@dataclass(kw_only=True, eq=False)
class Accuracy(ClassMetric):
    """Share of photos whose likeliest class is right; a photo that could not be read is wrong."""

    def per_photo(self, classified: Classified) -> dict[str, np.ndarray]:
        right = (classified.said == classified.truth).astype(np.float64)
        of = {
            str(one): np.where(classified.truth == one, right, np.nan)
            for one in np.unique(classified.truth)
        }
        return {"all": right, **of}
