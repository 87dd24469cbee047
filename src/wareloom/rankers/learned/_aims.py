"""What a ranking is to be good at: tasks, margin, novelty and diversity by weight, brought to one number an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import logsumexp

from wareloom.errors import InputError, SettingError
from wareloom.rankers.learned._tasks import TASKS
from wareloom.rankers.named import named_weights

BESIDE = ("margin", "novelty", "diversity")
"""Aims that are no tasks."""
LOWEST = 0.01
"""The share of the scale of ratings that the lowest counts as: a logarithm is taken."""


@dataclass(frozen=True)
class Aims:
    """Weights of the tasks by name, and those of the aims beside them."""

    tasks: dict[str, float]
    margin: float
    novelty: float
    diversity: float

    @classmethod
    def parse(cls, ranker: str, text: str) -> Aims:
        """Read "click=1 purchase=3 margin=0.5"; a wrong name or weight, or no task at all, raises `SettingError`."""
        example = "click=1 purchase=3 margin=0.5"
        found = named_weights(
            f"{ranker}: objective", text, (*TASKS, *BESIDE), "task or aim", example
        )
        tasks = {name: found[name] for name in TASKS if found.get(name)}
        if not tasks:
            raise SettingError(
                f"{ranker}: objective is {text!r}, which ranks by nothing that is learned: give one of "
                f"{', '.join(TASKS)} a weight above 0, as in {example!r}."
            )
        return cls(tasks, *(found.get(name, 0.0) for name in BESIDE))

    def of(self, ranker: str, learned: list[str]) -> dict[str, float]:
        """The weights of those tasks that were learned; raises `InputError` where there are none."""
        kept = {name: weight for name, weight in self.tasks.items() if name in learned}
        if not kept:
            raise InputError(
                f"{ranker}: the objective names {', '.join(self.tasks)}, but this shop teaches {', '.join(learned)}: "
                "give one of these a weight."
            )
        return kept


def relevance(
    weights: dict[str, float],
    chance: dict[str, np.ndarray],
    how: Literal["sum", "product"],
    low: float,
    high: float,
) -> np.ndarray:
    """Logarithm of Σ w p or of Π p^w over tasks, from the logarithms of the chances and the rating: float64.

    A rating, brought from [low, high] to [0, 1], counts in a sum where the item is chosen at all: as p of the first
    task times it.
    """
    logs = {name: value for name, value in chance.items() if name != "rating"}
    if "rating" in weights:
        first = next(iter(logs.values()))
        share = np.clip((chance["rating"] - low) / max(high - low, 1e-9), LOWEST, 1.0)
        logs["rating"] = np.log(share) + (first if how == "sum" else 0.0)
    if how == "product":
        return np.asarray(sum(weight * logs[name] for name, weight in weights.items()))
    whole: np.ndarray = logsumexp(
        np.stack([np.log(weight) + logs[name] for name, weight in weights.items()]), axis=0
    )
    return whole
