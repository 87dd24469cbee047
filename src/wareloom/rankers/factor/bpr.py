"""BPR: item vectors that put what came next above what did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit

from wareloom.core.run import Run
from wareloom.core.settings import Factor, NonNegative, Positive, Size
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency, tail
from wareloom.rankers.neighbourhood import sum_rows
from wareloom.rankers.space import Places, Space
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps

BLOCK = 1 << 17
"""Events whose negatives are drawn at a time."""
SPREAD = 0.1
"""Length that item vectors begin with, about."""


@dataclass(kw_only=True, eq=False)
class BPR(Ranker):
    """Score items by the inner product of their vectors with the mean of the history's vectors, trained by pairs.

    The score of j after a history is bⱼ + vⱼ · Σ aₖ qₖ / Σ aₖ, aₖ = weight × decay^age of its event k: each item has a
    vector v as what is asked for and another, q, as what was had. No user has a vector of their own, so users need
    not be known and training asks what a request asks: every event against the events before it and an item its user
    never had, by gradient ascent of ln σ(difference) times the event's weight. Of `negatives` items drawn the
    one that scores highest is taken. Without known events, items go by popularity.

    Updates are made one after another on one thread with AdaGrad, so the threads change nothing; an epoch takes events
    × (last + negatives) × embedding_size steps. Memory: items × embedding_size × 8 bytes. Rendle et al. (2009) for the
    criterion, Kabbur et al. (2013) for users as sums of items, Zhang et al. (2013) for the choice of negatives.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )
    quick: ClassVar[Mapping[str, Any]] = {"embedding_size": 16}

    embedding_size: Size = 64
    """Length of each of the two vectors of an item."""
    epochs: Size = 40
    """Passes over the events."""
    learning_rate: Positive = 0.05
    """Step size of AdaGrad."""
    regularization: NonNegative = 0.002
    """Penalty on the squared length of the vectors that an update touches."""
    negatives: Size = 32
    """Items drawn an update, of which the highest scoring is taken; 1 is the paper's uniform sampling."""
    decay: Factor = 0.7
    """Factor for each step back in the history, in training and at scoring; 1 counts all events alike."""
    last: Size = 20
    """Events of the history that count, the latest ones."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        log = log.keep(log.weight > 0)
        self.popularity_ = popularity(log)
        shape = (len(log.items), self.embedding_size)
        rng = run.rng("bpr", "start")
        source, target = (
            (SPREAD * rng.standard_normal(shape) / shape[1] ** 0.5).astype(np.float32)
            for _ in range(2)
        )
        bias = np.zeros(shape[0], dtype=np.float32)
        squares = tuple(np.full(shape[0], 1e-8) for _ in range(3))
        had = log.matrix()
        begin = np.repeat(log.offsets[:-1], log.lengths())
        asked = np.flatnonzero(np.arange(len(log)) > begin)
        data = (log.user, begin, log.item, log.weight), (had.indptr, had.indices)
        how = (self.learning_rate, self.regularization, self.decay, self.last)
        with run.task("BPR epochs", self.epochs) as advance:
            for epoch in range(self.epochs):
                rng = run.rng("bpr", "epoch", epoch)
                order = rng.permutation(asked)
                for at in range(0, len(order), BLOCK):
                    events = order[at : at + BLOCK]
                    drawn = rng.integers(
                        len(log.items), size=(len(events), self.negatives), dtype=np.int32
                    )
                    learn(events, drawn, *data, (source, target, bias), squares, how)
                advance()
        self.source_, self.target_, self.bias_ = source, target, bias

    def space(self) -> Space:
        """Return the vectors of items as what is asked for, and their biases."""
        return Space(self.target_, self.bias_)

    def _places(self, requests: Requests) -> Places:
        assert requests.histories is not None
        offsets, items, values = recency(requests.histories, self.decay, self.last)
        total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])[offsets]
        mass = np.diff(total)
        users = sum_rows((offsets, items, values), self.source_) / np.maximum(mass, 1e-30)[
            :, None
        ].astype(np.float32)
        return Places(users, np.diff(offsets) > 0)

    def _score(self, requests: Requests) -> np.ndarray:
        users, known = self._places(requests)
        scores: np.ndarray = users @ self.target_.T + self.bias_
        scores[~known] = tail(self.popularity_)
        return scores


@njit(cache=True, fastmath={"reassoc", "contract"})
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = np.float32(0.0)
    for d in range(len(a)):
        total += a[d] * b[d]
    return total


@njit(cache=True)
def _step(vector, gradient, square, rate):  # type: ignore[no-untyped-def]
    """Move `vector` along `gradient` and return the grown mean square of its gradients (AdaGrad, one a vector)."""
    square += _dot(gradient, gradient) / len(gradient)
    size = np.float32(rate / np.sqrt(square))
    for d in range(len(vector)):
        vector[d] += size * gradient[d]
    return square


@njit(cache=True)
def _worst(user, drawn, had, target, bias):  # type: ignore[no-untyped-def]
    """Return the highest scoring of the `drawn` items that the user never had, or -1."""
    best, found = -np.inf, -1
    for j in drawn:
        place = np.searchsorted(had, j)
        if place < len(had) and had[place] == j:
            continue
        score = bias[j] + _dot(user, target[j])
        if score > best:
            best, found = score, j
    return found


@njit(cache=True)
def learn(events, drawn, log, had, model, squares, how):  # type: ignore[no-untyped-def]
    """Go through `events` one after another, updating `model` and the sums of `squares` in place.

    log: the user, the first event of that user, the item and the weight of each event; had: each user's items sorted,
    as CSR; model: (source [items, size], target [items, size], bias [items]).
    """
    owner, begin, item, weight = log
    source, target, bias = model
    rate, penalty, decay, last = how
    user = np.zeros(source.shape[1], dtype=np.float32)
    apart, slope = np.empty_like(user), np.empty_like(user)
    for t in range(len(events)):
        e = events[t]
        first, i = max(begin[e], e - last), item[e]
        # Who asks is the decayed mean of what was had before the event: no user has a vector of their own.
        user[:] = 0.0
        total, share = 0.0, 1.0
        for k in range(e - 1, first - 1, -1):
            total += share * weight[k]
            user += np.float32(share * weight[k]) * source[item[k]]
            share *= decay
        user /= np.float32(total)
        j = _worst(user, drawn[t], had[1][had[0][owner[e]] : had[0][owner[e] + 1]], target, bias)
        if j < 0:
            continue
        apart[:] = target[i] - target[j]
        # The gradient of weight × ln σ(difference): next to nothing where the pair is told apart already. `apart` is
        # taken before the targets move, so that all vectors step from where they stood.
        pull = np.float32(weight[e] / (1.0 + np.exp(bias[i] - bias[j] + _dot(user, apart))))
        for side in range(2):
            other, sign = (i, pull) if side == 0 else (j, -pull)
            slope[:] = sign * user - np.float32(penalty) * target[other]
            squares[1][other] = _step(target[other], slope, squares[1][other], rate)
            squares[2][other] += pull * pull
            bias[other] += np.float32(
                rate * (sign - penalty * bias[other]) / np.sqrt(squares[2][other])
            )
        share = 1.0
        for k in range(e - 1, first - 1, -1):
            one = item[k]
            slope[:] = (
                np.float32(pull * share * weight[k] / total) * apart
                - np.float32(penalty) * source[one]
            )
            squares[0][one] = _step(source[one], slope, squares[0][one], rate)
            share *= decay
