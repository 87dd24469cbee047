"""What a click model is judged by: held-out impressions, and which of them were clicked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import METRICS
from wareloom.errors import InputError, SettingError, near
from wareloom.evaluation.ranking import Evaluation
from wareloom.metrics import ClickMetric, Metric, Predicted, metrics_of, weighted_mean
from wareloom.metrics.clicks.curves import entropy
from wareloom.metrics.clicks.log_loss import LogLoss
from wareloom.metrics.clicks.normalised_entropy import NormalisedEntropy
from wareloom.shop import Shop
from wareloom.shop.impressions import impressions

DEFAULT_METRICS = ("log_loss", "normalised_entropy", "brier", "click_auc", "calibration_error")
MOST_POSITIONS = 10
"""Slices by position are told where there are no more."""
RATES = (NormalisedEntropy,)
"""Metrics that are a mean over impressions once the share of clicks is given."""


def click_metric(name: str) -> ClickMetric:
    """Make the metric of predictions called `name`; raises `SettingError` for a metric of rankings."""
    stem = name.partition("@")[0]
    made = METRICS.make(stem)
    if not isinstance(made, ClickMetric) or stem != name:
        known = metrics_of("clicks")
        kind = "rankings" if isinstance(made, Metric) or stem != name else "synthetic shops"
        raise SettingError(
            f"{name!r} judges {kind}, not clicks.{near(name, known)} Known: {', '.join(known)}."
        )
    return made


class ShownItems:
    """Held-out impressions: whose they are, where they stood, whether they were clicked."""

    def __init__(self, shop: Shop, name: str, earlier: Shop) -> None:
        shown = impressions(shop)
        self.shop, self.earlier, self.position = shop, earlier, shown["position"]
        self.label = shown["clicked"].cast(pl.Float64).to_numpy()
        self.owner = shown["owner"].rank("dense").cast(pl.Int64).to_numpy() - 1
        if not 0 < self.label.sum() < len(self.label):
            raise InputError(
                f"Of {len(self.label):,} impressions of the {name} part {int(self.label.sum())} were clicked: nothing "
                "can be judged on it. Give it a larger share of the split."
            )

    def __len__(self) -> int:
        return int(self.owner.max()) + 1

    def about(self) -> dict[str, Any]:
        """What a result says of what was asked: requests are users or sessions that were shown something."""
        return {
            "impressions": len(self.label),
            "clicks": int(self.label.sum()),
            "requests": len(self),
            "answers": int(self.label.sum()),
            "left_out": 0,
            "repeats": True,
        }

    def evaluate(
        self, chance: np.ndarray, metrics: Sequence[str], training: dict[str, int] | None = None
    ) -> Evaluation:
        """Measure probabilities; what is a mean comes by owner, and so that better is always higher."""
        predicted = Predicted.of(self.label, chance)
        overall, per_owner = {}, {}
        for name in metrics:
            made = click_metric(name)
            overall[name] = made.measure(predicted)
            values = made.per_row(predicted)
            if isinstance(made, RATES):
                best = entropy(weighted_mean(predicted.label, predicted.weight))
                values = LogLoss().per_row(predicted) / best
            if values is not None:
                for part, rows in self._slices().items():
                    per_owner[f"{name}/{part}"] = -self._by_owner(values, rows)
        return Evaluation(per_owner, overall, training or {})

    def _slices(self) -> dict[str, np.ndarray]:
        found = {"all": np.ones(len(self.label), dtype=bool)}
        places = self.position.drop_nulls().unique().sort()
        if 1 < len(places) <= MOST_POSITIONS:
            found |= {
                f"position {place}": (self.position == place).fill_null(False).to_numpy()
                for place in places
            }
        return found

    def _by_owner(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Share the values out so that the mean over owners is that over rows: float64 [owners], NaN for no rows.

        Impressions of one user or session are not independent, so owners are what is drawn for the intervals.
        """
        count = np.bincount(self.owner, weights=rows)
        total = np.bincount(self.owner, weights=np.where(rows, values, 0.0))
        return np.where(count > 0, total * (count > 0).sum() / max(count.sum(), 1.0), np.nan)
