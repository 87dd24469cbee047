"""Classifiers: given a photo of a product, how likely it shows each class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from wareloom.core.asked import Kind, a_run
from wareloom.core.family import CLASSIFIERS, Family
from wareloom.core.run import Run
from wareloom.core.settings import Share
from wareloom.errors import InputError
from wareloom.shop import Shop
from wareloom.shop.asked import a_shop
from wareloom.shop.keeping import Keeping
from wareloom.shop.keeps import Keeps
from wareloom.shop.pictures import labelled, soft_labels


@dataclass(frozen=True)
class Examples:
    """Photos to learn from."""

    seen: np.ndarray
    """What a classifier is shown of each: pixels, or vectors of an encoder"""
    target: np.ndarray
    """float32 [photos, classes], rows sum to 1; a photo that was mixed of two has a part of each class"""
    weight: np.ndarray
    """float64 [photos], mean 1"""


@dataclass(kw_only=True, eq=False)
class PictureClassifier(Keeping, ABC):
    """Base of classifiers of photos. One implements `_seen`, `_learn` and `_chances`.

    `fit(shop)` reads the table images; what a photo shows is the last level of its item's category. Weights of rows and
    the soft labels of mixed photos count. `predict(shop)` says of each row of images how likely each of `classes_` is.
    """

    family: ClassVar[Family] = CLASSIFIERS
    arguments: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "fit": {"shop": a_shop, "run": a_run},
        "predict": {"shop": a_shop, "run": a_run},
    }
    keeps: ClassVar[Keeps] = "counts"
    random: ClassVar[bool] = True
    """Whether the seed changes what is learned from the same photos"""
    gradient: ClassVar[bool] = False
    """Whether it is taught by gradient updates, kept in `updates_`, that `Run.updates` sets"""

    balance: Share = 0.5
    """How far rare classes count more: 0 counts photos alike, 1 counts classes alike."""

    @property
    def updates(self) -> int | None:
        """Gradient updates of the last training; None where it takes none."""
        found = self.state().get("updates_")
        return None if found is None else int(found)

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from a shop's photos; raises `InputError` where none has a class, or all have the same one."""
        run = run or Run()
        self._forget()
        labels = labelled(shop).collect() if shop.rows("images") else None
        names = [] if labels is None else labels["class"].drop_nulls().unique().sort().to_list()
        if labels is None or not names:
            raise InputError(
                f"The classifier {self.name!r} learns from photos of items with a category, and there is none: "
                "`wareloom read FOLDER --as clothing` reads folders of photos by class."
            )
        if len(names) < 2:
            raise InputError(
                f"The classifier {self.name!r} tells classes apart, and all photos are of {names[0]!r}: add others."
            )
        with run.limits():
            places, seen = self._seen(shop, run)
            target = soft_labels(labels, names)[places]
            own = shop.scan("images").select("weight").collect()["weight"].to_numpy()[places]
            known = np.flatnonzero((target.sum(axis=1) > 0.999) & (own > 0))
            if len(np.unique(target[known].argmax(axis=1))) < 2:
                raise InputError(
                    f"The classifier {self.name!r} can decode no photos of two classes: see `wareloom check`."
                )
            weight = own[known] * self._balanced(target[known], own[known])
            self.classes_ = names
            examples = Examples(seen[known], target[known], weight / weight.mean())
            self._learn(examples, run)
        self._fitted_on(shop)
        return self

    def predict(self, shop: Shop, run: Run | None = None) -> np.ndarray:
        """Return how likely each photo shows each of `classes_`: float32 [rows of images, classes].

        A photo that cannot be decoded has NaN.
        """
        self.check_fitted()
        run = run or Run()
        found = np.full((shop.rows("images"), len(self.classes_)), np.nan, dtype=np.float32)
        with run.limits():
            places, seen = self._seen(shop, run)
            if len(places):
                found[places] = self._chances(seen, run)
        return found

    def _balanced(self, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """What photos of rare classes count more, float64 [photos]."""
        size = weight @ target
        factor = np.where(size > 0, size, 1.0) ** -self.balance
        return np.asarray(target @ factor, dtype=np.float64)

    def _forget(self) -> None:
        """Drop what an earlier fit learned, and what was made of it."""
        for name in [*self.state(), *self.parts(), *(n for n in vars(self) if n[0] == "_")]:
            vars(self).pop(name, None)

    @abstractmethod
    def _seen(self, shop: Shop, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """What it is shown: (places in the table images of what can be decoded, int64; an array, photo by photo)."""

    @abstractmethod
    def _learn(self, examples: Examples, run: Run) -> None:
        """Learn; what is learned goes to attributes ending in an underscore."""

    @abstractmethod
    def _chances(self, seen: np.ndarray, run: Run) -> Any:
        """Return how likely each class is: float [photos, classes], rows sum to 1."""


__all__ = ["Examples", "PictureClassifier"]
