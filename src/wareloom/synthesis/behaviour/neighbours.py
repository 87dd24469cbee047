"""Neighbours: shoppers that walk where one collaborative ranker would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Share, Size
from wareloom.rankers import Ranker
from wareloom.rankers.neighbourhood import Neighbourhood
from wareloom.shop import Log, Shop
from wareloom.synthesis.behaviour._tables import neighbourhood_of
from wareloom.synthesis.behaviour._teach import Draw, pack, teach
from wareloom.synthesis.behaviour._walk import Plan
from wareloom.synthesis.behaviour.markov import Markov


@dataclass(kw_only=True, eq=False)
class Neighbours(Markov):
    """Shoppers that walk where one ranker of behaviour would send them: item-kNN, EASE, ALS or transitions.

    Structure, clock and kinds of event are drawn as `markov` draws them. Each new item is one of the `top` best of the
    ranker for the walk so far, with probability ∝ score^(1 / temperature). Of EASE the `neighbours` highest weights of
    each item are walked (Steck 2019), of ALS the items of the nearest vectors by cosine (Hu, Koren and Volinsky 2008).
    It knows what the log says and nothing else: a stronger placebo than `markov` for a generator that knows more.
    """

    ranker: Literal["item_knn", "ease", "als", "transitions"] = "item_knn"
    """What is walked."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, where they are not the defaults."""
    neighbours: Size = 100
    """Items kept for each item of EASE and ALS."""
    top: Size = 20
    """Best items among which the next one is drawn."""
    temperature: Positive = 0.5
    """Below 1 the best items are drawn more often, above 1 all of the `top` alike."""
    uniform: Share = 0.0
    """Share of walks that begin anywhere in the catalogue instead of where real users begin."""

    def _check(self) -> None:
        RANKERS.make(self.ranker, **self.ranker_settings)

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn structure and clock as `markov` does, and the ranker; raises what the ranker raises."""
        super().fit(shop, run)
        run = run or Run()
        ranker: Ranker = RANKERS.make(self.ranker, **self.ranker_settings)
        # Nothing but the log is learned from, whatever the items say of themselves.
        ranker.fit(Log.of(shop), run)
        with run.limits():
            of = neighbourhood_of(ranker, self.neighbours)
        assert of is not None
        self.table_, self.forget_ = of.table, np.array([of.decay, of.last], dtype=np.float64)
        return self

    def _walked(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        seen, event = self._skeleton(plan, run)
        of = Neighbourhood(self.table_, float(self.forget_[0]), int(self.forget_[1]))
        knowledge = pack([(of, 1.0)], np.zeros(self.table_.shape[0], dtype=np.float32))
        draw = Draw(self._model().start, self.top, 1.0 / self.temperature, self.uniform)
        return teach(
            knowledge, plan, seen, draw, np.uint64(run.seed_for("neighbours", "items")), run.cores
        ), event
