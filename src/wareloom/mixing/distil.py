"""Direct labels: what an ensemble would recommend at each real event, no shopper synthesised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, Size
from wareloom.core.top import top_k
from wareloom.mixing import Mixer
from wareloom.mixing._draw import in_head
from wareloom.mixing._labelled import label_table, shares
from wareloom.rankers import BLOCK_BYTES, Ranker, mask_seen
from wareloom.rankers.members import member_scores
from wareloom.shop import Log, Requests, Shop

HISTORY = 50
"""Latest events of a history that are looked at"""


@dataclass(kw_only=True, eq=False)
class Distil(Mixer):
    """Add soft labels that an ensemble gives real events directly: knowledge distillation, without synthetic users.

    Users are dealt into `folds`. The ranker, an ensemble by default, is fitted on the users of all other folds, and
    names the `labels` best items after each history of its own fold: so that it repeats nothing it was told. Each
    becomes a label of the event that really came next, with a weight ∝ score^(1 / temperature); together they weigh
    `ratio` × `weight` × what the event weighs. It needs no synthetic data, and takes none of what it is given. Only
    sequence networks with a softmax can be taught such labels. Hinton, Vinyals and Dean (2015); cross-fitting as in
    Wolpert (1992).

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

    def _check(self) -> None:
        RANKERS.make(self.ranker, **self.ranker_settings)

    def mix(self, real: Shop, synthetic: Shop | None = None, run: Run | None = None) -> Shop:
        """Return the real shop with labels beside its events; `synthetic` is not looked at."""
        run, log = run or Run(), Log.of(real)
        if self.ratio * self.weight == 0 or len(log) == 0:
            return real
        item, share = self._labelled(real, log, run)
        share *= (self.ratio * self.weight * log.weight)[:, None]
        if self.head != 1.0:
            share[in_head(log.counts())[item] & (item >= 0)] *= self.head
        return real.with_tables(
            soft_labels=label_table(real, log, item, share, f"labels of {self.ranker}")
        )

    def _labelled(self, real: Shop, log: Log, run: Run) -> tuple[np.ndarray, np.ndarray]:
        """Labels and their shares of 1: int32 [events, labels], -1 where there are none, and float32 alike."""
        best = np.full((len(log), self.labels), -1, dtype=np.int32)
        score = np.zeros(best.shape, dtype=np.float64)
        users = np.flatnonzero(log.lengths() > 0)
        folds = min(self.folds, len(users))
        fold = run.rng("distil", "folds").permutation(len(users)) % folds
        with run.limits(), run.task("distil: what the ensemble would recommend", folds) as advance:
            for number in range(folds):
                own = users[fold == number]
                rest = np.isin(log.user, own, invert=True) if folds > 1 else np.ones(len(log), bool)
                ranker: Ranker = RANKERS.make(self.ranker, **self.ranker_settings)
                ranker.fit(real, run.with_(seed=run.seed_for("distil", number)), log=log.keep(rest))
                for events, found, value in self._named(ranker, log, own):
                    best[events], score[events] = found, value
                advance()
        return best, shares(best, score, 1 / self.temperature)

    def _named(
        self, ranker: Ranker, log: Log, users: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield events of some users, and the best items after the history before each with their scores."""
        first = np.zeros(len(log), dtype=bool)
        first[log.offsets[users]] = True
        mine = np.zeros(len(log.users), dtype=bool)
        mine[users] = True
        events = np.flatnonzero(mine[log.user] & ~first)
        rows = max(1, BLOCK_BYTES // (4 * max(1, len(log.items))))
        for start in range(0, len(events), rows):
            part = events[start : start + rows]
            asked = Requests.of(log.before(part, HISTORY))
            scores = member_scores({"": ranker}, asked)[""]
            if not self.repeats:
                mask_seen(scores, asked)
            found = top_k(scores, min(self.labels, len(log.items)))
            value = np.take_along_axis(scores, found, axis=1).astype(np.float64)
            wide = np.full((len(part), self.labels), -1, dtype=np.int32)
            wide[:, : found.shape[1]] = np.where(value > 0, found, -1)
            high = np.zeros(wide.shape)
            high[:, : found.shape[1]] = np.maximum(value, 0.0)
            yield part, wide, high
