"""F1 of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.metrics import Classified, ClassMetric
from wareloom.metrics.classes._influence import influence


@dataclass(kw_only=True, eq=False)
class TokenF1(ClassMetric):
    """F1 over tokens of slots: 2 × right / (tokens of a slot + tokens said to be of one).

    Class 0 is “of no slot”: a token told right there counts for nothing. Each token carries its influence on F1.
    """

    judges: ClassVar[str] = "slots"

    def per_photo(self, classified: Classified) -> dict[str, np.ndarray]:
        truth, said = classified.truth, classified.said
        found = {"all": influence(truth > 0, said > 0, (truth == said) & (truth > 0))}
        for one in np.unique(truth[truth > 0]):
            of, called = truth == one, said == one
            found[str(one)] = influence(of, called, of & called)
        return found
