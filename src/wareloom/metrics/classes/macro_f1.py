"""Macro-F1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wareloom.metrics import Classified, ClassMetric


@dataclass(kw_only=True, eq=False)
class MacroF1(ClassMetric):
    """Mean over classes of F1, which is 2 × right / (photos of the class + photos said to be of it).

    A class without photos is left out of the mean; it costs where it is said. F1 is no mean over photos. Each photo is
    given F1 plus what it moves it by, to first order: 2 × right − F1 × (is of it + is said to be), times photos by the
    denominator (the influence function, Hampel 1974). The mean of these is F1 exactly, their bootstrap that of F1.
    """

    def per_photo(self, classified: Classified) -> dict[str, np.ndarray]:
        truth, said = classified.truth, classified.said
        values = {}
        for one in np.unique(truth):
            of, called = truth == one, said == one
            whole = int(of.sum() + called.sum())
            right = 2.0 * (of & called)
            f1 = right.sum() / whole
            values[str(one)] = f1 + (right - f1 * (of.astype(np.float64) + called)) * (
                len(truth) / whole
            )
        every = np.mean(list(values.values()), axis=0) if values else np.zeros(0)
        return {"all": every, **values}
