"""Stack: any rankers added up, with weights that were learned on held-back events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Count, Size
from wareloom.errors import require
from wareloom.rankers import Ranker
from wareloom.rankers.candidates import climb_often
from wareloom.rankers.content.base import of_content
from wareloom.rankers.held import FEWEST, Held, hold_back
from wareloom.rankers.history import popularity, tail
from wareloom.rankers.members import fit_members, gather, member_scores, parted, prior
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class Stack(Ranker):
    """Add up the scores of several rankers and popularity.

    The members are fitted without the last events of some users; the weights are those under which the sum ranks these
    events highest (coordinate ascent on the metric itself); then the members are fitted anew on all. Where events are
    held out of everything (`Ranker.fit`, `held`), the members are fitted once; one half of these events stops the
    training of networks, the other gives the weights; without networks, all of them do. Each member's scores count as
    they are, in units of the mean of its highest, so that a member that knows little of a request says little. A member
    that the shop gives nothing to learn from, such as text, is left out; `left_out_` says why.

    Synthetic rows and soft labels teach the members that `real_alone` does not name.

    Time: each member is fitted twice, what hangs on the items alone once. Memory: members × requests a block × items.
    """

    keeps: ClassVar[Keeps] = "counts"
    soft: ClassVar[bool] = True
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )

    members: tuple[str, ...] = ("transitions", "item_knn", "text_knn", "attributes")
    """The rankers that are added up. A second one of the same ranker is called "sasrec (text)": what stands in brackets
    only tells it apart."""
    member_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by member, where they are not the defaults."""
    real_alone: tuple[str, ...] = ()
    """Members that learn from the real rows alone, where there are synthetic ones or soft labels."""
    weights: dict[str, float] = field(default_factory=dict)
    """Weights by member, and of "popularity"; where none is given they are learned."""
    candidates: Size = 100
    """Items of each member that take part in the learning of the weights."""
    held: Count = 5_000
    """Users, at most, whose last events the weights are learned from."""
    halves: Size = 1
    """Random halves of them whose weights are averaged, to steady what few users say; 1 learns from all at once."""

    def _check(self) -> None:
        different = len({*self.members}) == len(self.members) > 0
        require("stack", "members", self.members, different, "different rankers")
        others = "stack" not in {name.partition(" (")[0] for name in self.members}
        require("stack", "members", self.members, others, "rankers other than itself")
        known = {*self.members, "popularity"}
        wanted = f"names among {sorted(known)}"
        require("stack", "weights", self.weights, {*self.weights} <= known, wanted)
        named = {*self.member_settings} <= known
        require("stack", "member_settings", self.member_settings, named, wanted)
        mine = {*self.real_alone} <= {*self.members}
        wanted = f"names among {sorted(self.members)}"
        require("stack", "real_alone", self.real_alone, mine, wanted)

    def of_behaviour(self) -> dict[str, Any]:
        """Its settings without the members that go by what items are; transitions where no other is left."""
        left = {m for m in self.members if of_content(RANKERS.load(m.partition(" (")[0]))}
        kept = tuple(name for name in self.members if name not in left) or ("transitions",)
        settings: dict[str, Any] = {**self.settings(), "members": kept}
        for name in ("member_settings", "weights"):
            settings[name] = {k: v for k, v in settings[name].items() if k not in left}
        settings["real_alone"] = tuple(name for name in self.real_alone if name in kept)
        return settings

    def takes_labels(self) -> bool:
        """Whether a member takes them that is not taught by real rows alone."""
        taught = (name for name in self.members if name not in self.real_alone)
        return any(RANKERS.load(name.partition(" (")[0]).soft for name in taught)

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        asked = {name: self.member_settings.get(name, {}) for name in self.members}
        if self._held is None:
            scale, weights, before = self._learn(asked, log, shop, run)
            self.members_, self.left_out_ = self._fitted(asked, log, shop, run, before)
        else:
            stopping, weighing = parted(self._held, asked, run)
            self.members_, self.left_out_ = self._fitted(asked, log, shop, run, held=stopping)
            scale, weights = self._weigh(self.members_, weighing.draw(self.held, run), log, run)
        self._put_together(log, scale, weights)

    def of(self, members: dict[str, Ranker], log: Log, held: Held, run: Run) -> Self:
        """Put fitted members together, with weights learned on what is held out of `log`; see `Ranker.fit`.

        Networks among them were stopped by the first of `held.halves(run)`; see `parted` for what is looked at here.
        """
        self._forget()
        self.items_ = log.items.ids
        self.members_, self.left_out_ = members, {}
        with run.limits():
            _, weighing = parted(held.into(log.items), members, run)
            scale, weights = self._weigh(members, weighing.draw(self.held, run), log, run)
            self._put_together(log, scale, weights)
        return self

    def _put_together(self, log: Log, scale: dict[str, float], weights: dict[str, float]) -> None:
        self.popularity_ = popularity(self._real(log))
        names = [*self.members_, "popularity"]
        self.scale_ = {name: float(scale.get(name, 1.0)) for name in names}
        self.weights_ = {name: float(weights.get(name, 0.0)) for name in names}
        taken = [ranker.updates for ranker in self.members_.values() if ranker.updates is not None]
        if taken:
            self.updates_ = max(taken)
            self.steps_ = max(ranker.steps or 0 for ranker in self.members_.values())

    def _real(self, log: Log) -> Log:
        """The events whose popularity counts: the real ones where some members learn from these alone."""
        return log.keep(log.real) if self.real_alone and log.real.any() else log

    def _fitted(
        self,
        asked: dict[str, dict[str, Any]],
        log: Log,
        shop: Shop | None,
        run: Run,
        before: dict[str, Ranker] | None = None,
        held: Held | None = None,
    ) -> tuple[dict[str, Ranker], dict[str, str]]:
        return fit_members(asked, log, shop, run, before, real_alone=self.real_alone, held=held)

    def _learn(
        self, asked: dict[str, dict[str, Any]], log: Log, shop: Shop | None, run: Run
    ) -> tuple[dict[str, float], dict[str, float], dict[str, Ranker]]:
        """Scale and weight by member, alike for all where there is too little to hold back; and who told of them."""
        parted = hold_back(log, self.held, run)
        if parted is None or len(parted[0]) == 0:
            return {}, self.weights or dict.fromkeys(asked, 1.0), {}
        rest, held = parted
        fitted, _ = self._fitted(asked, rest, shop, run)
        return (*self._weigh(fitted, held, rest, run), fitted)

    def _weigh(
        self, fitted: dict[str, Ranker], held: Held, log: Log, run: Run
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Scale and weight by member from events that were held out of `log`; alike for all where they are too few."""
        names = [*fitted, "popularity"]
        if len(held) < FEWEST:
            return {}, self.weights or dict.fromkeys(fitted, 1.0)
        popular = prior(popularity(self._real(log)))
        found, scale = gather(fitted, held, popular, self.candidates)
        if self.weights:
            return dict(zip(names, scale, strict=True)), self.weights
        learned = climb_often(found, self.halves, run.rng("stack", "halves"))
        return dict(zip(names, scale, strict=True)), dict(zip(names, learned, strict=True))

    def _score(self, requests: Requests) -> np.ndarray:
        total = np.tile(self.weights_["popularity"] * prior(self.popularity_), (len(requests), 1))
        told = np.zeros(total.shape, dtype=bool)
        active = {name: ranker for name, ranker in self.members_.items() if self.weights_[name] > 0}
        for name, ranker in active.items():
            scores = member_scores({name: ranker}, requests)[name]
            told |= scores > 0
            total += np.float32(self.weights_[name] / self.scale_[name]) * scores
        return np.where(told, total, tail(self.popularity_))
