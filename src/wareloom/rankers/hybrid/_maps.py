"""The maps of text vectors that decide, for each request and item, how much each ranker's score counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, train
from wareloom.neural.weights import arrays
from wareloom.rankers.candidates import Candidates

F = torch.nn.functional

ROWS = 1 << 14
"""Pairs of request and item that are mapped at a time."""
JUDGED = 0.3
"""Share of the held-back requests on which the best moment to stop is read off."""
POWERS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)
FLOORS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Powers of the scores, and what is added to them before, that are tried for the likelihood."""
LEAST = 0.01
"""The least share of a collaborative member at the start, so that its logarithm is a number."""


@dataclass(frozen=True)
class Start:
    """Where the maps begin: weights that are the same for all requests and items."""

    collaborative: np.ndarray
    """float64 [collaborative columns], a share each"""
    content: np.ndarray
    """float64 [content columns], in the same units"""
    alone: np.ndarray
    """float64 [collaborative columns], the shares where there is no content"""


@dataclass(frozen=True)
class Held:
    """Held-back requests that are learned from."""

    queries: np.ndarray
    """float32 [requests, size], vectors of the histories"""
    products: np.ndarray
    """float32 [items, size]"""
    found: Candidates
    """Their features are the collaborative columns, then the content columns"""


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """How the maps are taught."""

    hidden: int
    kl: float
    weight_decay: float
    learning_rate: float
    epochs: int
    batch_size: int


class MixingNetwork(torch.nn.Module):  # type: ignore[misc]
    """One hidden layer for a and one for b, and the matrices W and V with their constants."""

    def __init__(
        self, size: int, hidden: int, start: Start, power: float = 1.0, floor: float = 1.0
    ) -> None:
        super().__init__()
        self.query = torch.nn.Linear(size, 2 * hidden)
        self.product = torch.nn.Linear(size, 2 * hidden, bias=False)
        self.both = torch.nn.Linear(size, 2 * hidden, bias=False)
        self.shares = torch.nn.Linear(hidden, len(start.collaborative))
        self.content = torch.nn.Linear(hidden, len(start.content))
        self.power = torch.nn.Parameter(torch.tensor(float(np.log(power))))
        self.floor = torch.nn.Parameter(torch.tensor(float(np.log(floor))))
        with torch.no_grad():
            for layer, bias in (
                (self.shares, np.log(start.collaborative)),
                (self.content, start.content),
            ):
                layer.weight.zero_()
                layer.bias.copy_(torch.from_numpy(bias.astype(np.float32)))

    def forward(self, query: Any, product: Any, features: Any) -> Any:
        """Scores [requests, candidates] of vectors [requests, size], [requests, candidates, size], and features."""
        mapped = (
            self.query(query)[:, None] + self.product(product) + self.both(query[:, None] * product)
        )
        a, b = torch.tanh(mapped).chunk(2, dim=-1)
        shares, content = torch.softmax(self.shares(a), dim=-1), self.content(b)
        split = shares.shape[-1]
        return (shares * features[..., :split]).sum(-1) + (content * features[..., split:]).sum(-1)

    def logits(self, scores: Any) -> Any:
        """Turn scores into logits without changing their order: P ∝ (score + floor)^power."""
        return self.power.exp() * torch.log(scores.clamp(min=0) + self.floor.exp())

    def weights(self) -> dict[str, np.ndarray]:
        """Return all weights by name, float32."""
        return arrays(self)


def apply(
    weights: dict[str, np.ndarray],
    queries: np.ndarray,
    products: np.ndarray,
    request: np.ndarray,
    item: np.ndarray,
    features: np.ndarray,
) -> np.ndarray:
    """Scores of pairs of request and item, without torch: float32 [pairs].

    `queries` float32 [requests, size], `products` [items, size], `features` [pairs, columns].
    softmax(a(q, p)ᵀW) · r_collaborative + b(q, p)ᵀV · r_content.
    """
    scores = np.empty(len(request), dtype=np.float32)
    split, width = len(weights["shares.bias"]), len(weights["query.bias"]) // 2
    of_query = queries @ weights["query.weight"].T + weights["query.bias"]
    of_product = products @ weights["product.weight"].T
    for start in range(0, len(request), ROWS):
        part = slice(start, start + ROWS)
        q, p, r = request[part], item[part], features[part]
        mapped = (queries[q] * products[p]) @ weights["both.weight"].T + of_query[q] + of_product[p]
        np.tanh(mapped, out=mapped)
        logits = mapped[:, :width] @ weights["shares.weight"].T + weights["shares.bias"]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        content = mapped[:, width:] @ weights["content.weight"].T + weights["content.bias"]
        scores[part] = (shares * r[:, :split]).sum(axis=1) + (content * r[:, split:]).sum(axis=1)
    return scores


