"""Transitions: what follows what, counted, with recent history counting most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, Size
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency, tail
from wareloom.rankers.neighbourhood import Neighbourhood, keep_best, sum_neighbours, to_table
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class Transitions(Ranker):
    """Count which items follow which within a window, and sum the counts over the recent history.

    The pair (i at place p, j at place p + d) of one user adds window_decay^(d - 1) × √(wᵢ wⱼ) to row i, and `reverse`
    times that to row j, for d = 1 … window; so a user whose events weigh 2 counts as two such users. A row is divided
    by (weight of i)^row_power and each entry by (weight of j)^column_power. A request's score of j is the sum over its
    last events of decay^age × weight × entry (i, j); where that is 0, items follow by popularity, below all others.

    Memory: items × neighbours × 8 bytes beside the log. A first-order Markov baseline in the manner of Rendle et al.
    (2010) and of the sequential rules of Ludewig and Jannach (2018), without training.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "moved by history",
            "weighted users",
        }
    )
    random: ClassVar[bool] = False

    window: Size = 6
    """Places after an item within which another is said to follow it."""
    window_decay: Factor = 0.7
    """Factor for each further place between the two items of a pair."""
    reverse: NonNegative = 0.3
    """Share of a pair's weight that counts the other way round; 0 keeps the order, 1 forgets it."""
    decay: Factor = 0.5
    """Factor for each step back in the history that is scored; 1 counts all events alike."""
    last: Count = 20
    """Events of the history that count, the latest ones; 0 takes all."""
    neighbours: Size = 100
    """Followers kept for each item."""
    row_power: NonNegative = 0.5
    """Division by the weight of the item gone from: 0 none, 1 lets frequent items say no more than rare ones."""
    column_power: NonNegative = 0.0
    """Division by the weight of the item gone to: 0 favours popular followers, 1 unexpected ones."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        counts = popularity(log)
        order = np.argsort(log.item, kind="stable")
        starts = np.searchsorted(log.item[order], np.arange(len(log.items) + 1))
        lengths = log.lengths()
        bounds = np.repeat(log.offsets[:-1], lengths), np.repeat(log.offsets[1:], lengths)
        ahead = self.window_decay ** np.arange(self.window, dtype=np.float64)
        scale = np.maximum(counts, 1e-12)
        width = min(self.neighbours, len(log.items))
        parts = _followers(
            (order, starts, *bounds, log.item, np.sqrt(log.weight)),
            (ahead, self.reverse * ahead),
            (scale**-self.row_power, scale**-self.column_power),
            width,
            min(len(log.items), 8 * get_num_threads()),
        )
        self.table_ = to_table(parts, len(log.items))
        self.popularity_ = counts

    def neighbourhood(self) -> Neighbourhood:
        """Return the table whose rows it adds up over the history."""
        return Neighbourhood(self.table_, self.decay, self.last)

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        history = recency(requests.histories, self.decay, self.last)
        return sum_neighbours(history, self.table_, tail(self.popularity_))


@njit(cache=True, parallel=True)
def _followers(log, gains, scales, k, chunks):  # type: ignore[no-untyped-def]
    """Build each item's row in a buffer of its thread, keeping the k best entries."""
    order, starts, first, stop, item, root = log
    ahead, back = gains
    items = len(starts) - 1
    count = np.zeros(items, dtype=np.int64)
    columns = np.zeros((items, k), dtype=np.int32)
    values = np.zeros((items, k), dtype=np.float32)
    for c in prange(chunks):
        sums = np.zeros(items)
        touched = np.empty(items, dtype=np.int32)
        for i in range(items * c // chunks, items * (c + 1) // chunks):
            n = 0
            for e in order[starts[i] : starts[i + 1]]:
                for d in range(1, len(ahead) + 1):
                    for side in range(2):
                        other = e + d if side == 0 else e - d
                        if other < first[e] or other >= stop[e]:
                            continue
                        # √wᵢ √wⱼ: where all events of a user weigh the same, a pair counts as that user does.
                        gain = (ahead[d - 1] if side == 0 else back[d - 1]) * root[e] * root[other]
                        if gain <= 0.0:
                            continue
                        j = item[other]
                        if sums[j] == 0.0:
                            touched[n] = j
                            n += 1
                        sums[j] += gain * scales[0][i] * scales[1][j]
            count[i] = keep_best(sums, touched[:n], k, columns[i], values[i])
    return count, columns, values
