"""Clicks, carts, purchases and ratings learned at once, and ranked by several aims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import InputError, require
from wareloom.neural.weights import loaded
from wareloom.rankers.clicks import calibration as calibration_
from wareloom.rankers.clicks.base import ClickRanker, nothing_known
from wareloom.rankers.clicks.network import BLIND, Batches, ClickNetwork, begin_with_text, logits
from wareloom.rankers.clicks.rows import ClickQuery, Encoded, Examples, Rows
from wareloom.rankers.learned._aims import Aims, relevance
from wareloom.rankers.learned._experts import Experts, Lesson, Shape, columns, teach
from wareloom.rankers.learned._tasks import DEPTHS, TASKS, depths, ratings, steps
from wareloom.rankers.named import named_weights, worths
from wareloom.shop import Requests, Shop
from wareloom.shop.impressions import CLICK
from wareloom.shop.schema import INTERACTIONS


@dataclass(kw_only=True, eq=False)
class Multitask(ClickNetwork, ClickRanker):
    """Learn what becomes of an item in a session, click, cart, purchase and rating, by shared experts and a head each.

    A row is positive for a step where its item was chosen and came that far in the session, or beyond: a purchase is a
    cart is a click. Steps at which nothing stays in this shop, and a rating that it does not have, are left out;
    `tasks_` names those that were learned. Where impressions have no clicks, any interaction counts as one. Ratings are
    learned from chosen rows by squared error. Each loss is divided by that of knowing nothing but the share, so that a
    weight means the same for a rare task as for a common one. MMoE: Ma, Zhao et al. (2018); ESMM: Ma, Zhao, Huang et
    al. (2018).

    Aims beside the tasks, in `objective`: margin=m trains with positives of weight worth^m, so that learned odds are
    those of being chosen times worth^m (Covington et al. 2016), and ranks by the same. novelty=n divides by the share
    of all choices to the power n (after Steck 2011). diversity=d adds to the loss d times the squared correlation,
    within a batch, of chosen rows' log-odds with the logarithm of popularity (Zhu et al. 2021).
    """

    laws: ClassVar[frozenset[str]] = ClickRanker.laws | {"moved by history"}

    tasks: str = "click=1 cart=1 purchase=1 rating=1"
    """What is learned where the shop has it, with its weight in the loss; a task that is not named is not learned."""
    objective: str = "click=1 cart=1 purchase=1"
    """What items are ranked by: tasks that were learned and, if wanted, margin, novelty and diversity, as in
    "click=1 purchase=3 rating=0.5 margin=0.5 novelty=0.1 diversity=0.2"."""
    combine: Literal["sum", "product"] = "sum"
    """Whether the chances of the tasks are added up by weight, or multiplied with their weights as powers."""
    value: str = "price"
    """What an item is worth to the shop: price, or the name of an attribute that holds numbers, such as a margin."""
    chain: bool = False
    """Whether each step is a chance given the step before it: p(cart) = p(click) p(cart | click), over all rows (ESMM).
    """
    balance: Literal["fixed", "uncertainty"] = "fixed"
    """Whether losses count by the weights of `tasks`, or by a variance learned for each (Kendall, Gal and Cipolla
    2018); the weights then only choose when to stop."""
    experts: Size = 4
    """Perceptrons that the tasks mix, each by a gate of its own; 1 is a shared bottom."""
    hidden_size: Size = 64
    """Width of the layers of the experts; the towers' are half as wide."""
    layers: Size = 1
    """Layers of each expert."""

    def _check(self) -> None:
        super()._check()
        named = any(weight for name, weight in self._wanted().items() if name != "rating")
        wanted = f"one of {', '.join(DEPTHS)} a weight above 0"
        require("multitask", "tasks", self.tasks, named, wanted)
        Aims.parse("multitask", self.objective)

    def _wanted(self) -> dict[str, float]:
        return named_weights("multitask: tasks", self.tasks, TASKS, "task", "click=1 purchase=1")

    def predict(self, shop: Shop, earlier: Shop | None = None) -> np.ndarray:
        """Return the probability of a click for each impression of `shop`, in their order: float64 [impressions].

        `earlier`: a shop whose events belong to the histories, too. Raises `InputError` where `shop` has no
        impressions, or where `tasks` leaves clicks out.
        """
        self.check_fitted()
        if not self.whole_:
            raise InputError(
                f"multitask: tasks is {self.tasks!r}, so clicks were not learned, and {self.tasks_[0]} is no click: "
                "name click among the tasks, or ask predict_tasks."
            )
        return super().predict(shop, earlier)

    def predict_tasks(self, shop: Shop, earlier: Shop | None = None) -> pl.DataFrame:
        """Return a column of each learned task for the impressions of `shop`: probabilities, and the rating."""
        parts = [self._outlook(rows) for rows in self._shown(shop, earlier)]
        return pl.DataFrame(
            {name: np.concatenate([part[name] for part in parts]) for name in self.tasks_}
        )

    def chances(self, requests: Requests) -> dict[str, np.ndarray]:
        """Return by learned task the probability, or the rating, of every item: float64 [requests, items] each.

        In a shop without impressions the probability is that of an interaction being on this item and coming so far.
        """
        self.check_fitted()
        asked = ClickQuery.of(self._ready(requests))
        found = {name: np.empty((len(asked), len(self.items_))) for name in self.tasks_}
        for part, rows in self._grids(asked):
            for name, value in self._outlook(rows).items():
                found[name][part] = value.reshape(len(part), -1)
        return found

    def _clicks(self, shop: Shop) -> Sequence[str]:
        clicks = shop.scan("events").select((pl.col("event") == CLICK).any()).collect().item()
        return (CLICK,) if clicks else INTERACTIONS

    def _more(self, rows: Rows, shop: Shop | None) -> dict[str, np.ndarray]:
        """Labels [rows, tasks], ratings, logarithms of worth and popularity, spans; sets `tasks_`."""
        depth = depths(rows, None if len(self.popularity_) else shop)
        wanted, there = {name for name, weight in self._wanted().items() if weight}, steps(depth)
        binary = [name for name in there if name in wanted]
        if not binary:
            raise InputError(
                f"multitask: tasks is {self.tasks!r}, but what is chosen in this shop ends in {', '.join(there)}: name "
                "one of these."
            )
        self.whole_ = binary[0] == there[0]
        rating = ratings(rows, shop, self.items_)
        known = np.isfinite(rating) & ("rating" in wanted)
        self.tasks_ = [*binary, *(["rating"] if known.any() else [])]
        Aims.parse(self.name, self.objective).of(self.name, self.tasks_)
        self.rating_scale_ = _scale(rating[known], rows.weight[known])
        self._weigh_items(rows, shop)
        more = {
            "labels": np.stack([depth >= DEPTHS[name] for name in binary], axis=1).astype(
                np.float32
            ),
            "rating": np.where(
                known, (rating - self.rating_scale_[0]) / self.rating_scale_[1], np.nan
            ),
            "worth": self.worth_[rows.item],
            "popularity": np.log1p(self.counts_)[rows.item],
        }
        return more | super()._more(rows, shop)

    def _weigh_items(self, rows: Rows, shop: Shop | None) -> None:
        """Learn `counts_`, how often each item is chosen, and `worth_`, the logarithm of what a choice of it counts."""
        n, chosen = len(self.items_), rows.label > 0
        self.counts_ = np.bincount(rows.item[chosen], weights=rows.weight[chosen], minlength=n)
        self.worth_ = np.zeros(n)
        power = Aims.parse(self.name, self.objective).margin
        if not power:
            return
        if shop is None:
            raise InputError(
                "multitask: margin among the objectives needs a shop with items, not a log alone."
            )
        items = self.items_.rename("item_id").to_frame()
        self.worth_ = power * np.log(
            worths(
                items.join(shop.table("items"), on="item_id", how="left", maintain_order="left"),
                self.value,
            )
        )
        self.worth_ -= np.log(self.counts_ @ np.exp(self.worth_) / self.counts_.sum())

    def _learn(
        self, train: Examples, held: Examples | None, sizes: np.ndarray, shop: Shop | None, run: Run
    ) -> None:
        self.numbers_ = train.rows.dense.shape[1]
        blind = (held is None or held.label.sum() == 0) and self.patience > 0
        epochs = min(self.epochs, BLIND) if blind else self.epochs
        batches = Batches(train, self, epochs, run, columns)
        self.updates_ = batches.updates
        how = batches.how(self, patience=0 if blind else self.patience)
        weight, labels, wanted = (
            train.weight / train.weight.sum(),
            train.more["labels"],
            self._wanted(),
        )
        rated = [weight @ np.isfinite(train.more["rating"])] if "rating" in self.tasks_ else []
        lesson = Lesson(
            weights=np.array([wanted[name] for name in self.tasks_]),
            shares=np.clip([*(weight @ labels), *rated], 1e-6, 1 - 1e-6),
            binary=labels.shape[1],
            diversity=Aims.parse(self.name, self.objective).diversity,
        )
        self.weights_, self.steps_ = teach(
            self._build,
            batches,
            None if blind else held,
            lesson,
            how,
            run,
            lambda net: begin_with_text(net, self, shop, run),
        )
        self._net = loaded(self._build(), self.weights_)

    def _build(self) -> Any:
        rating = "rating" in self.tasks_
        shape = Shape(
            sizes=self.sizes_,
            numbers=self.numbers_,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            layers=self.layers,
            experts=self.experts,
            dropout=self.dropout,
            binary=len(self.tasks_) - rating,
            rating=rating,
            chain=self.chain,
            uncertainty=self.balance == "uncertainty",
        )
        return Experts(shape)

    def _outputs(self, rows: Encoded) -> np.ndarray:
        return logits(self._net, rows)

    def _logits(self, rows: Encoded) -> np.ndarray:
        return self._outputs(rows)[:, 0]

    def _calibrate(self, late: Examples | None) -> None:
        """Learn a curve for each task that is a probability, as `curves_`."""
        self.curves_: dict[str, np.ndarray] = {}
        if late is None:
            return
        outputs = self._outputs(late.rows)
        for place, name in enumerate(name for name in self.tasks_ if name != "rating"):
            label = late.more["labels"][:, place].astype(np.float64)
            self.curves_[name] = calibration_.learn(
                self.calibration, outputs[:, place], label, late.weight
            )

    def _odds(self, rows: Encoded) -> np.ndarray:
        return self._from(self._logs(rows)[self.tasks_[0]])

    @staticmethod
    def _from(log: np.ndarray) -> np.ndarray:
        """Log-odds from logarithms of probabilities."""
        return log - np.log(-np.expm1(np.minimum(log, -1e-12)))

    def _logs(self, rows: Encoded) -> dict[str, np.ndarray]:
        """Logarithms of the probabilities by task, calibrated and corrected, and the rating: float64 [rows] each.

        Of rows that were not chosen only a share was kept, of the others all: the chance of the first step is corrected
        for it, and that of each later one given the first stays as it is.
        """
        outputs, found = self._outputs(rows), dict[str, np.ndarray]()
        gain: np.ndarray | float = 0.0
        for place, name in enumerate(self.tasks_):
            if name == "rating":
                found[name] = self.rating_scale_[0] + self.rating_scale_[1] * outputs[:, place]
                continue
            kind = self.calibration if name in self.curves_ else "none"
            odds = calibration_.calibrated(
                kind, self.curves_.get(name, np.zeros(0)), outputs[:, place]
            )
            kept, whole = -np.logaddexp(0, -odds), calibration_.corrected(odds, float(self.kept_))
            if place == 0:
                gain = -np.logaddexp(0, -whole) - kept
            found[name] = np.minimum(kept + gain, 0.0)
        return found

    def _outlook(self, rows: Encoded) -> dict[str, np.ndarray]:
        return {
            name: value if name == "rating" else np.exp(value)
            for name, value in self._logs(rows).items()
        }

    def _score(self, requests: Requests) -> np.ndarray:
        """The logarithm of the sum or product of the tasks, times worth^margin, over popularity^novelty."""
        asked, aims = ClickQuery.of(requests), Aims.parse(self.name, self.objective)
        weights, (low, high) = aims.of(self.name, self.tasks_), self.rating_scale_[2:]
        share = (self.counts_ + 0.5) / (self.counts_.sum() + 0.5 * len(self.items_))
        beside = self.worth_ - aims.novelty * np.log(share)
        scores = np.empty((len(asked), len(self.items_)), dtype=np.float32)
        for part, rows in self._grids(asked):
            found = relevance(weights, self._logs(rows), self.combine, low, high)
            scores[part] = found.reshape(len(part), -1) + beside
        if len(self.popularity_):
            scores[nothing_known(asked)] = np.log(self._share()) + beside
        return scores


def _scale(rating: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mean, deviation, lowest and highest of the ratings: float64 [4]; 0, 1, 0, 1 where there are none."""
    if len(rating) == 0:
        return np.array([0.0, 1.0, 0.0, 1.0])
    mean = float(np.average(rating, weights=weight))
    spread = float(np.sqrt(np.average((rating - mean) ** 2, weights=weight)))
    return np.array([mean, spread if spread > 1e-9 else 1.0, rating.min(), rating.max()])
