"""The experiment on clicks: one click model trained on every arm, all judged on the same held-out impressions."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.evaluation.ranking import Evaluation
from wareloom.evaluation.shown_items import DEFAULT_METRICS, RATES, ShownItems, click_metric
from wareloom.experiment.cells import OF_ARMS, OF_SYNTHESIS, Cells, decisive
from wareloom.experiment.jobs import shared
from wareloom.metrics import ClickMetric
from wareloom.preparing.splits import Split, SplitSettings, split, together
from wareloom.proof.arms import CONTROLS, MIXED, REAL, Plan, training_data
from wareloom.proof.clicks_result import summarise_clicks
from wareloom.proof.curves import curves
from wareloom.proof.result import Proof
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.sampling.generator import Generator, Pool
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.impressions import impressions
from wareloom.synthesis.behaviour.exposures import Exposures

SMOOTHING = 5.0
"""Clicks at the average that the rate of every position starts from, in the baseline by position."""


@dataclass(frozen=True, kw_only=True)
class ClickProofSettings:
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
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Other click models, with their settings, that stand beside on real data alone."""
    split: SplitSettings = field(default_factory=SplitSettings)
    ratios: tuple[float, ...] = (0.5, 1.0)
    """Synthetic events for each real one; the best on the validation part is taken."""
    seeds: int = 3
    """How often everything that is random is drawn anew."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that decides; it must be a mean over impressions, such as log_loss."""
    guard: float = 0.05
    """Largest worsening, relative, of the deciding metric at a position beside which "helps" is still said."""
    effect: float | None = None
    """Relative gain, such as .02, of which the power is to be told; None tells it of the gain that was observed."""

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for what could not work, before anything is computed."""
        if self.seeds < 1 or not self.ratios or min(self.ratios) <= 0 or not self.metrics:
            raise SettingError(
                "A proof of clicks needs at least one seed, one metric, and ratios above 0."
            )
        self.generator.check()
        made = [click_metric(name) for name in self.metrics]
        if not isinstance(made[0], RATES) and type(made[0]).per_row is ClickMetric.per_row:
            raise SettingError(
                f"The metric {self.metrics[0]!r} is no mean over impressions: let log_loss decide."
            )
        for name, values in {**self.baselines, self.ranker: self.ranker_settings}.items():
            if not isinstance(RANKERS.make(name, **values), ClickRanker):
                raise SettingError(
                    f"The ranker {name!r} gives no probabilities of clicks: choose logistic or dcn."
                )


def prove_clicks(
    shop: Shop, settings: ClickProofSettings | None = None, run: Run | None = None
) -> Proof:
    """Find out whether synthetic exposures make a click model predict real held-out clicks better.

    The split by time comes first; synthesizer, model and the choice of the ratio see the training and validation parts,
    the test part is read once at the end. The proof has the form of `wareloom.proof.prove`'s: its differences and lifts
    are gains, above 0 where the arm is better, whichever way the metric runs. With `run.cache` finished cells are kept.
    Raises `InputError` where the shop has no impressions, or a part has no clicks.
    """
    settings, run = settings or ClickProofSettings(), run or Run()
    settings.check()
    impressions(shop)
    with shared(prove_clicks, shop, settings, run) as own:
        experiment = _Experiment(shop, settings, own)
        found = experiment.run()
    return summarise_clicks(shop, settings, run.seed, experiment.plan, found)


@dataclass(frozen=True, kw_only=True)
class _ClickPool(Pool):
    """A pool with naive data of its own."""

    @cached_property
    def naive(self) -> Shop:
        """The same impressions, clicked at one chance for all."""
        return Exposures(clicks="constant").fit(self.train, self.run).sample(self.users, self.run)


class _Experiment:
    """One proof of clicks, from split to cells."""

    def __init__(self, shop: Shop, settings: ClickProofSettings, run: Run) -> None:
        self.settings, self.base = settings, run
        parts = split(shop, settings.split, None, run)
        train, validation, test = (part.in_memory() for part in parts)
        self.split = Split(train, validation, test, parts.how)
        self.plan = Plan(controls=CONTROLS, references=(), left_out={})
        self.cells = Cells(
            run.cache, ["clicks", shop.fingerprint, run.seed, run.arithmetic], decisive(settings)
        )
        self.pools: dict[int, Pool] = {}

    def run(self) -> dict[str, Any]:
        """Choose the ratio on validation data, then evaluate every arm and baseline on the test part."""
        choice = self._choose()
        part = ShownItems(
            self.split.test, "test", together([self.split.train, self.split.validation])
        )
        ratio, seeds = choice["ratio"], range(self.settings.seeds)
        arms = (REAL, *(arm for arm in self.plan.arms if arm != REAL))
        asked = {
            (arm, seed): partial(self._cell, arm, seed, ratio, part, "test")
            for seed in seeds
            for arm in arms
        }
        self.cells.ahead([*asked.values()])
        cells = {cell: found() for cell, found in asked.items()}
        constant, by_position = self._plain(part)
        baselines = {
            "constant": part.evaluate(constant, self.settings.metrics),
            "position": part.evaluate(by_position, self.settings.metrics),
        }
        for name, values in self.settings.baselines.items():
            fitted = partial(self._fitted, name, values, part)
            baselines[name] = self.cells.get(["baseline", name, values], fitted, OF_ARMS)
        return {
            "ties": "file",
            "split": self.split.how,
            "task": {
                "impressions": len(part.label),
                "clicks": int(part.label.sum()),
                "requests": int(part.owner.max()) + 1,
            }
            | {"answers": int(part.label.sum()), "left_out": 0, "repeats": True},
            "choice": choice,
            "cells": cells,
            "baselines": baselines,
            "curves": self.cells.get(["curves"], self._curves),
            "synthetic": self.cells.get(["synthetic"], self._synthetic),
        }

    def _choose(self) -> dict[str, Any]:
        """Evaluate each ratio with the first seed on the validation part."""
        name, part = (
            self.settings.metrics[0],
            ShownItems(self.split.validation, "validation", self.split.train),
        )
        better = 1 if click_metric(name).higher_is_better else -1
        asked = [partial(self._cell, REAL, 0, 0.0, part, "validation")]
        asked += [
            partial(self._cell, MIXED, 0, ratio, part, "validation")
            for ratio in self.settings.ratios
        ]
        self.cells.ahead(asked)
        real, *found = (cell().overall[name] for cell in asked)
        tried = [
            {"ratio": ratio, "value": value}
            for ratio, value in zip(self.settings.ratios, found, strict=True)
        ]
        best = max(tried, key=lambda entry: (better * entry["value"], -entry["ratio"]))
        return {"ratio": best["ratio"], "metric": name, "tried": tried, "real": real}

    def _run(self, seed: int) -> Run:
        return self.base.with_(seed=self.base.seed_for("proof", seed))

    def _cell(self, arm: str, seed: int, ratio: float, part: ShownItems, name: str) -> Evaluation:
        """Train one arm with one seed and evaluate it.

        The real arm of a seed goes first; a model that takes gradient updates takes as many in every other arm.
        """
        updates = (
            None if arm == REAL else self._cell(REAL, seed, 0.0, part, name).training.get("updates")
        )

        def work() -> Evaluation:
            run = self._run(seed)
            data = training_data(
                self.settings.generator, arm, self.split.train, self._pool(seed), ratio, run
            )
            model = RANKERS.make(self.settings.ranker, **self.settings.ranker_settings)
            with run.task(f"seed {seed}: {self.settings.ranker} on {arm}"):
                fitted = model.fit(data, run if updates is None else run.with_(updates=updates))
            training = {"events": data.rows("events")}
            if fitted.updates is not None:
                training["updates"] = fitted.updates
            return part.evaluate(
                fitted.predict(part.shop, part.earlier), self.settings.metrics, training
            )

        untouched = OF_SYNTHESIS if arm == REAL else ()
        return self.cells.get([name, arm, seed, 0.0 if arm == REAL else ratio], work, untouched)

    def _pool(self, seed: int) -> Pool:
        """Synthetic exposures of one seed, enough for the largest ratio."""
        if seed not in self.pools:
            run, train = self._run(seed), self.split.train
            scan = train.scan("events")
            owners = scan.select(user_key(scan).n_unique()).collect().item()
            users = int(np.ceil(max(self.settings.ratios) * 1.1 * owners)) + 1
            pool = self.settings.generator.pool(train, self.split.held_out(), users, run)
            self.pools = {
                seed: _ClickPool(**{one.name: getattr(pool, one.name) for one in fields(pool)})
            }
        return self.pools[seed]

    def _fitted(self, name: str, values: dict[str, Any], part: ShownItems) -> Evaluation:
        model = RANKERS.make(name, **values).fit(self.split.train, self._run(0))
        return part.evaluate(model.predict(part.shop, part.earlier), self.settings.metrics)

    def _plain(self, part: ShownItems) -> tuple[np.ndarray, np.ndarray]:
        """Predict the training part's share of clicks, and its share at each position."""
        shown = impressions(self.split.train)
        return constant(shown, part.position), by_position(shown, part.position)

    def _curves(self) -> dict[str, Any]:
        pool = self._pool(0)
        return curves(
            {REAL: self.split.train, "synthetic": pool.screened.kept, "naive": pool.naive}
        )

    def _synthetic(self) -> dict[str, Any]:
        screened = self._pool(0).screened
        kept = screened.kept
        shown = impressions(kept)
        origin = kept.scan("events").select("origin").first().collect().item()
        counts = {
            "impressions": len(shown),
            "clicks": int(shown["clicked"].sum()),
            "users": shown["owner"].n_unique(),
        }
        told = {"screens": screened.report, "sampling": screened.sampling, "origin": origin}
        return {**counts, "events": kept.rows("events"), **told}


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
