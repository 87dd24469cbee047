"""The experiment on search: one ranker trained on every arm's judgments, all judged on the same held-out queries."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.judged_items import (
    RELEVANT,
    Gain,
    QueryMeasures,
    QueryTask,
    evaluate_queries,
)
from wareloom.evaluation.ranking import Evaluation, metric
from wareloom.experiment.cells import OF_ARMS, OF_SYNTHESIS, Cells, decisive
from wareloom.experiment.jobs import shared
from wareloom.metrics import RequestMetric
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.proof.arms import CONTROLS, MIXED, NAIVE, REAL, REPEATED, SYNTHETIC, Plan
from wareloom.proof.queries_result import summarise_queries
from wareloom.proof.result import Proof
from wareloom.rankers.search.base import SearchRanker
from wareloom.sampling.generator import Generator
from wareloom.sampling.judgments import NOTHING, JudgmentPool, added, make_pool, real_rows
from wareloom.shop import Shop
from wareloom.shop.queries import labelled

NO_SYNTHESIZER = ""
"""There is no synthesizer of judgments that would do for every shop: it has to be named."""
UNLABELLED = Plan(
    controls=(REAL, NAIVE),
    references=(),
    left_out={
        REPEATED: "no query is labelled, so there is nothing to repeat",
        SYNTHETIC: "no query is labelled, so that all that is learned from is synthetic as it is",
    },
)
"""The arms where nobody judged anything: the ranker untaught, taught on runs of words of titles, and on what is
proved"""


@dataclass(frozen=True, kw_only=True)
class QueryProofSettings:
    """What is proved of search, and how hard."""

    generator: Generator = field(
        default_factory=lambda: Generator(synthesizer=NO_SYNTHESIZER, screens=())
    )
    """The synthesizer, whose samples have the table judgments. The screens look at events, so none is applied: rows on
    unknown items and of held-out queries are always taken."""
    ranker: str = "lambdamart"
    """The ranker of search that every arm trains."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=lambda: {"bm25": {}})
    """Other rankers of search, with their settings, that stand beside on real data alone, untaught where there is none.
    One that is there twice is told apart by what follows it: "fusion", "fusion (rrf)"."""
    members: bool = False
    """Whether the members of a ranker that is made of others are measured alone, too, on the whole catalogue."""
    split: SplitSettings = field(default_factory=lambda: SplitSettings(by="query"))
    labelled: int | None = None
    """How many queries of the training part people have judged, as far as ranker and synthesizer are told; None all of
    them. With 0 the ranker is compared with itself untaught, and with itself taught on runs of words of titles."""
    queries: int = 0
    """Synthetic queries that are mixed in; 0 goes by `ratios`. It has to be named where no query is labelled."""
    ratios: tuple[float, ...] = (0.5, 1.0)
    """Synthetic judgments for each real one; the best on the validation part is taken."""
    seeds: int = 3
    """How often everything that is random is drawn anew."""
    metrics: tuple[str, ...] = ("ndcg@10",)
    """What is measured on each query's judged items alone, by grade."""
    catalogue_metrics: tuple[str, ...] = ("recall@10", "recall@100")
    """What is measured with the whole catalogue ranked: ndcg by grade, all others by `relevant`. Items that nobody
    judged count as wrong there. A metric that `metrics` has too is called "ndcg@10, all items"."""
    decides: Literal["judged", "catalogue"] = "judged"
    """Whether the first of `metrics` or the first of `catalogue_metrics` decides."""
    gain: Gain = "linear"
    """What a grade is worth in ndcg: itself, or 2^grade - 1."""
    untold: bool = False
    """Whether queries count whose judged items all have one grade: among these every order is as good."""
    relevant: float = RELEVANT
    """The grade, of 0 to 3, from which an item is right in the whole catalogue."""
    guard: float = 0.05
    """Largest fall, relative, of the deciding metric in a slice beside which "helps" is still said."""
    effect: float | None = None
    """Relative lift, such as .02, of which the power is to be told; None tells it of the lift that was observed."""

    @property
    def measures(self) -> QueryMeasures:
        """What is measured of every ranker."""
        return QueryMeasures(
            metrics=self.metrics, catalogue_metrics=self.catalogue_metrics, members=self.members
        )

    @property
    def headline(self) -> str:
        """The metric that decides."""
        return (
            self.metrics[0]
            if self.decides == "judged"
            else self.measures.called(self.catalogue_metrics[0])
        )

    def check(self) -> None:
        """Raise `SettingError` or `UnknownNameError` for what could not work, before anything is computed."""
        if self.seeds < 1 or not self.ratios or min(self.ratios) <= 0 or not self.metrics:
            raise SettingError(
                "A proof of search needs at least one seed, one metric, and ratios above 0."
            )
        if self.queries < 0 or (self.labelled or 0) < 0:
            raise SettingError("labelled and queries are numbers of queries: give 0 or more.")
        if self.labelled == 0 and not self.queries:
            raise SettingError(
                "With no query labelled there is nothing to take a ratio of: set queries, such as 10000."
            )
        if self.decides == "catalogue" and not self.catalogue_metrics:
            raise SettingError(
                "decides='catalogue' needs a metric among catalogue_metrics, such as ndcg@10."
            )
        if not 0 <= self.guard <= 1:
            raise SettingError(
                f"guard={self.guard} is no share: give a number from 0 to 1, such as 0.05 for 5 %."
            )
        if self.effect is not None and not self.effect > 0:
            raise SettingError(
                f"effect={self.effect} is no lift: give a number above 0, such as 0.02 for 2 %."
            )
        if not 0 < self.relevant <= 3:
            raise SettingError(
                f"relevant={self.relevant} is no grade: give a number above 0, at most 3."
            )
        if self.split.by != "query":
            raise SettingError(
                f"A proof of search splits by query, not by {self.split.by}: one query's judgments must stay together."
            )
        if self.generator.members or self.generator.synthesizer == NO_SYNTHESIZER:
            raise SettingError(
                "A proof of search needs one synthesizer whose samples have the table judgments: name it "
                "(--with NAME, or --with package.module:Class for one of your own)."
            )
        if self.generator.mixer != "ratio" or self.generator.mixer_settings:
            raise SettingError(
                f"Judgments are mixed by their ratio alone; the mixer {self.generator.mixer!r} blends users' events."
            )
        self.generator.check()
        self._check_measures()

    def _check_measures(self) -> None:
        for name in (*self.metrics, *self.catalogue_metrics):
            if not isinstance(metric(name), RequestMetric):
                raise SettingError(
                    f"The metric {name!r} is no mean over queries: take one such as ndcg@10."
                )
        for name, values in {**self.baselines, self.ranker: self.ranker_settings}.items():
            if not isinstance(named(name, values), SearchRanker):
                raise SettingError(
                    f"The ranker {name!r} does not read queries: choose lambdamart or bm25."
                )


