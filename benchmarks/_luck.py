"""A proof without training: what each user and each seed is worth is drawn, and the whole gate judges it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np

from wareloom.core.run import Run
from wareloom.evaluation.ranking import Evaluation
from wareloom.experiment.plan import MIXED
from wareloom.experiment.settings import ExperimentSettings
from wareloom.experiment.study import Asked, Cell, Study
from wareloom.preparing.splits import Split
from wareloom.rankers import Ranker
from wareloom.shop import Shop
from wareloom.stats.power import Spread

LUCK = "luck"


@dataclass(frozen=True, kw_only=True)
class LuckSettings(ExperimentSettings):
    """How many are asked, and what is drawn."""

    ranker: str = "popularity"
    """Not used: nothing is trained"""
    metrics: tuple[str, ...] = (LUCK,)
    """The metric that is drawn"""
    users: int = 200
    """Users who are asked; a difference between two arms varies by 1 between them"""
    share: float = 1.0
    """Variance of the mean difference that seeds add, over what users add"""
    gain: float = 0.0
    """True difference between real + synthetic and every control"""

    @property
    def spread(self) -> Spread:
        """The true variances of a difference between two arms."""
        seed = self.share * self.seeds / self.users
        return Spread(user=1.0, seed=seed, both=0.0, requests=self.users, seeds=self.seeds)


@dataclass(frozen=True)
class Users:
    """So many are asked."""

    count: int

    def __len__(self) -> int:
        return self.count

    def about(self) -> dict[str, Any]:
        """How many ask."""
        return {"requests": self.count, "answers": self.count, "left_out": 0, "repeats": 0}


@dataclass(frozen=True)
class Drawn:
    """In the place of a trained ranker: the name of its arm."""

    arm: str


class Luck(Study):
    """Whether the gate is taken in by luck."""

    kind: ClassVar[str] = LUCK
    settings_of: ClassVar[type[ExperimentSettings]] = LuckSettings
    settings: LuckSettings
    random, gradient, ratios = True, False, ()  # type: ignore[assignment]

    def prepare(self, mode: str) -> Split:
        """Nothing is split."""
        return Split(self.shop, self.shop, self.shop, {})

    def task(self, parts: Split, part: str) -> Asked:
        """The users."""
        return Users(self.settings.users)

    def pool(self, parts: Split, train: Shop, cell: Cell, run: Run) -> None:
        """Nothing is synthesised."""

    def training(self, cell: Cell, train: Shop, pool: Callable[[], Any], run: Run) -> Shop:
        """Nothing is trained."""
        raise NotImplementedError

    def reference(self, cell: Cell, pool: Callable[[], Any]) -> Ranker:
        """Only what the arm is called."""
        return cast(Ranker, Drawn(cell.arm))

    def evaluate(self, ranker: Any, task: Any, run: Run) -> Evaluation:
        """Each user's luck with an arm, the same in every seed, and the seed's luck, the same for every user."""
        arm, of = ranker.arm, self.settings.spread
        users = self.run.rng("users", arm).normal(0.0, (of.user / 2) ** 0.5, len(task))
        seed = run.rng("seed", arm).normal(0.0, (of.seed / 2) ** 0.5)
        values = users + seed + (self.settings.gain if arm == MIXED else 0.0)
        return Evaluation({f"{LUCK}/all": values}, {LUCK: float(np.mean(values))})

    def told(self, parts: Split, pool: Any) -> dict[str, Any]:
        """Nothing is made."""
        return {"synthetic": {"users": 0, "events": 0, "origin": LUCK, "screens": {}}, "curves": {}}