def constant(start: Start, size: int) -> dict[str, np.ndarray]:
    """Return the weights of maps that were taught nothing: those of `start` for all requests and items."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MixingNetwork(size, 1, start).weights()


def likeliest(found: Candidates, scores: np.ndarray) -> tuple[float, float, float]:
    """Return the power and floor under which P ∝ (score + floor)^power makes the right ones likeliest, and -log P."""
    asked = np.flatnonzero(found.right >= 0)
    sizes = np.diff(found.offsets)[asked]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rows = np.repeat(found.offsets[asked] - starts, sizes) + np.arange(sizes.sum())
    value, right = (
        np.maximum(scores[rows], 0.0).astype(np.float64),
        found.right[asked] - found.offsets[asked] + starts,
    )
    tried = []
    for floor in FLOORS:
        logs = np.log(value + floor)
        for power in POWERS:
            total = np.add.reduceat(np.exp(power * logs), starts)
            tried.append((float((np.log(total) - power * logs[right]).mean()), power, floor))
    loss, power, floor = min(tried)
    return power, floor, loss


def teach(
    held: Held, start: Start, how: Teaching, run: Run
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Fit the maps to the held-back events; returns their weights, and the judged requests' gain at both ends.

    The loss of a request is -log P(right item) + kl × KL(P_collaborative ‖ P) over its candidates, P ∝ (score +
    floor)^power, both learned, and P_collaborative alike with the collaborative scores alone. Requests whose right item
    is no candidate say nothing.
    """
    asked = np.flatnonzero(held.found.right >= 0)
    order = run.rng("blend", "judged").permutation(asked)
    judged, taught = np.split(order, [round(JUDGED * len(order))])
    laid = _Batches(held, _teacher(held, start), how.batch_size)
    begun = held.found.features @ np.concatenate([start.collaborative, start.content]).astype(
        np.float32
    )
    with seeded(run, "blend"):
        net = MixingNetwork(
            held.queries.shape[1], how.hidden, start, *likeliest(held.found, begun)[:2]
        )

        def batches(epoch: int) -> Iterator[dict[str, Any]]:
            return laid.of(run.rng("blend", "batches", epoch).permutation(taught))

        def worth() -> float:
            return _gain(net, laid.of(judged))

        with torch.no_grad():
            begin, untaught = worth(), net.weights()
        training = Training(
            learning_rate=how.learning_rate,
            epochs=how.epochs,
            weight_decay=how.weight_decay,
            warmup=min(50, how.epochs * max(1, len(taught) // how.batch_size) // 10),
        )
        train(net, batches, lambda batch: _loss(net, batch, how.kl), training, run, worth)
        with torch.no_grad():
            end = worth()
    report = {"judged": float(len(judged)), "gain at the start": begin, "gain at the end": end}
    return (net.weights() if end > begin else untaught), report


def _teacher(held: Held, start: Start) -> np.ndarray:
    """Logits of the candidates by the collaborative scores alone, as likely as they can be: float32 [candidates]."""
    shares = start.alone.astype(np.float32)
    alone = held.found.features[:, : len(shares)] @ shares
    power, floor, _ = likeliest(held.found, alone)
    logits: np.ndarray = power * np.log(np.maximum(alone, 0.0) + np.float32(floor))
    return logits


def _loss(net: MixingNetwork, batch: dict[str, Any], kl: float) -> Any:
    """Mean over requests of -log P(right item), and `kl` times the divergence from the collaborative scores."""
    logits = net.logits(net(batch["query"], batch["product"], batch["features"]).float())
    logs = F.log_softmax(logits.masked_fill(batch["missing"], -1e9), dim=1)
    right = -logs.gather(1, batch["right"][:, None]).mean()
    if kl == 0:
        return right
    return right + kl * _divergence(batch["teacher"], batch["missing"], logs)


def _gain(net: MixingNetwork, batches: Iterator[dict[str, Any]]) -> float:
    """Mean of 1 / log2(1 + rank) of the requests' right items, as `Candidates.gain`."""
    gains = []
    for batch in batches:
        here = {name: tensor.to(net.power.device) for name, tensor in batch.items()}
        scores = net(here["query"], here["product"], here["features"])
        scores = scores.masked_fill(here["missing"], -1e9)
        own = scores.gather(1, here["right"][:, None])
        gains.append(1 / torch.log2(1.0 + (scores >= own).sum(dim=1).double()))
    return float(torch.cat(gains).mean()) if gains else 0.0


def _divergence(teacher: Any, missing: Any, logs: Any) -> Any:
    """KL(P_collaborative ‖ P), mean over requests."""
    wanted = F.log_softmax(teacher.masked_fill(missing, -1e9), dim=1)
    return (wanted.exp() * (wanted - logs)).masked_fill(missing, 0.0).sum(dim=1).mean()


@dataclass(frozen=True)
class _Batches:
    """Held-back requests laid out in batches, the candidates of each padded to one width."""

    held: Held
    teacher: np.ndarray
    """float32 [candidates], logits that the maps are to stay near"""
    size: int

    def of(self, requests: np.ndarray) -> Iterator[dict[str, Any]]:
        """Yield some requests, int64 [requests], in the given order."""
        for first in range(0, len(requests), self.size):
            yield self._one(requests[first : first + self.size])

    def _one(self, requests: np.ndarray) -> dict[str, Any]:
        held, found = self.held, self.held.found
        starts, sizes = found.offsets[requests], np.diff(found.offsets)[requests]
        place = np.arange(sizes.max())
        missing = place >= sizes[:, None]
        rows = np.where(missing, starts[:, None], starts[:, None] + place)
        columns = {
            "query": held.queries[requests],
            "product": held.products[found.item[rows]],
            "features": found.features[rows],
            "teacher": self.teacher[rows],
            "missing": missing,
            "right": found.right[requests] - starts,
        }
        return {
            name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in columns.items()
        }
