"""What a frozen vision encoder sees, and a linear layer on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from wareloom.classifiers import Examples, PictureClassifier
from wareloom.core.run import Run
from wareloom.core.settings import Positive
from wareloom.errors import require
from wareloom.neural.vision import picture_vectors
from wareloom.shop import Shop
from wareloom.stats.multinomial import fit_multinomial


@dataclass(kw_only=True, eq=False)
class Lite0(PictureClassifier):
    """Logistic regression on vectors of the frozen encoder EfficientNet-Lite0, learned on ImageNet (Tan and Le 2019).

    Columns are brought to mean 0 and spread 1, and all divided by the root of their number. A few photos of a class are
    enough. It learns in closed form but for the iterations of the solver: the seed changes nothing.
    """

    random: ClassVar[bool] = False
    quick: ClassVar[Mapping[str, Any]] = {"side": 64}

    penalty: Positive = 1e-4
    """Weight of the squared weights beside the mean loss."""
    side: int = 160
    """Pixels of a side that photos are brought to."""

    def _check(self) -> None:
        require(self.name, "side", self.side, 32 <= self.side <= 512, "32 to 512 pixels")

    def _seen(self, shop: Shop, run: Run) -> tuple[np.ndarray, np.ndarray]:
        return picture_vectors(shop, run, self.side)

    def _learn(self, examples: Examples, run: Run) -> None:
        self.mean_ = examples.seen.mean(axis=0)
        spread = examples.seen.std(axis=0) + np.float32(1e-3)
        self.scale_ = 1 / (spread * np.float32(np.sqrt(examples.seen.shape[1])))
        scaled = (examples.seen - self.mean_) * self.scale_
        weights, bias = fit_multinomial(scaled, examples.target, examples.weight, self.penalty)
        self.weights_, self.bias_ = weights.astype(np.float32), bias.astype(np.float32)

    def _chances(self, seen: np.ndarray, run: Run) -> Any:
        return softmax((seen - self.mean_) * self.scale_ @ self.weights_ + self.bias_, axis=1)
