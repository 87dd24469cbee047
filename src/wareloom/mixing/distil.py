"""Direct labels: what an ensemble would recommend at each real event, no shopper synthesised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, Share, Size
from wareloom.core.top import top_k
from wareloom.mixing import Mixer
from wareloom.mixing._draw import in_head
from wareloom.mixing._labelled import label_table, shares
from wareloom.rankers import BLOCK_BYTES, Ranker, mask_seen
from wareloom.rankers.members import member_scores
from wareloom.shop import Log, Requests, Shop

HISTORY = 50
"""Latest events of a history that are looked at"""


@dataclass(frozen=True)
class Task:
    """What is to be labelled, and what the labels are learned from."""

    log: Log
    """The events of `learned`, and behind them those of users who stand for some of these users"""
    learned: Log
    asked: np.ndarray
    """bool [events of `log`], which are labelled"""
    fold: np.ndarray
    """int64 [users of `log`], the fold of each; who stands for a user is of the same. -1 for those without events"""


def after_another(log: Log) -> np.ndarray:
    """Mark the events that another of their user's came before: bool [events]."""
    found = np.ones(len(log), dtype=bool)
    found[log.offsets[:-1][log.lengths() > 0]] = False
    return found


@dataclass(kw_only=True, eq=False)
class Distil(Mixer):
    """Add soft labels that an ensemble gives real events directly: knowledge distillation, without synthetic users.

    Users are dealt into `folds`. The ranker, an ensemble by default, is fitted on the users of all other folds, and
    names the `labels` best items after each history of its own fold: so that it repeats nothing it was told. Each
    becomes a label of the event that really came next, with a weight ∝ score^(1 / temperature); together they weigh
    `ratio` × `weight` × what the event weighs. It needs no synthetic data, and takes none of what it is given. Only
    sequence networks with a softmax can be taught such labels. Hinton, Vinyals and Dean (2015); cross-fitting as in
    Wolpert (1992).

    With `residual` a part of that weight goes to what really came next instead: as much as the ensemble was wrong
    there, 1 less the NDCG of the real item. So a network learns where the ensemble errs, and repeats it where it is
    right; where the ensemble is right everywhere, nothing changes.

    Time: one fit of the ranker a fold, and one scoring of the catalogue an event.
    """

    alone: ClassVar[bool] = False
    adds: ClassVar[Literal["events", "soft_labels"]] = "soft_labels"
    draws: ClassVar[bool] = False
    quick: ClassVar[Mapping[str, Any]] = {"ranker": "transitions", "folds": 2}

    ratio: NonNegative = 1.0
    """What the labels of an event weigh together, where the event weighs 1."""
    weight: NonNegative = 1.0
    """Factor on all of them."""
    head: NonNegative = 1.0
    """Factor on labels of the head: the most popular items, with a third of the real events between them."""
    ranker: str = "stack"
    """The ranker that names them."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, where they are not the defaults."""
    folds: Size = 5
    """Parts of the users; each is labelled by a ranker that was fitted on the others."""
    labels: Size = 8
    """Labels of each event, at most."""
    temperature: Positive = 0.5
    """Below 1 the best labels weigh more, above 1 all more alike."""
    repeats: bool = False
    """Whether an item of the history may be a label."""
    residual: Share = 0.0
    """Share of the labels' weight that goes to the real item where the ensemble is wholly wrong; less where it is less
    wrong. It suits a network that serves beside the ensemble, rather than instead of it."""

    def _check(self) -> None:
        RANKERS.make(self.ranker, **self.ranker_settings)

    def mix(self, real: Shop, synthetic: Shop | None = None, run: Run | None = None) -> Shop:
        """Return the real shop with labels beside its events; `synthetic` is not looked at."""
        run, log = run or Run(), Log.of(real)
        if self.ratio * self.weight == 0 or len(log) == 0:
            return real
        task = Task(log, log, after_another(log), self._dealt(log, run))
        item, share = self._labelled(real, task, run)
        return real.with_tables(
            soft_labels=label_table(real, log, item, share, f"labels of {self.ranker}")
        )

    def _dealt(self, log: Log, run: Run) -> np.ndarray:
        """The fold of each user, int64 [users]; -1 for those without events."""
        users = np.flatnonzero(log.lengths() > 0)
        fold = np.full(len(log.users), -1)
        order = run.rng("distil", "folds").permutation(len(users))
        fold[users] = order % min(self.folds, len(users))
        return fold

    def _labelled(self, real: Shop, task: Task, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Labels of the events and what they weigh: int32 [events, labels], -1 for none, and float32 alike."""
        log, whole = task.log, task.learned
        best = np.full((len(log), self.labels + (self.residual > 0)), -1, dtype=np.int32)
        score = np.zeros((len(log), self.labels), dtype=np.float64)
        error = np.zeros(len(log))
        folds = int(task.fold.max(initial=0)) + 1
        with run.limits(), run.task("distil: what the ensemble would recommend", folds) as advance:
            for number in range(folds):
                others = task.fold[: len(whole.users)] != number
                rest = others[whole.user] if folds > 1 else np.ones(len(whole), dtype=bool)
                ranker: Ranker = RANKERS.make(self.ranker, **self.ranker_settings)
                ranker.fit(
                    real, run.with_(seed=run.seed_for("distil", number)), log=whole.keep(rest)
                )
                mine = np.flatnonzero((task.fold == number)[log.user] & task.asked)
                for events, found, value, wrong in self._named(ranker, log, mine):
                    best[events, : self.labels], score[events] = found, value
                    error[events] = wrong
                advance()
        error[len(whole) :] = 0.0
        return self._weighed(task, best, score, error)

    def _weighed(
        self, task: Task, best: np.ndarray, score: np.ndarray, error: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items and weights of labels, the real item last where the ensemble was wrong."""
        log = task.log
        share = shares(best[:, : self.labels], score, 1 / self.temperature)
        if self.residual:
            wrong = (self.residual * error).astype(np.float32)
            share = np.column_stack([share * (1 - wrong)[:, None], wrong])
            best[:, -1] = np.where(wrong > 0, log.item, -1)
        share *= (self.ratio * self.weight * log.weight)[:, None]
        if self.head != 1.0:
            share[in_head(task.learned.counts())[best] & (best >= 0)] *= self.head
        return best, share

    def _named(
        self, ranker: Ranker, log: Log, events: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """Yield some of the events, the best items after the history before each, their scores, and how wrong they are.

        Wrong is 1 less the NDCG of the item that is there; what scores as high stands before it.
        """
        rows = max(1, BLOCK_BYTES // (4 * max(1, len(log.items))))
        for start in range(0, len(events), rows):
            part = events[start : start + rows]
            asked = Requests.of(log.before(part, HISTORY))
            scores = member_scores({"": ranker}, asked)[""]
            own = scores[np.arange(len(part)), log.item[part]]
            if not self.repeats:
                mask_seen(scores, asked)
            scores[np.arange(len(part)), log.item[part]] = own
            rank = (scores >= own[:, None]).sum(axis=1)
            if not self.repeats:
                mask_seen(scores, asked)
            found = top_k(scores, min(self.labels, len(log.items)))
            value = np.take_along_axis(scores, found, axis=1).astype(np.float64)
            wide = np.full((len(part), self.labels), -1, dtype=np.int32)
            wide[:, : found.shape[1]] = np.where(value > 0, found, -1)
            high = np.zeros(wide.shape)
            high[:, : found.shape[1]] = np.maximum(value, 0.0)
            yield part, wide, high, 1 - 1 / np.log2(1.0 + rank)