def prove_queries(
    shop: Shop, settings: QueryProofSettings | None = None, run: Run | None = None
) -> Proof:
    """Find out whether synthetic judgments make a ranker answer real held-out queries better.

    The split by query comes first; synthesizer, ranker and the choice of the ratio see the training and validation
    parts, the test part is read once at the end. The proof has the form of `wareloom.proof.prove`'s, its requests are
    queries. With `run.cache` finished cells are kept. Raises `InputError` where there are no judgments, where the
    synthesizer makes none, or where no query of a part has two items of different grades.
    """
    settings, run = settings or QueryProofSettings(), run or Run()
    settings.check()
    if not shop.rows("judgments"):
        raise InputError(
            "A proof of search needs the table 'judgments': grades that people gave items for queries."
        )
    with shared(prove_queries, shop, settings, run) as own:
        experiment = _Experiment(shop, settings, own)
        found = experiment.run()
    return summarise_queries(shop, settings, run.seed, experiment.plan, found)


class _Experiment:
    """One proof of search, from split to cells."""

    def __init__(self, shop: Shop, settings: QueryProofSettings, run: Run) -> None:
        self.settings, self.base = settings, run
        parts = split(shop, settings.split, None, run)
        train, validation, test = (part.in_memory() for part in parts)
        self.split = Split(labelled(train, settings.labelled, run), validation, test, parts.how)
        self.plan = (
            Plan(controls=CONTROLS, references=(), left_out={})
            if settings.labelled != 0
            else UNLABELLED
        )
        self.cells = Cells(
            run.cache, ["search", shop.fingerprint, run.seed, run.arithmetic], decisive(settings)
        )
        kind = named(settings.ranker, settings.ranker_settings)
        self.random, self.gradient = kind.random, kind.by_updates()
        self.pools: dict[int, JudgmentPool] = {}

    def run(self) -> dict[str, Any]:
        """Choose the ratio on validation data, then evaluate every arm and baseline on the test part."""
        choice = self._choose()
        # Here, while the first seed's pool is still at hand.
        synthetic = self.cells.get(["synthetic"], lambda: self._pool(0).told())
        task = self._task("test")
        ratio, settings = choice["ratio"], self.settings
        seeds = range(settings.seeds)
        asked = {
            (arm, seed): partial(self._cell, arm, seed, ratio, task, "test")
            for seed in seeds
            for arm in (MIXED, *(arm for arm in self.plan.arms if arm != MIXED))
        }
        beside = {
            name: partial(self._beside, name, values, task)
            for name, values in settings.baselines.items()
        }
        self.cells.ahead([*asked.values(), *beside.values()])
        cells = {(arm, seed): asked[arm, seed]() for seed in seeds for arm in self.plan.arms}
        baselines = {name: found() for name, found in beside.items()}
        return {
            "ties": "file",
            "split": self.split.how,
            "task": {
                "requests": len(task),
                "answers": len(task.item),
                "left_out": task.left_out,
                "repeats": True,
            },
            "choice": choice,
            "cells": cells,
            "baselines": baselines,
            "synthetic": synthetic,
        }

    def _choose(self) -> dict[str, Any]:
        """Evaluate each ratio with the first seed on the validation part; nothing is chosen where `queries` says it."""
        name = self.settings.headline
        if self.settings.queries:
            return {"ratio": 1.0, "metric": name, "tried": [], "real": None}
        task, ratios = self._task("validation"), self.settings.ratios
        asked = [partial(self._cell, MIXED, 0, ratio, task, "validation") for ratio in ratios]
        asked.append(partial(self._cell, REAL, 0, 0.0, task, "validation"))
        self.cells.ahead(asked)
        *found, real = (cell().overall[name] for cell in asked)
        tried = [
            {"ratio": ratio, "value": value} for ratio, value in zip(ratios, found, strict=True)
        ]
        best = max(tried, key=lambda entry: (entry["value"], -entry["ratio"]))
        return {"ratio": best["ratio"], "metric": name, "tried": tried, "real": real}

    def _task(self, part: str) -> QueryTask:
        of = self.settings
        return QueryTask.of(
            getattr(self.split, part), part, of.relevant, untold=of.untold, gain=of.gain
        )

    def _run(self, seed: int) -> Run:
        return self.base.with_(seed=self.base.seed_for("proof", seed))

    def _cell(self, arm: str, seed: int, ratio: float, task: QueryTask, part: str) -> Evaluation:
        """Train one arm with one seed and evaluate it."""

        def work() -> Evaluation:
            run = self._run(seed)
            model = named(self.settings.ranker, self.settings.ranker_settings)
            if untaught:
                model = model.untaught()
            elif self.gradient and arm != MIXED:
                mixed = self._cell(MIXED, seed, ratio, task, part)
                run = run.with_(updates=mixed.training["updates"])
            shop = self._data(arm, seed, ratio, run)
            with run.task(f"seed {seed}: {self.settings.ranker} on {arm}"):
                model.fit(shop, run)
            return evaluate_queries(
                model, task, self.settings.measures, run, shop.rows("judgments")
            )

        untaught = arm == REAL and self.settings.labelled == 0
        alone = 0 if arm == REAL and (untaught or not self.random) else seed
        untouched = OF_SYNTHESIS if arm == REAL and (untaught or not self.gradient) else ()
        return self.cells.get([part, arm, alone, 0.0 if arm == REAL else ratio], work, untouched)

    def _data(self, arm: str, seed: int, ratio: float, run: Run) -> Shop:
        """The training part with the judgments of an arm; all arms with added judgments have as many of them."""
        train = self.split.train
        if arm == REAL:
            return train
        pool = self._pool(seed)
        real = real_rows(train) if train.rows("judgments") else NOTHING
        rows = {REPEATED: pool.repeated, NAIVE: pool.naive}.get(arm, pool.kept)
        count = len(pool.kept) if self.settings.queries else ratio * len(real)
        more = added(rows, count, run.rng("judgments", "mix"))
        return train.with_tables(judgments=real.vstack(more) if arm in (*CONTROLS, MIXED) else more)

    def _pool(self, seed: int) -> JudgmentPool:
        """Synthetic judgments of one seed, enough for the largest ratio."""
        if seed not in self.pools:
            most = max(self.settings.ratios)
            pool = make_pool(
                self.settings.generator, self.split, most, self._run(seed), self.settings.queries
            )
            self.pools = {seed: pool}
        return self.pools[seed]

    def _beside(self, name: str, values: dict[str, Any], task: QueryTask) -> Evaluation:
        """Evaluate a ranker on real data alone."""

        def work() -> Evaluation:
            model = named(name, values)
            if self.settings.labelled == 0:
                model = model.untaught()
            model.fit(self.split.train, self._run(0))
            return evaluate_queries(
                model,
                task,
                self.settings.measures,
                self._run(0),
                self.split.train.rows("judgments"),
            )

        found: Evaluation = self.cells.get(["baseline", name, values], work, OF_ARMS)
        return found


def named(label: str, values: dict[str, Any]) -> SearchRanker:
    """Make the ranker that a label such as "fusion (rrf)" names."""
    made: SearchRanker = RANKERS.make(label.partition(" (")[0], **values)
    return made
