"""Events held out of all that is learned from: what training stops by, and weights are learned on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from wareloom.core.run import Run
from wareloom.rankers.history import into
from wareloom.shop import Log, Requests, Shop, Vocabulary

REPEATED = 0.01
"""Where more than this share of the held-back items were in the history, items of the history are candidates."""
FEWEST = 20
"""Held-back events below which nothing is learned from them."""


@dataclass(frozen=True)
class Held:
    """Requests whose answers are known, and that nothing was learned from."""

    histories: Log
    """What each user did before, one user a request"""
    answers: np.ndarray
    """int32 [requests], codes of the histories' items: what came next"""
    repeats: bool = False
    """Whether items of the history may be answers"""
    times: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """int64 [requests], when each is asked; empty where unknown"""
    shop: Shop | None = None
    """The part of the shop that is held out, for who learns from more than events, such as what was shown"""
    earlier: Shop | None = None
    """What went before it"""

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def requests(self) -> Requests:
        """The histories as requests."""
        return Requests.of(self.histories, times=self.times)

    def take(self, rows: np.ndarray) -> Held:
        """Return some of the requests: int [n], their places."""
        times = self.times[rows] if len(self.times) else self.times
        return replace(
            self, histories=self.histories.select(rows), answers=self.answers[rows], times=times
        )

    def draw(self, most: int, run: Run, *names: object) -> Held:
        """Return at most so many of the requests, drawn at random, in their order."""
        if len(self) <= most:
            return self
        return self.take(np.sort(run.rng("held", *names).permutation(len(self))[:most]))

    def halves(self, run: Run) -> tuple[Held, Held]:
        """Return two halves: what stops the training of members must not weigh them, too."""
        order = run.rng("held", "halves").permutation(len(self))
        middle = len(self) // 2
        return self.take(np.sort(order[:middle])), self.take(np.sort(order[middle:]))

    def into(self, items: Vocabulary) -> Held:
        """Return it in codes of `items`; requests whose answer is unknown there fall out."""
        if self.histories.items == items:
            return self
        answers = items.recode(self.histories.items)[self.answers].astype(np.int32)
        known = self.take(np.flatnonzero(answers >= 0))
        return replace(known, histories=into(known.histories, items), answers=answers[answers >= 0])


def hold_back(log: Log, most: int, run: Run) -> tuple[Log, Held] | None:
    """Take the last event of up to `most` real users with at least two out of `log`.

    Returns the log without these events, and them; None where they are too few. Copies of a user's events, and what a
    synthesizer learned from them, stay in the log: where arms are compared, events are held out before any are made
    (`Ranker.fit`, `held`).
    """
    lengths = log.lengths()
    long = np.flatnonzero(lengths >= 2)
    last = log.offsets[long + 1] - 1
    long = long[log.real[last] & (log.weight[last] > 0)]
    picked = np.sort(run.rng("hold back").permutation(long)[:most])
    if len(picked) < FEWEST:
        return None
    rows = np.ones(len(log), dtype=bool)
    rows[log.offsets[picked + 1] - 1] = False
    rest, answers = log.keep(rows), log.item[log.offsets[picked + 1] - 1]
    histories = rest.select(picked)
    again = np.zeros(len(picked), dtype=bool)
    again[histories.user[histories.item == answers[histories.user]]] = True
    if float(again.mean()) > REPEATED:
        return rest, Held(histories, answers, repeats=True)
    fresh = Held(histories, answers).take(np.flatnonzero(~again))
    return (rest, fresh) if len(fresh) >= FEWEST else None
