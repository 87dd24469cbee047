"""TIFU-kNN: what a user buys again and again, lately more than before, and what alike users buy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numba import get_num_threads, njit, prange
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Factor, Share, Size
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, tail
from wareloom.rankers.neighbourhood import keep_best
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class TIFUKNN(Ranker):
    """Rank items by how regularly and how lately they were in the user's baskets, and in those of similar users.

    A user is the vector of shares x: with b = 0 for the latest basket (session), a basket counts w(b) = decay^(b mod
    group) × group_decay^(b div group), and xᵢ is the sum of w(b) over the baskets that hold i, divided by the sum over
    all, times the weight of the event. The score of j is own × qⱼ for the request's own vector q, plus (1 - own) × the
    mean of the most similar users' xⱼ, weighted by their cosine with q. A user whose events weigh 2 is heard like two.
    Where the score is 0, items follow by popularity, below all others. A request of a fitted user finds that
    user too.

    The paper takes the nearest by distance and means without weights. Memory: 16 bytes for each user's distinct item.
    Time of a request: the events on the items of its history. Hu et al. (2020), "Modeling personalized item frequency
    information for next-basket recommendation".
    """

    keeps: ClassVar[Keeps] = "people"
    laws: ClassVar[frozenset[str]] = frozenset(
        {
            "strangers get the popular",
            "events of no weight teach nothing",
            "moved by history",
            "weighted users",
        }
    )
    random: ClassVar[bool] = False

    neighbours: Size = 300
    """Most similar users that vote."""
    own: Share = 0.7
    """Share of the user's own vector in the score, the rest is the neighbours'."""
    decay: Factor = 0.98
    """Factor for each basket back within a group."""
    group: Size = 7
    """Baskets of a group, counted from the latest."""
    group_decay: Factor = 0.8
    """Factor for each group back."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)
        log = log.keep(log.weight > 0)
        self.users_ = self._shares(log)
        heard = np.bincount(log.user, weights=log.weight, minlength=len(log.users)) / np.maximum(
            log.lengths(), 1
        )
        self.heard_ = heard.astype(np.float32)

    def _shares(self, log: Log) -> sparse.csr_matrix:
        """The vector of each user: float32 [users, items]."""
        user, n = log.user, len(log)
        first = np.ones(n, dtype=bool)
        first[1:] = (np.diff(log.session) != 0) | (np.diff(user) != 0)
        basket = np.cumsum(first) - 1
        owner = user[first]
        last = np.zeros(len(log.users), dtype=np.int64)
        last[owner] = np.arange(len(owner))
        back = last[owner] - np.arange(len(owner))
        counts = self.decay ** (back % self.group) * self.group_decay ** (back // self.group)
        counts /= np.bincount(owner, weights=counts, minlength=len(log.users))[owner]
        _, rows = np.unique(basket * len(log.items) + log.item, return_index=True)
        values = (counts[basket[rows]] * log.weight[rows]).astype(np.float32)
        shape = (len(log.users), len(log.items))
        matrix = sparse.csr_matrix((values, (user[rows], log.item[rows])), shape=shape)
        matrix.eliminate_zeros()
        return matrix

    @cached_property
    def _index(self) -> tuple[Any, ...]:
        """The users of each item with their shares, and the length of each user's vector; built once, not saved."""
        by_item = self.users_.tocsc()
        length = np.sqrt(
            np.asarray(self.users_.multiply(self.users_).sum(axis=1), dtype=np.float64).ravel()
        )
        return (
            by_item.indptr.astype(np.int64),
            by_item.indices.astype(np.int32),
            by_item.data,
            length,
        )

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        asked = self._shares(requests.histories.keep(requests.histories.weight > 0))
        scores: np.ndarray = _vote(
            (asked.indptr.astype(np.int64), asked.indices.astype(np.int32), asked.data),
            self._index,
            (
                self.users_.indptr.astype(np.int64),
                self.users_.indices.astype(np.int32),
                self.users_.data,
                self.heard_,
            ),
            (self.own, min(self.neighbours, self.users_.shape[0])),
            tail(self.popularity_),
            min(len(requests), 4 * get_num_threads()),
        )
        return scores


@njit(cache=True, parallel=True)
def _vote(asked, index, users, how, tail, chunks):  # type: ignore[no-untyped-def]
    """Find each request's neighbours in a buffer of its thread and add up its own shares and theirs."""
    offsets, items, values = asked
    start, holder, share, length = index
    user_start, user_item, user_share, heard = users
    own, k = how
    requests, width = len(offsets) - 1, len(tail)
    out = np.empty((requests, width), dtype=np.float32)
    for c in prange(chunks):
        like = np.zeros(len(length))
        touched = np.empty(len(length), dtype=np.int32)
        near, how_near = np.empty(k, dtype=np.int32), np.empty(k, dtype=np.float32)
        sums = np.zeros(width, dtype=np.float32)
        for r in range(requests * c // chunks, requests * (c + 1) // chunks):
            n, square = 0, 0.0
            for h in range(offsets[r], offsets[r + 1]):
                square += values[h] * values[h]
                for e in range(start[items[h]], start[items[h] + 1]):
                    if like[holder[e]] == 0.0:
                        touched[n] = holder[e]
                        n += 1
                    like[holder[e]] += values[h] * share[e]
            for u in touched[:n]:
                like[u] /= np.sqrt(square) * length[u]
            n = keep_best(like, touched[:n], k, near, how_near)
            # A neighbour is heard as often as it weighs, so that a user of weight 2 is two such neighbours.
            total = 0.0
            for u in range(n):
                total += how_near[u] * heard[near[u]]
            for u in range(n):
                vote = (1.0 - own) * how_near[u] / total
                for e in range(user_start[near[u]], user_start[near[u] + 1]):
                    sums[user_item[e]] += vote * user_share[e]
            for h in range(offsets[r], offsets[r + 1]):
                sums[items[h]] += own * values[h]
            for i in range(width):
                out[r, i] = sums[i] if sums[i] > 0.0 else tail[i]
                sums[i] = 0.0
    return out
