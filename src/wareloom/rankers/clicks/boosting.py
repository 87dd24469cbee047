"""Gradient-boosted trees of clicks, by LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Positive, Size
from wareloom.errors import needed
from wareloom.rankers.clicks.base import FEWEST, ClickRanker
from wareloom.rankers.clicks.rows import Encoded, Examples
from wareloom.shop import Shop

BLIND = 20
"""Trees where nothing is held back to stop by."""
LIGHTGBM = "lightgbm", "learned", "The ranker 'boosting'"
"""What is imported, the extra that installs it, and for what"""


@dataclass(kw_only=True, eq=False)
class Boosting(ClickRanker):
    """Add up small trees over codes (as categories) and numbers, each fitted to the gradient of the log loss.

    Needs the extra `learned`. The same on any number of threads. Ke et al. (2017); Friedman (2001).
    """

    laws: ClassVar[frozenset[str]] = ClickRanker.laws | {"moved by history"}

    trees: Size = 100
    """Trees that are added up, at most; 20 where too few clicks are held back to know when to stop."""
    leaves: Annotated[int, Ge(2)] = 15
    """Leaves of a tree at most."""
    learning_rate: Positive = 0.05
    """Share of each tree that counts."""
    min_rows: Size = 20
    """Rows a leaf has at least."""
    regularization: NonNegative = 10.0
    """Penalty on the squared values of leaves."""
    patience: Count = 20
    """Trees without a better held-back log loss after which no more are added; 0 never stops early."""

    @property
    def _stops_early(self) -> bool:
        return self.patience > 0

    def _learn(
        self, train: Examples, held: Examples | None, sizes: np.ndarray, shop: Shop | None, run: Run
    ) -> None:
        lightgbm = needed(*LIGHTGBM)
        settings = {
            "objective": "binary",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_rows,
            "lambda_l2": self.regularization,
            "cat_l2": self.regularization,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": run.cores,
            "seed": run.seed_for("boosting") % 2**31,
            "verbosity": -1,
        }
        fields = list(range(len(sizes)))
        about = {"categorical_feature": fields, "params": settings, "free_raw_data": False}
        data = lightgbm.Dataset(_table(train.rows), train.label, weight=train.weight, **about)
        late, stop = [], []
        if held is not None and held.label.sum() >= FEWEST:
            late = [
                lightgbm.Dataset(
                    _table(held.rows), held.label, weight=held.weight, reference=data, **about
                )
            ]
            stop = [lightgbm.early_stopping(self.patience, verbose=False)]
        trees = min(self.trees, BLIND) if self.patience > 0 and not late else self.trees
        model = lightgbm.train(settings, data, trees, valid_sets=late, callbacks=stop)
        self.trees_ = model.model_to_string()
        self._model = model

    @cached_property
    def _model(self) -> Any:
        """The trees, read from their text where this was restored."""
        return needed(*LIGHTGBM).Booster(model_str=self.trees_)

    def _logits(self, rows: Encoded) -> np.ndarray:
        return np.asarray(
            self._model.predict(_table(rows), raw_score=True, num_threads=1), dtype=np.float64
        )


def _table(rows: Encoded) -> np.ndarray:
    """Codes and numbers side by side; an unknown code is missing."""
    codes = np.where(rows.codes > 0, rows.codes, -1)
    return np.concatenate([codes, rows.dense], axis=1).astype(np.float64)
