"""What a kind of proof has to say; the engine does the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from wareloom.core.run import Run
from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment.plan import (
    ANYWHERE,
    BEHAVIOUR_LABELS,
    DIRECT,
    FEATURES,
    FEATURES_MIXED,
    PLACEBO,
    REAL,
    REPEATED,
    TEACHER,
    Plan,
)
from wareloom.experiment.settings import ExperimentSettings, make
from wareloom.preparing.splits import Split, split, together
from wareloom.rankers import Ranker
from wareloom.rankers.held import Held
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key

PARTED = ("events", "searches", "judgments")
"""Tables whose rows a split parts"""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training of an experiment: an arm with one seed, judged on one part."""

    arm: str
    seed: int
    ratio: float = 0.0
    """Synthetic rows for each real one"""
    share: float = 1.0
    """Part of the training users that generator and ranker are shown"""
    without: str = ""
    """The member of the generator that is left out"""
    longer: float = 1.0
    """Gradient updates in multiples of those that all arms take"""
    part: str = "test"
    """"validation" or "test\""""


class Asked(Sized, Protocol):
    """What a held-out part asks: a number of requests, and what is said of them."""

    def about(self) -> dict[str, Any]:
        """What `proof.json` says of the part: requests, answers, left_out, repeats, and more."""
        ...


@dataclass(frozen=True)
class Words:
    """The words of a kind of proof, for those who do not know the experiment."""

    askers: str = "shoppers"
    """Who or what is asked, and what is synthesised"""
    purpose: str = ""
    """What synthetic data helps to do, such as " to predict clicks\""""
    arms: Mapping[str, str] = field(
        default_factory=lambda: {
            REAL: "real data alone",
            REPEATED: "the real data repeated",
            "real + naive": "naive data drawn from popularity",
            PLACEBO: "a generator that knows behaviour alone",
            ANYWHERE: "such walks that begin anywhere in the catalogue",
            DIRECT: "direct labels of the same knowledge, no shopper synthesised",
            BEHAVIOUR_LABELS: "direct labels of behaviour alone",
            FEATURES: "the ranker with the text as features",
            FEATURES_MIXED: "synthetic data and the text as features",
            TEACHER: "the generator itself as a ranker",
        }
    )
    """What the arms are called"""


