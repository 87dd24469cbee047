"""What learners of dialogues are judged by: held-out turns, and what customers want and say in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wareloom.classifiers.intents import IntentClassifier, told
from wareloom.classifiers.turns import OUTSIDE, Turns, codes
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.evaluation.ranking import Evaluation
from wareloom.evaluation.shown_classes import class_metric, judged_classes
from wareloom.metrics import Classified
from wareloom.shop import Shop

if TYPE_CHECKING:
    from wareloom.classifiers.slots import SlotTagger

INTENT_METRICS = ("macro_f1", "accuracy")
SLOT_METRICS = ("token_f1",)
FEWEST = 10
"""Held-out requests below which nothing is judged"""


class ShownIntents:
    """The customers' turns of a part whose intent is known; each is a request, `most` of them at most."""

    def __init__(self, shop: Shop, name: str, most: int, run: Run) -> None:
        rows = told(shop)
        if len(rows) > most:
            order = run.rng("shown intents", name).permutation(len(rows))[:most]
            rows = rows[np.sort(order)]
        self.texts: list[str] = rows["text"].to_list()
        self.truth: list[str] = rows["intent"].to_list()
        enough(len(self), name, "turns with an intent")

    def __len__(self) -> int:
        return len(self.texts)

    def about(self) -> dict[str, Any]:
        """What a result says of what was asked."""
        return counted(len(self)) | {"classes": len(set(self.truth))}

    def evaluate(self, learner: IntentClassifier, metrics: Sequence[str], run: Run) -> Evaluation:
        """Measure what a classifier says of the turns, over all and intent by intent."""
        return judged_classes(learner.scores(self.texts, run), learner.classes, self.truth, metrics)


class ShownSlots:
    """The customers' turns of a part; each is a request, `most` of them at most, and its tokens are judged."""

    def __init__(self, shop: Shop, name: str, most: int, run: Run) -> None:
        self.turns = Turns.of(shop, most, run)
        enough(len(self), name, "customers' turns")
        if not any(label != OUTSIDE for label in self.turns.flat):
            raise InputError(f"No turn of the {name} part has a slot: there is nothing to judge.")

    def __len__(self) -> int:
        return len(self.turns)

    @cached_property
    def _owner(self) -> np.ndarray:
        """Turn of each token, int64 [tokens]."""
        return np.repeat(np.arange(len(self)), [len(own) for own in self.turns.spans])

    def about(self) -> dict[str, Any]:
        """What a result says of what was asked."""
        labels = [label for label in self.turns.flat if label != OUTSIDE]
        return counted(len(self)) | {"tokens": len(labels), "classes": len(set(labels))}

    def evaluate(self, learner: SlotTagger, metrics: Sequence[str], run: Run) -> Evaluation:
        """Measure what a tagger says of the tokens, over all slots and slot by slot.

        A turn carries what its tokens carry, so that a bootstrap draws turns: tokens of one are not independent.
        """
        truth = codes(self.turns.flat, learner.classes)
        every = [*learner.classes, *sorted(set(self.turns.flat) - set(learner.classes))]
        scores = learner.scores(self.turns, run)
        unmet = np.full((len(truth), len(every) - scores.shape[1]), -np.inf, dtype=np.float32)
        found = Classified(truth, np.concatenate([scores, unmet], axis=1))
        overall, per_turn = {}, {}
        for name in metrics:
            made = class_metric(name, "slots")
            overall[name] = made.measure(found)
            for part, each in made.per_photo(found).items():
                label = part if part == "all" else every[int(part)]
                per_turn[f"{name}/{label}"] = self._of_turns(each)
        return Evaluation(per_turn, overall)

    def _of_turns(self, values: np.ndarray) -> np.ndarray:
        """Values of tokens, whose mean is the metric, as values of turns, whose mean is the same."""
        mean = values.mean()
        sums = np.bincount(self._owner, weights=values - mean, minlength=len(self))
        found: np.ndarray = mean + sums * (len(self) / len(values))
        return found


def enough(number: int, name: str, what: str) -> None:
    """Raise `InputError` where a part has too few requests."""
    if number < FEWEST:
        raise InputError(
            f"The {name} part has {number} {what}: {FEWEST} are the fewest that anything can be judged on. Give it a "
            "larger share of the split, or read more dialogues."
        )


def counted(number: int) -> dict[str, Any]:
    """What a result says of requests that have one answer each."""
    return {"requests": number, "answers": number, "left_out": 0, "repeats": True}
