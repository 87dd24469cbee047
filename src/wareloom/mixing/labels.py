"""Synthetic data as soft labels of real events: what could have stood there instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Positive, Share, Size
from wareloom.errors import InputError
from wareloom.mixing._draw import Pool, UserMixer, in_head
from wareloom.mixing._labelled import label_table, shares
from wareloom.rankers import Ranker
from wareloom.rankers.history import into
from wareloom.rankers.neighbourhood import Neighbourhood, put_in_order
from wareloom.shop import Log, Shop


@dataclass(kw_only=True, eq=False)
class Labels(UserMixer):
    """Add soft labels that synthetic users teach: at each real event, what they would do there.

    A cheap ranker is fitted on the synthetic users alone. After each real history it names the `labels` best items, and
    each becomes a label of the event that really came next, with a weight ∝ score^(1 / temperature); together they
    weigh `ratio` × `weight` × what the event weighs, before `head`. So a ranker is taught synthesis at histories that
    are real. Where `users` asks for it, synthetic users are mixed in beside. Only sequence networks with a softmax can
    be taught such labels. Knowledge distillation (Hinton, Vinyals and Dean 2015) through synthetic data.
    """

    alone: ClassVar[bool] = False
    adds: ClassVar[Literal["events", "soft_labels"]] = "soft_labels"
    laws: ClassVar[frozenset[str]] = frozenset({"amounts"})

    ranker: str = "transitions"
    """The ranker fitted on the synthetic users; it must add up rows of a table over the history."""
    ranker_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings, where they are not the defaults."""
    users: Share = 0.0
    """Share of the `ratio` that is mixed in as whole synthetic users beside the labels; 0 adds labels alone."""
    labels: Size = 8
    """Labels of each event, at most."""
    temperature: Positive = 0.5
    """Below 1 the best labels weigh more, above 1 all more alike."""
    repeats: bool = False
    """Whether an item of the history may be a label."""

    def _check(self) -> None:
        RANKERS.make(self.ranker, **self.ranker_settings)

    def _mix(self, pool: Pool, run: Run) -> Shop:
        log = pool.real_log
        made = into(Log.of(pool.synthetic), log.items)
        if len(made) == 0:
            raise InputError(
                "labels: not one synthetic event is on a real item, so there is nothing to teach."
            )
        ranker: Ranker = RANKERS.make(self.ranker, **self.ranker_settings)
        with run.limits(), run.task("labels: what synthetic users would do"):
            table = ranker.fit(pool.real, run, log=made).neighbourhood()
            if table is None:
                raise InputError(
                    f"labels: the ranker {self.ranker!r} adds up no table over the history; "
                    "transitions and item_knn do."
                )
            item, share = soft_labels(
                log, table, self.labels, 1 / self.temperature, repeats=self.repeats
            )
        share *= (self.ratio * self.weight * log.weight)[:, None]
        if self.head != 1.0:
            share[in_head(log.counts())[item] & (item >= 0)] *= self.head
        beside = pool.draw(self.users * self.ratio, pool.order(run))
        origin = "+".join(pool.users["origin"].unique().sort())
        return pool.add(beside, self.weight, self.head).with_tables(
            soft_labels=label_table(pool.real, log, item, share, origin)
        )


def soft_labels(
    log: Log, of: Neighbourhood, count: int, power: float, *, repeats: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best items after the history before each event, and their shares of 1.

    int32 [events, count], codes, -1 where there are none, and float32 alike, ∝ score^`power`, 0 there. A score is the
    sum of the rows of the table over the history, decayed; equal ones go by the order of items.
    """
    starts = of.table.indptr.astype(np.int64), of.table.indices, of.table.data
    chunks = min(max(1, len(log.users)), 4 * get_num_threads())
    items, scores = _label(
        log.offsets, log.item, log.weight, starts, (of.decay, of.last, repeats), count, chunks
    )
    return items, shares(items, scores, power)


@njit(cache=True, parallel=True)
def _label(offsets, item, weight, table, how, count, chunks):  # type: ignore[no-untyped-def]
    start, column, value = table
    decay, last, repeats = how
    users, width = len(offsets) - 1, len(start) - 1
    best = np.full((len(item), count), -1, dtype=np.int32)
    score = np.zeros((len(item), count), dtype=np.float64)
    for c in prange(chunks):
        sums = np.zeros(width)
        touched = np.empty(width, dtype=np.int32)
        for u in range(users * c // chunks, users * (c + 1) // chunks):
            for e in range(offsets[u] + 1, offsets[u + 1]):
                n, factor = 0, 1.0
                first = max(offsets[u], e - last) if last > 0 else offsets[u]
                for h in range(e - 1, first - 1, -1):
                    for t in range(start[item[h]], start[item[h] + 1]):
                        j = column[t]
                        if sums[j] == 0.0:
                            touched[n] = j
                            n += 1
                        sums[j] += factor * weight[h] * value[t]
                    factor *= decay
                if not repeats:
                    for h in range(offsets[u], e):
                        sums[item[h]] = 0.0
                _keep(sums, np.sort(touched[:n]), best[e], score[e])
    return best, score


@njit(cache=True)
def _keep(sums, touched, best, score):  # type: ignore[no-untyped-def]
    """Write the highest of the `touched` sums, best first, and zero all."""
    filled = 0
    for j in touched:
        s = sums[j]
        sums[j] = 0.0
        if s > 0.0:
            filled = put_in_order(s, j, score, best, filled)
