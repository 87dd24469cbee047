"""A softmax over many items of which only a few clusters are looked at: which, a small network says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.loss import kl_loss
from wareloom.neural.training import Training, train
from wareloom.neural.weights import arrays
from wareloom.synthesis.behaviour._walk import _next

F = torch.nn.functional
HIDDEN = 128
"""Width of the network that guesses how much of the softmax each cluster holds"""
STATES = 8_192
"""Queries it is taught by, at most"""
WORK = 1 << 28
"""Logits computed to teach it, at most"""
DRAWN = 2
"""Clusters that are looked at beside the heaviest, so as to draw an item"""
PROBED = 16
"""Clusters looked through for the best items"""
BINS, DEEP = 1_024, 24.0
"""Bins of the logits below the best one, and how deep: what is e^24 times less likely is not looked at"""


class Clusters(NamedTuple):
    """Items that can be drawn, laid out cluster after cluster."""

    code: np.ndarray
    """int32 [items]"""
    start: np.ndarray
    """int64 [clusters + 1]"""
    vectors: np.ndarray
    """float32 [items, size], over the temperature"""
    bias: np.ndarray
    """float32 [items], over the temperature"""


class Best(NamedTuple):
    """Among which items a new one is drawn."""

    top_k: int
    """So many of the likeliest; 0 for all"""
    top_p: float
    """The fewest that hold this share of the probability; 1 for all"""


class DrawRoom(NamedTuple):
    """Room to draw an item from a few clusters."""

    share: np.ndarray
    """float64 [clusters]"""
    chance: np.ndarray
    """float32 [1 + DRAWN, items of the largest cluster]"""


class ProbeRoom(NamedTuple):
    """Room to look through clusters."""

    logits: np.ndarray
    """float32 [items]"""
    place: np.ndarray
    """int64 [items], places in `Clusters.code`"""
    share: np.ndarray
    """float64 [clusters]"""


def halved(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into about √n clusters of equal size: (order int64 [n], starts int64 [clusters + 1]).

    Each is halved at the median along its direction of most spread, again and again (Boley 1998, with even halves).
    """
    n = len(vectors)
    rounds = max(0, round(math.log2(max(1.0, math.sqrt(n)))))
    order, starts = np.arange(n), np.array([0, n])
    for _ in range(rounds):
        cut = []
        for a, b in pairwise(starts):
            own = vectors[order[a:b]]
            own = own - own.mean(axis=0)
            along = own[np.argmax((own * own).sum(axis=1))] if len(own) else own
            for _ in range(8):
                along = own.T @ (own @ along)
                along = along / max(float(np.linalg.norm(along)), 1e-30)
            order[a:b] = order[a:b][np.argsort(own @ along, kind="stable")]
            cut += [a, (a + b) // 2]
        starts = np.array([*cut, n])
    return order, starts.astype(np.int64)


def fit_clusters(
    vectors: np.ndarray, bias: np.ndarray, code: np.ndarray, queries: np.ndarray, run: Run
) -> tuple[Clusters, dict[str, np.ndarray]]:
    """Lay out the items `code` and teach the network which clusters hold how much for queries [states, size].

    Vectors and biases are those of the items `code`, over the temperature.
    """
    order, start = halved(np.column_stack([vectors, bias]))
    clusters = Clusters(
        code[order].astype(np.int32),
        start,
        np.ascontiguousarray(vectors[order], dtype=np.float32),
        np.ascontiguousarray(bias[order], dtype=np.float32),
    )
    head = Guess(vectors.shape[1], clusters)
    queries = queries[: max(64, min(STATES, WORK // max(1, len(code))))]
    if len(start) > 2 and len(queries):
        wanted = torch.from_numpy(shares(clusters, queries))
        known = torch.from_numpy(queries)

        def batches(epoch: int) -> Iterator[tuple[Any, ...]]:
            shuffled = torch.from_numpy(
                run.rng("clusters", "epoch", epoch).permutation(len(queries))
            )
            for part in torch.split(shuffled, 256):
                yield known[part], wanted[part]

        def loss(batch: tuple[Any, ...]) -> Any:
            query, share = batch
            return kl_loss(head(query), share, torch.ones(len(query), device=query.device))

        train(
            head,
            batches,
            loss,
            Training(learning_rate=3e-3, epochs=15),
            run.with_(device="cpu", track=""),
        )
    return clusters, arrays(head)


def shares(clusters: Clusters, queries: np.ndarray) -> np.ndarray:
    """How much of the softmax each cluster holds, exactly: float32 [queries, clusters]."""
    out = np.empty((len(queries), len(clusters.start) - 1), dtype=np.float32)
    block = max(1, (1 << 24) // max(1, len(clusters.code)))
    for first in range(0, len(queries), block):
        logits = queries[first : first + block] @ clusters.vectors.T + clusters.bias
        logits -= logits.max(axis=1, keepdims=True)
        held = np.add.reduceat(np.exp(logits, out=logits), clusters.start[:-1], axis=1)
        out[first : first + block] = held / held.sum(axis=1, keepdims=True)
    return out


class Guess(torch.nn.Module):  # type: ignore[misc]
    """Logits of the clusters for a query: those of their middles, and what a hidden layer adds."""

    def __init__(self, size: int, clusters: Clusters) -> None:
        super().__init__()
        n = len(clusters.start) - 1
        self.middle = torch.nn.Linear(size, n)
        self.wide, self.narrow = torch.nn.Linear(size, HIDDEN), torch.nn.Linear(HIDDEN, n)
        with torch.no_grad():
            self.narrow.weight.zero_()
            self.narrow.bias.zero_()
            for c, (a, b) in enumerate(zip(clusters.start[:-1], clusters.start[1:], strict=True)):
                self.middle.weight[c] = torch.from_numpy(clusters.vectors[a:b].mean(axis=0))
                self.middle.bias[c] = float(
                    np.log(np.exp(clusters.bias[a:b].astype(np.float64)).sum())
                )

    def forward(self, query: Any) -> Any:
        """[n, size] → [n, clusters]."""
        return self.middle(query) + self.narrow(F.gelu(self.wide(query)))


@njit(cache=True)
def softened(logits: np.ndarray, out: np.ndarray) -> float:
    """Write exp(logits - max) to `out` and return the sum."""
    top, total = logits.max(), 0.0
    for i in range(len(logits)):
        out[i] = np.exp(logits[i] - top)
        total += out[i]
    return total


@njit(cache=True, fastmath=True)
def _logits(clusters, c, query, out):  # type: ignore[no-untyped-def]
    """Write the logits of a cluster's items to `out` and return how many there are."""
    a, b = clusters.start[c], clusters.start[c + 1]
    for i in range(a, b):
        total = clusters.bias[i]
        for j in range(len(query)):
            total += clusters.vectors[i, j] * query[j]
        out[i - a] = total
    return b - a


@njit(cache=True)
def draw_item(clusters, guess, query, room, state):  # type: ignore[no-untyped-def]
    """Draw an item from the softmax over all: int code.

    What the cluster guessed to be the heaviest holds is computed, and that of some others, drawn by the guess; one of
    them is kept by what they hold, the others standing for all the rest (importance resampling, Rubin 1987). Within it
    the softmax is exact.
    """
    share, chance = room.share, room.chance
    total = softened(guess, share)
    c = int(np.argmax(guess))
    top = guess[c]
    total -= share[c]
    share[c] = 0.0
    chosen, sum_, level, width = c, 0.0, -np.inf, 0
    for draw in range(1 + DRAWN if len(guess) > 1 else 1):
        if draw:
            u, c = _next(state) * total, 0
            u -= share[0]
            while u >= 0.0 and c < len(guess) - 1:
                c += 1
                u -= share[c]
        n = _logits(clusters, c, query, chance[draw])
        peak = chance[draw, :n].max()
        held = _exponents(chance[draw], n, peak)
        # Each other one stands for its part of all that is guessed of the rest, times how far its own guess is off.
        scale = 0.0 if draw == 0 else np.log(total / DRAWN) + top - guess[c]
        weight = np.log(held) + peak + scale
        # Sums are kept relative to the heaviest so far, so that none overflows.
        if weight > level:
            sum_, level = sum_ * np.exp(level - weight), weight
        sum_ += np.exp(weight - level)
        if _next(state) * sum_ < np.exp(weight - level):
            chosen, width, kept, whole = c, n, draw, held
    u = _next(state) * whole
    for i in range(width):
        u -= chance[kept, i]
        if u < 0.0:
            return clusters.code[clusters.start[chosen] + i]
    return clusters.code[clusters.start[chosen] + width - 1]


@njit(cache=True, fastmath=True)
def _exponents(logits, n, top):  # type: ignore[no-untyped-def]
    """Replace the first n logits by exp(logit - top) and return their sum."""
    total = np.float32(0.0)
    for i in range(n):
        logits[i] = np.exp(logits[i] - top)
        total += logits[i]
    return total


@njit(cache=True)
def probe(clusters, guess, query, coverage, room):  # type: ignore[no-untyped-def]
    """Look through the clusters that are guessed to hold most: at least `PROBED` and a share `coverage` of the softmax.

    Writes logits and places (into `clusters.code`); returns how many, the highest logit, and, over its exponential, the
    sum of what was found and what the rest is guessed to hold.
    """
    logits, place, share = room.logits, room.place, room.share
    total = softened(guess, share)
    n, covered, looked = 0, 0.0, 0
    while looked < len(guess) and (looked < PROBED or covered < coverage * total):
        c = int(np.argmax(share))
        width = _logits(clusters, c, query, logits[n:])
        for i in range(width):
            place[n + i] = clusters.start[c] + i
        covered += share[c]
        share[c] = -1.0
        n += width
        looked += 1
    # The guess is right up to a constant: what was found says which.
    top, held = logits[:n].max(), 0.0
    for i in range(n):
        held += np.exp(logits[i] - top)
    rest = held * max(0.0, total - covered) / max(covered, 1e-30)
    return n, top, held, rest


@njit(cache=True)
def draw_best(clusters, guess, query, best, room, never, state):  # type: ignore[no-untyped-def]
    """Draw one of the `best` items by the softmax, none of the codes `never`; -1 where none is left.

    top_k, 0 for all: so many of the likeliest; top_p: the fewest that hold this share of the softmax, or of the top_k
    where both are given (Holtzman et al. 2020).
    """
    top_k, top_p = best.top_k, best.top_p
    logits, place = room.logits, room.place
    n, top, held, rest = probe(
        clusters, guess, query, 1.0 - (1.0 - top_p) / 4 if top_p < 1.0 else 0.0, room
    )
    for i in range(n):
        for code in never:
            if clusters.code[place[i]] == code:
                held -= np.exp(logits[i] - top)
                logits[i] = -np.inf
                break
    if top_k > 0:
        rest = 0.0
    wanted = top_p * (held + rest) if top_k == 0 else np.inf
    least = _threshold(logits[:n], top, top_k if top_k > 0 else n, wanted)
    if top_k > 0 and top_p < 1.0:
        inside = 0.0
        for i in range(n):
            if logits[i] >= least:
                inside += np.exp(logits[i] - top)
        least = max(least, _threshold(logits[:n], top, n, top_p * inside))
    total, chosen = 0.0, -1
    for i in range(n):
        if logits[i] >= least:
            weight = np.exp(logits[i] - top)
            total += weight
            if weight > 0.0 and _next(state) * total < weight:
                chosen = i
    return clusters.code[place[chosen]] if chosen >= 0 else -1


@njit(cache=True)
def _threshold(logits, top, count, mass):  # type: ignore[no-untyped-def]
    """The logit down to which there are `count` items or they hold `mass` (in units of exp(top)), what comes first."""
    number, held = np.zeros(BINS, dtype=np.int64), np.zeros(BINS)
    for s in logits:
        depth = (top - s) * (BINS / DEEP)
        if depth < BINS:
            number[int(depth)] += 1
            held[int(depth)] += np.exp(s - top)
    b = 0
    while b < BINS - 1 and count > number[b] and mass > held[b]:
        count -= number[b]
        mass -= held[b]
        b += 1
    # Within the bin value by value from the top, all that are alike at once.
    least = np.inf
    while True:
        below, alike = -np.inf, 0
        for s in logits:
            depth = (top - s) * (BINS / DEEP)
            if depth < BINS and int(depth) == b and s < least:
                if s > below:
                    below, alike = s, 0
                alike += s == below
        if alike == 0:
            return max(least, top - DEEP) if least < np.inf else top - DEEP
        least = below
        count -= alike
        mass -= alike * np.exp(least - top)
        if count <= 0 or mass <= 0.0:
            return least
