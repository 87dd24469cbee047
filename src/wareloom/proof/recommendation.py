"""The proof of recommendation: one ranker trained on every arm, all judged on the same held-out requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.family import MIXERS, RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Share
from wareloom.errors import InputError, SettingError
from wareloom.evaluation.ranking import DEFAULT_METRICS, Evaluation, evaluate, metric
from wareloom.evaluation.tasks import Task, build_task
from wareloom.experiment.plan import FEATURES, FEATURES_MIXED, REAL, TEACHER, Plan
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Cell, Study
from wareloom.preparing.splits import Split
from wareloom.proof.arms import labeller, plan, training_data
from wareloom.proof.curves import curves
from wareloom.proof.ties import TIES, orders, with_dealt_ties
from wareloom.rankers import Ranker
from wareloom.rankers.held import Held
from wareloom.sampling.generator import Pool
from wareloom.shop import Log, Shop
from wareloom.shop.keeps import worst

BASELINES = ("popularity", "personal", "transitions", "item_knn", "ease")
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Shares of the training users of a learning curve, where none are named"""


@dataclass(frozen=True, kw_only=True)
class ProofSettings(ExperimentSettings):
    """What is proved of recommendation, and how hard."""

    ranker: str = "transitions"
    """The ranker that every arm trains."""
    baselines: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: {} for name in BASELINES}
    )
    """Strong rankers, with their settings, that stand beside on real data alone."""
    metrics: tuple[str, ...] = DEFAULT_METRICS
    """The first is the one that decides."""
    repeats: Literal["auto", "rank", "mask"] = "auto"
    """Whether items of the history are ranked again: where the log repeats, always, or never."""
    ties: tuple[TIES, ...] = ("shuffled", "file")
    """How events of one user and one time are ordered; the first decides. One is enough where there are no ties."""
    features: str = "tfidf"
    """What the arm "real, features" sets the ranker's `text` to, where the generator knows text."""
    shares: tuple[Share, ...] | Literal["auto"] = ()
    """Shares of the training users at which the lift is measured too; "auto" takes 5, 10, 20, 50 and 100 %."""
    lift_by_ratio: bool = False
    """Whether the lift of every ratio is measured on the validation part, with all seeds."""
    leave_out: bool = False
    """Whether a generator of several synthesizers is tried without each of them."""

    longer: NonNegative = 0.0
    """How many times the updates the deciding arms take once more, such as 3; 0 asks nothing of it."""
    references: bool = True
    """Whether other uses of the same knowledge stand beside: direct labels, features, the generator as a ranker."""

    @property
    def curve(self) -> tuple[float, ...]:
        """The shares of the learning curve, in rising order."""
        return SHARES if self.shares == "auto" else tuple(sorted(self.shares))

    def _check(self) -> None:
        super()._check()
        if not self.ties:
            raise SettingError("A proof needs an order of ties: shuffled or file.")
        if any(share == 0 for share in self.curve):
            raise SettingError(f"Shares of the training users lie above 0, not {self.shares}.")
        if self.leave_out and len(self.generator.named()) < 2:
            raise SettingError(
                "leave_out needs a generator of at least two synthesizers: there is nothing to leave."
            )

    def check(self) -> None:
        """See `ExperimentSettings.check`; metrics have to judge rankings."""
        super().check()
        for name in self.metrics:
            metric(name)


class Recommendation(Study):
    """Whether synthetic behaviour lifts a ranker that is asked for what a user wants next."""

    kind: ClassVar[str] = "recommendation"
    settings_of: ClassVar[type[ExperimentSettings]] = ProofSettings
    settings: ProofSettings

    def check(self) -> None:
        """Raise `InputError` where there is no behaviour."""
        if not self.shop.has("events"):
            raise InputError(
                "A proof needs the table 'events': without it there is no behaviour to hold out."
            )

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """The orders of ties that were asked for; one where no user has two events of one time."""
        return orders(self.shop, self.settings.ties)

    def stream(self, mode: str) -> str:
        """Each order of ties has random numbers of its own."""
        return mode

    def plan(self) -> Plan:
        """The arms that apply to the generator and the ranker."""
        of = self.settings
        return plan(of.generator, of.ranker, of.ranker_settings, references=of.references)

    def prepare(self, mode: str) -> Split:
        """Split the shop with its ties "shuffled" or in the order of the "file"."""
        return super().prepare(mode) if mode == "file" else with_dealt_ties(self)

    def task(self, parts: Split, part: str) -> Task:
        """The requests of the part."""
        return build_task(parts, part, self.settings.repeats)

    def held(self, parts: Split) -> Held:
        """The validation part, which is in no arm's training."""
        return self.task(parts, "validation").held()

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> Pool:
        """Synthetic shoppers, and the controls' that are drawn when they are asked for."""
        generator = self.settings.generator
        most = max(self.settings.ratios) * generator.supply
        users = int(np.ceil(most * 1.1 * len(Log.of(train).users))) + 1
        if cell.without:
            generator = generator.without(cell.without)
        return generator.pool(train, parts.held_out(), users, run)

    def training(self, cell: Cell, train: Shop, pool: Callable[[], Pool], run: Run) -> Shop:
        """The real events with those that the arm adds."""
        return training_data(self.settings.generator, cell.arm, train, pool, cell.ratio, run)

    def ranker(self, cell: Cell) -> Ranker:
        """The ranker; with the text as features in the arm of that name."""
        featured = cell.arm in (FEATURES, FEATURES_MIXED)
        own = {"text": self.settings.features} if featured else {}
        made: Ranker = RANKERS.make(self.settings.ranker, **self.settings.ranker_settings | own)
        return made

    def reference(self, cell: Cell, pool: Callable[[], Pool]) -> Ranker | None:
        """The generator itself as a ranker, in the arm of that name."""
        return pool().teachers[0].as_ranker() if cell.arm == TEACHER else None

    def evaluate(self, ranker: Ranker, task: Task, run: Run) -> Evaluation:
        """Rank the whole catalogue for every request."""
        return evaluate(ranker, task, self.settings.metrics, run)

    @property
    def beside(self) -> dict[str, dict[str, Any]]:
        """The baselines; after a split by time, with what is gained by naming items that nobody has had at random."""
        own = self.settings.baselines
        how = self.settings.split.by if self.parts is None else self.parts.how["settings"]["by"]
        return {**own, "newcomers": {}} if own and how == "time" else own

    def told(self, parts: Split, pool: Callable[[], Pool]) -> dict[str, Any]:
        """How much the generator made, what the screens took of it, and how it looks beside the real log."""
        if not MIXERS.load(self.settings.generator.mixer).draws:
            origin = f"labels of {labeller(self.settings.generator)[0]}"
            none = {"users": 0, "events": 0, "screens": {}, "sampling": {}, "origin": origin}
            return {"synthetic": none}
        made = pool()
        screened, kept = made.screened, made.screened.kept
        origins = kept.scan("events").select("origin").unique(maintain_order=True).collect()
        return {
            "synthetic": {
                "users": len(Log.of(kept).users),
                "events": kept.rows("events"),
                "screens": screened.report,
                "sampling": screened.sampling,
                "origin": ", ".join(origins.to_series().to_list()),
                "keeps": worst(kept.keeps),
            },
            "curves": curves({REAL: parts.train, "synthetic": kept, "naive": made.naive}),
        }
