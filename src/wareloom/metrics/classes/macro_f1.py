"""Macro-F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.metrics import Classified, ClassMetric
from wareloom.metrics.classes._influence import influence


@dataclass(kw_only=True, eq=False)
class MacroF1(ClassMetric):
    """Mean over classes of F1, which is 2 × right / (photos of the class + photos said to be of it).

    A class without photos is left out of the mean; it costs where it is said. F1 is no mean over photos, so that each
    photo carries its influence on it.
    """

    def per_photo(self, classified: Classified) -> dict[str, np.ndarray]:
        truth, said = classified.truth, classified.said
        values = {}
        for one in np.unique(truth):
            of, called = truth == one, said == one
            values[str(one)] = influence(of, called, of & called)
        every = np.mean(list(values.values()), axis=0) if values else np.zeros(0)
        return {"all": every, **values}
