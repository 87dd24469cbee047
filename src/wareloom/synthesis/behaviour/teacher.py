"""Teacher: knowledge that the log alone lacks, such as what products are, turned into shoppers."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Count, Positive, Share, Size
from wareloom.errors import SettingError
from wareloom.rankers import Ranker
from wareloom.rankers.members import prior
from wareloom.rankers.neighbourhood import highest
from wareloom.shop import Shop
from wareloom.synthesis.behaviour._tables import neighbourhood_of
from wareloom.synthesis.behaviour._teach import Draw, Knowledge, pack, teach
from wareloom.synthesis.behaviour._walk import Plan
from wareloom.synthesis.behaviour.markov import Markov
from wareloom.synthesis.translation import translated

FEW = 200
"""Neighbours that are walked of members that are not tables themselves, `ease` and `als`, where no number is given"""


@dataclass(kw_only=True, eq=False)
class Teacher(Markov):
    """Shoppers that walk where an ensemble of rankers would send them.

    The ensemble adds up what follows what, what is bought together and what reads alike; its weights are learned on
    held-back events of the training part (the ranker `stack`). How many events a shopper has, when, of which kind, and
    which of them are on one item, is drawn as `markov` draws it; each new item is drawn among the `top` best of the
    ensemble for the walk so far, with probability ∝ score^(1 / temperature). Walks of text go where no click has gone
    yet, which is what a ranker can learn from them.

    Other shops may teach, too: what their shoppers do is translated into this shop's items by text, and learned from
    beside this shop's own events, of which there may be none. Their catalogues must share words, or an embedder.
    """

    knows: ClassVar[frozenset[str]] = frozenset({"behaviour", "text"})

    members: tuple[str, ...] = ("transitions", "item_knn", "text_knn")
    """The rankers of the ensemble; each must add up rows of a table over the history, as transitions, item_knn, ease,
    als, text_knn, image_knn and complements do. Of ease and als only each item's highest neighbours are walked."""
    member_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by member, where they are not the defaults."""
    weights: dict[str, float] = field(default_factory=dict)
    """Weights by member, and of "popularity"; where none is given they are learned."""
    neighbours: Count = 0
    """Highest entries of each row of the members' tables that a walk adds up; 0 takes all. A hundred walk twice
    as fast, and teach a little less: what several events hint at weakly is lost."""
    top: Size = 20
    """Best items among which the next one is drawn."""
    temperature: Positive = 0.3
    """Below 1 the best items are drawn more often, above 1 all of the `top` alike."""
    uniform: Share = 0.3
    """Share of walks that begin anywhere in the catalogue instead of where real users begin."""

    other_shops: tuple[str, ...] = ()
    """Folders of other shops that are learned from as well, through the texts of their items and these."""
    other_weight: Positive = 1.0
    """What an event of another shop weighs beside one of this shop's."""
    alike: Size = 5
    """Items here that read most like one of another shop, among which its translation is drawn."""

    def _check(self) -> None:
        self._stack()

    def _stack(self) -> Ranker:
        name, values = self.ensemble()
        made: Ranker = RANKERS.make(name, **values)
        return made

    def ensemble(self) -> tuple[str, dict[str, Any]]:
        """See `Synthesizer.ensemble`: the stack of its members."""
        names = ("members", "member_settings", "weights")
        return "stack", {name: getattr(self, name) for name in names}

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn structure and clock as `markov` does, and the ensemble with its weights; other shops are opened."""
        run = run or Run()
        shop = self._with_others(shop, run)
        super().fit(shop, run)
        vars(self).pop("_knowledge", None)
        self.ensemble_ = {"stack": self._stack().fit(shop, run)}
        for name, ranker in self.ensemble_["stack"].members_.items():  # type: ignore[attr-defined]
            if neighbourhood_of(ranker, 1) is None:
                raise SettingError(
                    f"teacher: the member {name!r} adds up no table, so that walks cannot be drawn from it; "
                    "transitions, item_knn, ease, als, text_knn, image_knn and complements can."
                )
        return self

    def draws_on(self) -> frozenset[str]:
        """What it draws on: other shops and what a language model knows are of the world; pictures where a member looks
        at them."""
        world = bool(self.other_shops) or "complements" in self.members
        more = {"world": world, "images": "image_knn" in self.members}
        return self.knows | {what for what, there in more.items() if there}

    def _with_others(self, shop: Shop, run: Run) -> Shop:
        """The shop with translated events of the other shops beside its own, under names of their own."""
        if not self.other_shops:
            return shop
        parts = [shop.table("events")] if shop.has("events") else []
        embedder = self.member_settings.get("text_knn", {}).get("embedder", "tfidf")
        draw = self.alike, 1.0 / self.temperature
        for number, folder in enumerate(self.other_shops):
            with run.limits(), run.task(f"teacher: what shoppers of {folder} would do here"):
                seed = run.with_(seed=run.seed_for("teacher", "other shop", number))
                events = translated(Shop.open(folder), shop, embedder, draw, seed)
            keys = [name for name in ("user_id", "session_id") if name in events.columns]
            named = [pl.format("other-{}/{}", pl.lit(number), name).alias(name) for name in keys]
            weight = pl.col("weight") * self.other_weight
            parts.append(events.with_columns(*named, weight=weight, origin=pl.lit(self.origin)))
        return shop.with_tables(events=pl.concat(parts, how="diagonal_relaxed"))

    def as_ranker(self) -> Ranker:
        """Return the ensemble, fitted."""
        self.check_fitted()
        return self.ensemble_["stack"]

    @cached_property
    def _knowledge(self) -> Knowledge:
        """All tables of the ensemble, laid out once: a live session has no time for it."""
        stack: Any = self.ensemble_["stack"]
        parts = []
        for name, ranker in stack.members_.items():
            if stack.weights_[name] > 0:
                known = neighbourhood_of(ranker, self.neighbours or FEW)
                assert known is not None
                table = highest(known.table, self.neighbours) if self.neighbours else known.table
                parts.append(
                    (known._replace(table=table), stack.weights_[name] / stack.scale_[name])
                )
        return pack(parts, stack.weights_["popularity"] * prior(stack.popularity_))

    def _walked(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        seen, event = self._skeleton(plan, run)
        draw = Draw(self._model().start, self.top, 1.0 / self.temperature, self.uniform)
        seed = np.uint64(run.seed_for("teacher", "items"))
        return teach(self._knowledge, plan, seen, draw, seed, run.cores), event
