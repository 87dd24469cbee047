"""LightGCN: item vectors smoothed over the graph of users and items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from wareloom.core.run import Run
from wareloom.core.settings import Factor, NonNegative, Positive, Size
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, train
from wareloom.rankers import Ranker
from wareloom.rankers.history import popularity, recency, tail
from wareloom.rankers.neighbourhood import sum_rows
from wareloom.rankers.space import Places, Space
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps

F = torch.nn.functional


@dataclass(kw_only=True, eq=False)
class LightGCN(Ranker):
    """Propagate item vectors over the user-item graph and score items by the inner product with a history's vector.

    With A the users' √(weight of the events) on items and R = D_u^-½ A D_i^-½, D the sums of the rows and columns of
    A, the vectors are Z = Σ (RᵀR)^l E / (layers + 1) for l = 0 … layers: LightGCN where users have no vectors of their
    own but only what they take from their items, so that users need not be known. A request's vector is one more step
    of the graph, p = Σ aₖ zₖ / √dₖ over its events, with dₖ the item's degree and aₖ = weight × decay^age; the score of
    j is the cosine of p and zⱼ. Without known events, items go by popularity.

    Trained to tell each event, by the events before it, from items drawn by popularity^power: cross-entropy of cosine /
    temperature with the logQ correction, each event by its weight. Every update propagates anew, by two products with
    a sparse matrix a layer. Memory: the matrix twice, items × embedding_size × layers, batch_size × negatives × 4
    bytes. He et al. (2020); sampled softmax in place of BPR as in Wu et al. (2024).
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )

    embedding_size: Size = 64
    """Numbers an item is described by."""
    layers: Size = 1
    """Steps from items to users and back to items."""
    epochs: Size = 12
    """Passes over the log."""
    batch_size: Size = 4096
    """Events a batch."""
    learning_rate: Positive = 0.02
    """Highest step size."""
    weight_decay: NonNegative = 0.0
    """Decoupled decay of the vectors."""
    temperature: Positive = 0.1
    """Cosines are divided by this in training; the lower, the more the items count that score highest."""
    negatives: Size = 1024
    """Items drawn for each batch."""
    power: NonNegative = 0.5
    """Negatives are drawn by popularity to this power."""
    decay: Factor = 0.7
    """Factor for each step back in the history, in training and at scoring; 1 counts all events alike."""
    last: Size = 20
    """Events of the history that count, the latest ones."""

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        log = log.keep(log.weight > 0)
        self.popularity_ = popularity(log)
        graph, degree = normalised(log)
        scale = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-30)), 0.0).astype(np.float32)
        with seeded(run, "lightgcn"):
            net = GraphNetwork(graph, self)
            data = _Data(log, scale, self, run)
            if len(data.asked):
                updates = self.epochs * -(-len(data.asked) // self.batch_size)
                how = Training(
                    learning_rate=self.learning_rate,
                    epochs=self.epochs,
                    weight_decay=self.weight_decay,
                    warmup=min(100, updates // 10),
                )
                train(net, data.batches, lambda batch: net.loss(batch), how, run)
        self.vectors_ = propagate(net.start.weight.detach().cpu().numpy(), graph, self.layers)
        self.scale_ = scale

    def space(self) -> Space:
        """Return the directions of the items' vectors."""
        return Space(_unit(self.vectors_))

    def _places(self, requests: Requests) -> Places:
        assert requests.histories is not None
        offsets, items, values = recency(requests.histories, self.decay, self.last)
        users = sum_rows((offsets, items, values * self.scale_[items]), self.vectors_)
        return Places(_unit(users), np.diff(offsets) > 0)

    def _score(self, requests: Requests) -> np.ndarray:
        users, known = self._places(requests)
        scores: np.ndarray = users @ _unit(self.vectors_).T
        scores[~known] = tail(self.popularity_)
        return scores


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length 1; zeros stay."""
    lengths: np.ndarray = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit


def normalised(log: Log) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return R = D_u^-½ A D_i^-½, float32 CSR [users, items], and the degrees of the items, float64."""
    graph = log.matrix()
    graph.data = np.sqrt(graph.data)
    graph.eliminate_zeros()
    rows = np.asarray(graph.sum(axis=1), dtype=np.float64).ravel()
    columns = np.asarray(graph.sum(axis=0), dtype=np.float64).ravel()
    owner = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    graph.data = (graph.data / np.sqrt(rows[owner] * columns[graph.indices])).astype(np.float32)
    return graph, columns


def propagate(vectors: np.ndarray, graph: sparse.csr_matrix, layers: int) -> np.ndarray:
    """Return the mean of (RᵀR)^l E over l = 0 … `layers`: float32 [items, size]."""
    total, step = vectors.astype(np.float32), vectors.astype(np.float32)
    for _ in range(layers):
        step = graph.T @ (graph @ step)
        total = total + step
    mean: np.ndarray = total / np.float32(layers + 1)
    return mean


class _Smooth(torch.autograd.Function):  # type: ignore[misc]
    """Propagation. It is a symmetric linear map, so its gradient is itself."""

    @staticmethod
    def forward(context: Any, vectors: Any, there: Any, back: Any, layers: int) -> Any:
        context.save_for_backward(there, back)
        context.layers = layers
        total = step = vectors
        for _ in range(layers):
            step = torch.sparse.mm(back, torch.sparse.mm(there, step))
            total = total + step
        return total / (layers + 1)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        return _Smooth.apply(gradient, *context.saved_tensors, context.layers), None, None, None


class GraphNetwork(torch.nn.Module):  # type: ignore[misc]
    """The item vectors and the graph."""

    def __init__(self, graph: sparse.csr_matrix, settings: LightGCN) -> None:
        super().__init__()
        self.layers, self.temperature = settings.layers, settings.temperature
        self.start = torch.nn.Embedding(graph.shape[1], settings.embedding_size)
        torch.nn.init.normal_(self.start.weight, std=settings.embedding_size**-0.5)
        for name, matrix in (("there", graph), ("back", graph.T)):
            self.register_buffer(name, _tensor(matrix.tocoo()), persistent=False)

    def loss(self, batch: tuple[Any, ...]) -> Any:
        """Weighted mean cross-entropy of the targets among shared negatives; a row leaves its own target out."""
        items, offsets, shares, target, weight, negatives, log_q = batch
        smooth = _Smooth.apply(self.start.weight, self.there, self.back, self.layers)
        users = F.normalize(
            F.embedding_bag(items, smooth, offsets, mode="sum", per_sample_weights=shares), dim=1
        )
        own = (users * F.normalize(smooth[target], dim=1)).sum(1) / self.temperature
        # Popular items are drawn oftener, and would be pushed down for it: log q is taken off (Yi et al. 2019).
        others = users @ F.normalize(smooth[negatives], dim=1).T / self.temperature - log_q
        others = others.masked_fill(target[:, None] == negatives[None, :], float("-inf"))
        losses = torch.logsumexp(torch.cat([own[:, None], others], dim=1), dim=1) - own
        return (losses * weight).sum() / weight.sum()


def _tensor(matrix: Any) -> Any:
    where = torch.from_numpy(np.stack([matrix.row, matrix.col]).astype(np.int64))
    return torch.sparse_coo_tensor(
        where, torch.from_numpy(matrix.data), matrix.shape, check_invariants=True
    ).coalesce()


class _Data:
    """Events with what came before them, and negatives."""

    def __init__(self, log: Log, scale: np.ndarray, settings: LightGCN, run: Run) -> None:
        self.log, self.settings, self.run = log, settings, run
        self.share = log.weight * scale[log.item]
        first = np.repeat(log.offsets[:-1], log.lengths())
        event = np.arange(len(log))
        self.asked = np.flatnonzero(event > first)
        self.begin = np.maximum(first, event - settings.last)
        chance = (log.counts(weighted=True) + 1e-3) ** settings.power
        self.cumulative = np.cumsum(chance / chance.sum())
        self.log_q = np.log(settings.negatives * chance / chance.sum()).astype(np.float32)

    def batches(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Yield (items before, where each target's begin, their shares, targets, weights, negatives, their log q)."""
        rng = self.run.rng("lightgcn", "epoch", epoch)
        order = rng.permutation(self.asked)
        for at in range(0, len(order), self.settings.batch_size):
            events = order[at : at + self.settings.batch_size]
            sizes = events - self.begin[events]
            offsets = np.concatenate([[0], np.cumsum(sizes)])
            rows = np.repeat(self.begin[events] - offsets[:-1], sizes) + np.arange(offsets[-1])
            age = np.repeat(events, sizes) - 1 - rows
            shares = (self.share[rows] * self.settings.decay**age).astype(np.float32)
            drawn = np.searchsorted(
                self.cumulative, rng.random(self.settings.negatives), side="right"
            )
            drawn = np.minimum(drawn, len(self.cumulative) - 1)
            items = self.log.item.astype(np.int64)
            arrays = (
                items[rows],
                offsets[:-1],
                shares,
                items[events],
                self.log.weight[events],
                drawn,
            )
            yield tuple(
                torch.from_numpy(np.ascontiguousarray(a)) for a in (*arrays, self.log_q[drawn])
            )
