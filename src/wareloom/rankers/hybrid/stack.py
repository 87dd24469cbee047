"""Stack: any rankers added up, with weights that were learned on held-back events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Count, Size
from wareloom.errors import require
from wareloom.rankers import Ranker
from wareloom.rankers.candidates import climb
from wareloom.rankers.history import popularity, tail
from wareloom.rankers.members import fit_members, gather, hold_back, member_scores, prior
from wareloom.shop import Log, Requests, Shop


@dataclass(kw_only=True, eq=False)
class Stack(Ranker):
    """Add up the scores of several rankers and popularity.

    The members are fitted without the last events of some users; the weights are those under which the sum ranks these
    events highest (coordinate ascent on the metric itself); then the members are fitted anew on all. Each member's
    scores count as they are, in units of the mean of its highest, so that a member that knows little of a request says
    little. A member that the shop gives nothing to learn from, such as text, is left out; `left_out_` says why.

    Time: each member is fitted twice, what hangs on the items alone once. Memory: members × requests a block × items.
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )

    members: tuple[str, ...] = ("transitions", "item_knn", "text_knn", "attributes")
    """The rankers that are added up."""
    member_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by member, where they are not the defaults."""
    weights: dict[str, float] = field(default_factory=dict)
    """Weights by member, and of "popularity"; where none is given they are learned."""
    candidates: Size = 100
    """Items of each member that take part in the learning of the weights."""
    held: Count = 5_000
    """Users, at most, whose last events the weights are learned from."""

    def _check(self) -> None:
        different = len({*self.members}) == len(self.members) > 0
        require("stack", "members", self.members, different, "different rankers")
        others = "stack" not in self.members
        require("stack", "members", self.members, others, "rankers other than itself")
        known = {*self.members, "popularity"}
        wanted = f"names among {sorted(known)}"
        require("stack", "weights", self.weights, {*self.weights} <= known, wanted)
        named = {*self.member_settings} <= known
        require("stack", "member_settings", self.member_settings, named, wanted)

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        asked = {name: self.member_settings.get(name, {}) for name in self.members}
        scale, weights, before = self._learn(asked, log, shop, run)
        self.members_, self.left_out_ = fit_members(asked, log, shop, run, before)
        self.popularity_ = popularity(log)
        names = [*self.members_, "popularity"]
        self.scale_ = {name: float(scale.get(name, 1.0)) for name in names}
        self.weights_ = {name: float(weights.get(name, 0.0)) for name in names}

    def _learn(
        self, asked: dict[str, dict[str, Any]], log: Log, shop: Shop | None, run: Run
    ) -> tuple[dict[str, float], dict[str, float], dict[str, Ranker]]:
        """Scale and weight by member, alike for all where there is too little to hold back; and who told of them."""
        held = hold_back(log, self.held, run)
        if held is None or len(held.rest) == 0:
            return {}, self.weights or dict.fromkeys(asked, 1.0), {}
        fitted, _ = fit_members(asked, held.rest, shop, run)
        found, scale = gather(fitted, held, prior(popularity(held.rest)), self.candidates)
        names = [*fitted, "popularity"]
        learned = self.weights or dict(zip(names, climb(found), strict=True))
        return dict(zip(names, scale, strict=True)), learned, fitted

    def _score(self, requests: Requests) -> np.ndarray:
        total = np.tile(self.weights_["popularity"] * prior(self.popularity_), (len(requests), 1))
        told = np.zeros(total.shape, dtype=bool)
        active = {name: ranker for name, ranker in self.members_.items() if self.weights_[name] > 0}
        for name, ranker in active.items():
            scores = member_scores({name: ranker}, requests)[name]
            told |= scores > 0
            total += np.float32(self.weights_[name] / self.scale_[name]) * scores
        return np.where(told, total, tail(self.popularity_))
