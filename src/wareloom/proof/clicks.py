"""The proof of clicks: one click model trained on every arm, all judged on the same held-out impressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.evaluation.ranking import Evaluation
from wareloom.evaluation.shown_items import DEFAULT_METRICS, RATES, ShownItems, click_metric
from wareloom.experiment.plan import REAL
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study, Words
from wareloom.metrics import ClickMetric
from wareloom.preparing.splits import Split, together
from wareloom.proof.arms import training_data
from wareloom.proof.curves import curves
from wareloom.rankers import Ranker
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.rankers.held import Held
from wareloom.sampling.generator import Generator, Pool
from wareloom.shop import Requests, Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.impressions import impressions
from wareloom.shop.keeps import worst
from wareloom.synthesis.behaviour.exposures import Exposures

SMOOTHING = 5.0
"""Clicks at the average that the rate of every position starts from, in the baseline by position."""


@dataclass(frozen=True, kw_only=True)
class ClickProofSettings(ExperimentSettings):
    """What is proved of clicks, and how hard."""

    generator: Generator = field(
        default_factory=lambda: Generator(
            synthesizer="exposures", screens=("schema", "impossible", "leak")
        )
    )
    """How synthetic exposures are made. The screen `copies` is left out: a session of one impression is always like a
    real one."""
    ranker: str = "logistic"
    """The click model that every arm trains."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that decides; it must be a mean over impressions, such as log_loss."""

    def check(self) -> None:
        """See `ExperimentSettings.check`; metrics have to judge clicks."""
        super().check()
        made = [click_metric(name) for name in self.metrics]
        if not isinstance(made[0], RATES) and type(made[0]).per_row is ClickMetric.per_row:
            raise SettingError(
                f"The metric {self.metrics[0]!r} is no mean over impressions: let log_loss decide."
            )

    def check_ranker(self, label: str, ranker: Any) -> None:
        """Raise `SettingError` for what predicts no clicks."""
        if not isinstance(ranker, ClickRanker):
            raise SettingError(
                f"The ranker {label!r} gives no probabilities of clicks: choose logistic or dcn."
            )


@dataclass(frozen=True, kw_only=True)
class ClickPool(Pool):
    """A pool with naive data of its own."""

    @cached_property
    def naive(self) -> Shop:
        """The same impressions, clicked at one chance for all."""
        fitted = Exposures(clicks="constant").fit(self.train, self.run)
        return fitted.sample(self.users, self.run)


class Clicks(Study):
    """Whether synthetic exposures make a click model predict real held-out clicks better.

    Differences and lifts are gains, above 0 where the arm is better, whichever way the metric runs.
    """

    kind: ClassVar[str] = "clicks"
    settings_of: ClassVar[type[ExperimentSettings]] = ClickProofSettings
    turned: ClassVar[bool] = True
    counted: ClassVar[tuple[str, ...]] = ("impressions", "clicks")
    settings: ClickProofSettings

    def check(self) -> None:
        """Raise `InputError` where nothing was shown."""
        impressions(self.shop)

    @property
    def words(self) -> Words:
        """What is helped is a prediction."""
        return Words(purpose=" to predict clicks")

    def better(self) -> dict[str, str]:
        """ "higher" or "lower" by metric."""
        higher = {name: METRICS.load(name).higher_is_better for name in self.settings.metrics}
        return {name: "higher" if up else "lower" for name, up in higher.items()}

    def task(self, parts: Split, part: str) -> ShownItems:
        """The impressions of the part, and what went before them."""
        earlier = parts.train if part == "validation" else together([parts.train, parts.validation])
        return ShownItems(getattr(parts, part), part, earlier)

    def held(self, parts: Split) -> Held:
        """What was shown in the validation part, which is in no arm's training."""
        nothing = Requests.sessions([], Vocabulary(parts.train.table("items")["item_id"])).histories
        assert nothing is not None
        answers = np.zeros(0, dtype=np.int32)
        return Held(nothing, answers, shop=parts.validation, earlier=parts.train)

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> ClickPool:
        """Synthetic exposures of one seed, enough for the largest ratio."""
        scan = train.scan("events")
        owners = scan.select(user_key(scan).n_unique()).collect().item()
        users = int(np.ceil(max(self.settings.ratios) * 1.1 * owners)) + 1
        pool = self.settings.generator.pool(train, parts.held_out(), users, run)
        return ClickPool(**{one.name: getattr(pool, one.name) for one in fields(pool)})

    def training(self, cell: Cell, train: Shop, pool: Callable[[], Pool], run: Run) -> Shop:
        """The real events with those that the arm adds."""
        return training_data(self.settings.generator, cell.arm, train, pool, cell.ratio, run)

    def evaluate(self, ranker: Ranker, task: ShownItems, run: Run) -> Evaluation:
        """Predict every impression of the part."""
        assert isinstance(ranker, ClickRanker)
        return task.evaluate(ranker.predict(task.shop, task.earlier), self.settings.metrics)

    @property
    def beside(self) -> dict[str, dict[str, Any]]:
        """The share of clicks, the share at each position, and the models that were asked for."""
        return {"constant": {}, "position": {}, **self.settings.baselines}

    def baseline(
        self, name: str, train: Shop, task: ShownItems, held: Held | None, run: Run
    ) -> Evaluation:
        """Predict by the shares of the training part, or by a model taught on it."""
        plain = {"constant": constant, "position": by_position}.get(name)
        if plain is None or name in self.settings.baselines:
            return super().baseline(name, train, task, held, run)
        return task.evaluate(plain(impressions(train), task.position), self.settings.metrics)

    def told(self, parts: Split, pool: Callable[[], Pool]) -> dict[str, Any]:
        """How much was made, what the screens took of it, and how it looks beside the real log."""
        made = pool()
        screened, kept = made.screened, made.screened.kept
        shown = impressions(kept)
        return {
            "synthetic": {
                "impressions": len(shown),
                "clicks": int(shown["clicked"].sum()),
                "users": shown["owner"].n_unique(),
                "events": kept.rows("events"),
                "screens": screened.report,
                "sampling": screened.sampling,
                "origin": kept.scan("events").select("origin").first().collect().item(),
                "keeps": worst(kept.keeps),
            },
            "curves": curves({REAL: parts.train, "synthetic": kept, "naive": made.naive}),
        }


def constant(shown: pl.DataFrame, position: pl.Series) -> np.ndarray:
    """Predict the share of clicks in `shown` (impressions) for each row of `position`; half a click is added."""
    return np.full(
        len(position), (int(shown["clicked"].to_numpy().sum()) + 0.5) / (len(shown) + 1.0)
    )


def by_position(shown: pl.DataFrame, position: pl.Series) -> np.ndarray:
    """Predict the share of clicks at the same position in `shown`, drawn towards the share of all by 5 clicks."""
    mean = float(constant(shown, position[:1])[0]) if len(position) else 0.0
    counted = shown.group_by("position").agg(pl.col("clicked").sum(), pl.len())
    rate = (pl.col("clicked") + SMOOTHING) / (pl.col("len") + SMOOTHING / mean)
    rates = counted.select("position", rate=rate)
    asked = position.rename("position").cast(pl.Int32).to_frame()
    joined = asked.join(rates, on="position", how="left", maintain_order="left", nulls_equal=True)
    return joined["rate"].fill_null(mean).to_numpy()
