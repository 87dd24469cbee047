"""User-kNN: who had much the same before votes for what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numba import get_num_threads, njit, prange

from wareloom.core.run import Run
from wareloom.core.settings import Count, Factor, NonNegative, Size
from wareloom.rankers import Ranker
from wareloom.rankers.history import merged, popularity, rarity, recency, tail
from wareloom.rankers.neighbourhood import keep_best
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class UserKNN(Ranker):
    """Let the fitted users whose items are most like a request's history vote for items.

    With rᵢ = log(1 + W / weight of i)^idf, where W is the weight of all events, a fitted user is the vector rᵢ over the
    items had, and a request is rᵢ × its sum over the events on i of weight × decay^age. The similarity is
    q·x / (‖q‖ ‖x‖ + shrink). The score of j is the sum over the most similar users of similarity × weight of the user's
    events on j, so a user whose events weigh 2 counts as two such users; where it is 0, items follow by popularity,
    below all others. A request of a fitted user finds that user too, who votes for nothing new.

    Memory: 16 bytes for each user's distinct item, and users × 12 bytes a thread. Time of a request: the events on the
    items of its history. Herlocker et al. (1999).
    """

    keeps: ClassVar[Keeps] = "people"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "moved by history",
            "weighted users",
            "weighted events",
        }
    )
    random: ClassVar[bool] = False

    neighbours: Size = 200
    """Most similar users that vote."""
    shrink: NonNegative = 0.0
    """Added to the denominator, so that users with few items count less."""
    idf: NonNegative = 1.0
    """Power of the rarity of items in the similarity; 0 counts all items alike."""
    decay: Factor = 0.6
    """Factor for each step back in the history that is scored; 1 counts all events alike."""
    last: Count = 0
    """Events of the history that count, the latest ones; 0 takes all."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)
        self.users_ = log.matrix()
        self.users_.eliminate_zeros()
        self.rarity_ = rarity(self.popularity_, self.idf)

    @cached_property
    def _index(self) -> tuple[Any, ...]:
        """The users of each item, and the length of each user's vector; built once, not saved."""
        by_item = self.users_.tocsc()
        square = self.users_.copy()
        square.data = self.rarity_[square.indices] ** 2
        length = np.sqrt(np.asarray(square.sum(axis=1), dtype=np.float64).ravel())
        return (
            by_item.indptr.astype(np.int64),
            by_item.indices.astype(np.int32),
            length,
        )

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        offsets, items, values = merged(
            recency(requests.histories, self.decay, self.last), len(self.rarity_)
        )
        users = (
            self.users_.indptr.astype(np.int64),
            self.users_.indices.astype(np.int32),
            self.users_.data,
        )
        scores: np.ndarray = _vote(
            (offsets, items, values * self.rarity_[items]),
            self._index,
            users,
            (self.rarity_, self.shrink, min(self.neighbours, self.users_.shape[0])),
            tail(self.popularity_),
            min(len(requests), 4 * get_num_threads()),
        )
        return scores


@njit(cache=True, parallel=True)
def _vote(history, index, users, how, tail, chunks):  # type: ignore[no-untyped-def]
    """Find each request's neighbours in a buffer of its thread and add up what they had."""
    offsets, items, values = history
    start, holder, length = index
    user_start, user_item, user_weight = users
    rarity, shrink, k = how
    requests, width = len(offsets) - 1, len(tail)
    out = np.empty((requests, width), dtype=np.float32)
    for c in prange(chunks):
        # Only users who share an item are touched, and `keep_best` clears them again: the buffer is never swept.
        like = np.zeros(len(length))
        touched = np.empty(len(length), dtype=np.int32)
        near, how_near = np.empty(k, dtype=np.int32), np.empty(k, dtype=np.float32)
        sums = np.zeros(width, dtype=np.float32)
        for r in range(requests * c // chunks, requests * (c + 1) // chunks):
            n, square = 0, 0.0
            for h in range(offsets[r], offsets[r + 1]):
                square += values[h] * values[h]
                gain = values[h] * rarity[items[h]]
                for e in range(start[items[h]], start[items[h] + 1]):
                    if like[holder[e]] == 0.0:
                        touched[n] = holder[e]
                        n += 1
                    like[holder[e]] += gain
            for u in touched[:n]:
                like[u] /= np.sqrt(square) * length[u] + shrink
            for u in range(keep_best(like, touched[:n], k, near, how_near)):
                for e in range(user_start[near[u]], user_start[near[u] + 1]):
                    sums[user_item[e]] += how_near[u] * user_weight[e]
            for i in range(width):
                out[r, i] = sums[i] if sums[i] > 0.0 else tail[i]
                sums[i] = 0.0
    return out
