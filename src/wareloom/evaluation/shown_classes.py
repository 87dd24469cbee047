"""What a classifier of photos is judged by: held-out photos, and what they show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from wareloom.classifiers import PictureClassifier
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, near
from wareloom.evaluation.ranking import Evaluation
from wareloom.metrics import Classified, ClassMetric, metrics_of
from wareloom.shop import Shop
from wareloom.shop.pictures import labelled

DEFAULT_METRICS = ("macro_f1", "accuracy")
FEWEST = 10
"""Held-out photos below which nothing is judged"""


def class_metric(name: str, judges: str = "classes") -> ClassMetric:
    """Make the metric called `name` of "classes" or "slots"; raises `SettingError` for one of anything else."""
    made = METRICS.make(name)
    if not isinstance(made, ClassMetric) or made.judges != judges:
        known = metrics_of(judges)
        raise SettingError(
            f"The metric {name!r} does not judge {judges}.{near(name, known)} Known: {', '.join(known)}."
        )
    return made


def judged_classes(
    told: np.ndarray, known: Sequence[str], truth: Sequence[str], metrics: Sequence[str]
) -> Evaluation:
    """Measure what was said of photos or texts, over all and class by class.

    `told`: float [judged, classes], how likely each of `known` is; `truth`: the class of each. A class that the
    classifier never met is one that it cannot say, and counts as any other.
    """
    names = [*known, *sorted(set(truth) - set(known))]
    code = {name: place for place, name in enumerate(names)}
    unmet = np.full((len(truth), len(names) - len(known)), -np.inf, dtype=np.float32)
    found = Classified(
        np.array([code[name] for name in truth], dtype=np.int64),
        np.concatenate([told.astype(np.float32), unmet], axis=1),
    )
    overall, per_request = {}, {}
    for name in metrics:
        made = class_metric(name)
        overall[name] = made.measure(found)
        for part, each in made.per_photo(found).items():
            per_request[f"{name}/{part if part == 'all' else names[int(part)]}"] = each
    return Evaluation(per_request, overall)


class ShownClasses:
    """The photos of a part whose class is known."""

    def __init__(self, shop: Shop, name: str) -> None:
        self.shop, self.name = shop, name
        if len(self.rows) < FEWEST:
            raise InputError(
                f"The {name} part has {len(self.rows)} photos of items with a category: {FEWEST} are the fewest that "
                "anything can be judged on. Give it a larger share of the split."
            )

    @cached_property
    def _classes(self) -> list[str | None]:
        found: list[str | None] = labelled(self.shop).collect()["class"].to_list()
        return found

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the table images, int64 [photos]."""
        if not self.shop.rows("images"):
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero([one is not None for one in self._classes])

    def __len__(self) -> int:
        return len(self.rows)

    def about(self) -> dict[str, Any]:
        """What a result says of what was asked: each request is a photo, and its class the answer."""
        names = [self._classes[row] for row in self.rows]
        return {
            "requests": len(self),
            "answers": len(self),
            "classes": len(set(names)),
            "left_out": len(self._classes) - len(self),
            "repeats": True,
        }

    def evaluate(
        self, classifier: PictureClassifier, metrics: Sequence[str], run: Run
    ) -> Evaluation:
        """Measure what a classifier says of the photos."""
        told = classifier.predict(self.shop, run)[self.rows]
        truth = [str(self._classes[row]) for row in self.rows]
        return judged_classes(told, list(classifier.classes_), truth, metrics)