class Study(ABC):
    """One kind of proof over one shop: how it splits, synthesises, trains and judges.

    The engine lists the cells, has them computed, chooses the ratio and compares. A kind is one file with one subclass:

        class Dialogues(Study):
            kind, settings_of = "dialogues", DialogueSettings
            def task(self, parts, part): ...
            def pool(self, parts, train, cell, run): ...
            def training(self, cell, train, pool, run): ...
            def evaluate(self, ranker, task, run): ...
            def told(self, parts, pool): ...
    """

    kind: ClassVar[str]
    settings_of: ClassVar[type[ExperimentSettings]]
    rows: ClassVar[str] = "events"
    """The table that arms are trained on"""
    turned: ClassVar[bool] = False
    """Whether evaluations hold means with their sign turned, since less is better and more has to be"""
    counted: ClassVar[tuple[str, ...]] = ()
    """What `about` counts beside requests, of which the power, too, says how many it takes"""
    default_split: ClassVar[str] = "time"

    def __init__(
        self, shop: Shop, settings: ExperimentSettings, run: Run, parts: Split | None = None
    ) -> None:
        """`parts`: the shop split already, where it is; then its settings are those that count."""
        self.shop, self.settings, self.run, self.parts = shop, settings, run, parts

    def check(self) -> None:  # noqa: B027
        """Raise `InputError` where the shop lacks what is judged."""

    @property
    def stamp(self) -> list[str]:
        """What decides the cells beside shop, settings and seed, such as the fingerprints of other shops."""
        return []

    @cached_property
    def modes(self) -> tuple[str, ...]:
        """Orders of the events of one time in which all is done; the first decides."""
        return ("file",)

    @property
    def words(self) -> Words:
        """How a person is told of it."""
        return Words()

    def plan(self) -> Plan:
        """Which arms there are."""
        return Plan()

    def stream(self, mode: str) -> str:
        """What the bootstrap's random numbers are drawn for."""
        return self.kind

    def better(self) -> dict[str, str]:
        """ "higher" or "lower" by metric."""
        return dict.fromkeys(self.settings.metrics, "higher")

    def prepare(self, mode: str) -> Split:
        """Split the shop, its events of one time in the order that `mode` names, into parts held in memory."""
        parts = self.parts or split(self.shop, self.settings.split, None, self.run)
        train, validation, test = (part.in_memory() for part in parts)
        return Split(train, validation, test, parts.how)

    def enlarged(self, parts: Split) -> Split:
        """The parts with the validation part among what is learned from, for a model that is kept."""
        train = together([parts.train, parts.validation]).in_memory()
        validation = parts.validation
        empty = {n: validation.table(n).head(0) for n in PARTED if validation.has(n)}
        return replace(parts, train=train, validation=validation.with_tables(**empty))

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ratios among which one is chosen on the validation part; none where nothing is chosen."""
        return self.settings.ratios

    @cached_property
    def random(self) -> bool:
        """Whether the seed changes what a ranker learns from the same data."""
        return bool(self._made().random)

    @cached_property
    def gradient(self) -> bool:
        """Whether the ranker may learn by gradient updates, so that arms have to take equal numbers of them."""
        return self.random

    def _made(self) -> Ranker:
        made: Ranker = make(self.settings.ranker, self.settings.ranker_settings)
        return made

    @abstractmethod
    def task(self, parts: Split, part: str) -> Asked:
        """What the "validation" or "test" part asks."""

    @abstractmethod
    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> Any:
        """Synthetic data of one seed, screened, enough for the largest ratio; `train`: what the generator is shown."""

    @abstractmethod
    def training(self, cell: Cell, train: Shop, pool: Callable[[], Any], run: Run) -> Shop:
        """Return the training data of an arm; all arms with added data have as much of it."""

    def held(self, parts: Split) -> Held | None:
        """What arms stop their training by: in none of what any of them, or a generator, learned from.

        None leaves it to the rankers, which hold a part of their own data back.
        """
        return None

    def held_of(self, held: Held | None, whole: Shop, train: Shop, run: Run) -> Held | None:
        """The part of `held` that a shop has which has `train` of the `whole` training part."""
        return held

    def ranker(self, cell: Cell) -> Ranker:
        """Make what the arm trains."""
        return self._made()

    def fit(self, cell: Cell, data: Shop, held: Held | None, run: Run) -> Ranker:
        """Train what `ranker` makes; a study may share parts of it between arms, where the outcome is the same."""
        return self.ranker(cell).fit(data, run, held=held)

    def reference(self, cell: Cell, pool: Callable[[], Any]) -> Ranker | None:
        """Return the arm's ranker where it is trained already, such as the generator itself."""
        return None

    @abstractmethod
    def evaluate(self, ranker: Ranker, task: Any, run: Run) -> Evaluation:
        """Measure a ranker on what a part asks."""

    def updates_of(self, ranker: Ranker) -> int | None:
        """Gradient updates that the last training planned; None where it takes none."""
        return ranker.updates

    def steps_of(self, ranker: Ranker) -> int | None:
        """Those after which it stopped, which may be earlier."""
        return ranker.steps

    def of_training(self, ranker: Ranker) -> dict[str, Any]:
        """What else `training` in `proof.json` says of a trained ranker, as JSON values."""
        return {}

    @property
    def beside(self) -> dict[str, dict[str, Any]]:
        """Rankers that stand beside on real data alone, with their settings."""
        return self.settings.baselines

    def baseline(
        self, name: str, train: Shop, task: Any, held: Held | None, run: Run
    ) -> Evaluation:
        """Train one of `beside` on real data alone, and measure it on the test part, `task`."""
        ranker = make(name, self.beside[name]).fit(train, run, held=held)
        return self.evaluate(ranker, task, run)

    @abstractmethod
    def told(self, parts: Split, pool: Callable[[], Any]) -> dict[str, Any]:
        """What `proof.json` says of the synthetic data: "synthetic", and "curves" where it is drawn beside the real."""

    def beyond(
        self, cells: Mapping[tuple[str, int], Evaluation]
    ) -> dict[str, list[dict[str, Any]]]:
        """What "explored" says that this kind alone has, from the cells by arm and seed on the test part."""
        return {}

    def sentences(self, data: Mapping[str, Any]) -> list[str]:
        """What the story says among its references that this kind alone has; `data`: what `proof.json` holds."""
        return []

    def share_of(self, train: Shop, share: float, run: Run) -> Shop:
        """Return the events of a share of the users, those of a smaller share among those of a larger one."""
        if share >= 1.0:
            return train
        events = train.scan("events")
        owners = events.select(user_key(events).unique(maintain_order=True)).collect().to_series()
        order = run.rng("share").permutation(len(owners))
        kept = owners.gather(np.sort(order[: max(1, round(share * len(owners)))]))
        return train.with_tables(
            events=events.filter(user_key(events).is_in(kept.implode())).collect()
        )
