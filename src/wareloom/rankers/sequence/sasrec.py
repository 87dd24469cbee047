"""SASRec: self-attention over the history predicts the next item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.neural import torch
from wareloom.neural.batches import bucketed, padded, windows
from wareloom.neural.loss import sampled_softmax_loss, softmax_loss
from wareloom.neural.training import Training, seeded, train
from wareloom.neural.transformer import CausalEncoder
from wareloom.rankers import Ranker
from wareloom.rankers._history import popularity, require, tail
from wareloom.run import Run
from wareloom.shop import Log, Requests, Shop


@dataclass(kw_only=True, eq=False)
class SASRec(Ranker):
    """Encode the history by causal self-attention and score items by the inner product with their embeddings.

    Trained to predict each next item by cross-entropy, over all items or among shared negatives drawn by popularity
    with the logQ correction; not by the paper's binary loss, which is far weaker. A share of the users' last events is
    kept back from training to stop early. An empty history ranks by popularity. Kang and McAuley (2018); Klenitskiy and
    Vasilev (2023).
    """

    embedding_size: int = 64
    """Numbers an item is described by."""
    layers: int = 2
    """Layers of self-attention."""
    heads: int = 1
    """Attention heads; they divide `embedding_size`."""
    dropout: float = 0.4
    """Share of activations dropped in training."""
    max_length: int = 50
    """Latest events of a history that are read."""
    negatives: int = 512
    """Items drawn for the softmax; 0, or a catalogue hardly larger, takes all items."""
    power: float = 0.5
    """Negatives are drawn by popularity to this power."""
    epochs: int = 80
    """Passes over the log, at most."""
    batch_size: int = 2048
    """Events a batch, padding included."""
    learning_rate: float = 2e-3
    """Highest step size."""
    weight_decay: float = 0.0
    """Decoupled decay of the weights."""
    patience: int = 20
    """Epochs without a better validation value after which training stops; 0 never stops early."""
    validation: float = 0.05
    """Share of users whose last event stops the training early; none where it comes to fewer than 20."""

    def __post_init__(self) -> None:
        for name in ("embedding_size", "layers", "heads", "epochs", "batch_size"):
            require("sasrec", name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        require("sasrec", "max_length", self.max_length, self.max_length >= 2, "2 or more")
        require("sasrec", "heads", self.heads, self.embedding_size % self.heads == 0, "a divisor of embedding_size")
        require("sasrec", "dropout", self.dropout, 0 <= self.dropout < 1, "a share below 1")
        require("sasrec", "validation", self.validation, 0 <= self.validation < 1, "a share below 1")

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)
        with seeded(run, "sasrec"):
            net = self._build(len(log.items))
            data = _Data(log.keep(log.weight > 0), self, run)
            how = Training(
                learning_rate=self.learning_rate,
                epochs=self.epochs,
                weight_decay=self.weight_decay,
                patience=self.patience if data.held else 0,
            )
            table, bias = net["encoder"].item.weight, net["bias"].weight[:, 0]

            def loss(batch: tuple[Any, Any]) -> Any:
                items, weight = batch
                target = items[:, 1:]
                there = target > 0
                states, wanted, weight = net["encoder"](items[:, :-1])[there], target[there], weight[:, 1:][there]
                if data.log_q is None:
                    return softmax_loss(states, wanted - 1, weight, table[1:], bias[1:])
                return sampled_softmax_loss(states, wanted, weight, table, bias, data.negatives(), data.log_q)

            check = (lambda: data.value(self._states(net, data.held_histories), net)) if data.held else None
            self.training_ = train(net, data.batches, loss, how, run, check)
        self.weights_ = {name: tensor.detach().numpy().copy() for name, tensor in net.state_dict().items()}
        self._net = net

    def _build(self, items: int) -> Any:
        encoder = CausalEncoder(
            items,
            size=self.embedding_size,
            length=self.max_length,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
        )
        bias = torch.nn.Embedding(items + 1, 1)
        torch.nn.init.zeros_(bias.weight)
        return torch.nn.ModuleDict({"encoder": encoder, "bias": bias})

    def _network(self) -> Any:
        """The network, built anew from the saved weights where this was restored."""
        if not hasattr(self, "_net"):
            net = self._build(len(self.popularity_))
            net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights_.items()})
            self._net = net.eval()
        return self._net

    def _states(self, net: Any, histories: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Any:
        """Encode what follows each non-empty history: [requests, size]."""
        item, starts, sizes = histories
        laid = torch.from_numpy(padded(item.astype(np.int64) + 1, starts, sizes))
        return net["encoder"](laid)[torch.arange(len(sizes)), torch.from_numpy(sizes - 1)]

    def _score(self, requests: Requests) -> np.ndarray:
        assert requests.histories is not None
        log, net = requests.histories, self._network()
        scores = np.tile(tail(self.popularity_), (len(requests), 1))
        starts, sizes = windows(log.offsets, self.max_length)
        asked = np.flatnonzero(sizes > 0)
        with torch.no_grad():
            for length in np.unique(sizes[asked]):
                rows = asked[sizes[asked] == length]
                states = self._states(net, (log.item, starts[rows], sizes[rows]))
                found = states @ net["encoder"].item.weight[1:].T + net["bias"].weight[1:, 0]
                scores[rows] = found.numpy()
        return scores


class _Data:
    """The log as batches, negatives and a held-back part."""

    def __init__(self, log: Log, settings: SASRec, run: Run) -> None:
        self.log, self.settings, self.run = log, settings, run
        self.code, self.weight = log.item.astype(np.int64) + 1, log.weight
        starts, sizes = windows(log.offsets, settings.max_length + 1)
        usable = np.flatnonzero(sizes >= 2)
        rng = run.rng("sasrec", "validation")
        long = usable[(sizes[usable] >= 3) & log.real[log.offsets[usable + 1] - 1]]
        held = np.sort(rng.permutation(long)[: int(settings.validation * len(long))])
        self.held = len(held) >= 20
        if self.held:
            self.answers = log.item[starts[held] + sizes[held] - 1]
            sizes[held] -= 1
            keep = np.minimum(sizes[held], settings.max_length)
            self.held_histories = (log.item, starts[held] + sizes[held] - keep, keep)
        self.users = usable
        self.starts, self.sizes = starts[usable], sizes[usable]
        sampled = settings.negatives and len(log.items) > 2 * settings.negatives
        self.log_q = self._chances() if sampled else None

    def _chances(self) -> Any:
        weight = np.concatenate([[0.0], (self.log.counts(weighted=True) + 1.0) ** self.settings.power])
        q = weight / weight.sum()
        self.cumulative = torch.from_numpy(np.cumsum(q))
        return torch.log(torch.from_numpy(np.maximum(q * self.settings.negatives, 1e-30)).float())

    def negatives(self) -> Any:
        """Draw shared negatives, codes from 1."""
        drawn = torch.searchsorted(self.cumulative, torch.rand(self.settings.negatives, dtype=torch.float64))
        return drawn.clamp_(1, len(self.log.items))

    def batches(self, epoch: int) -> Iterator[tuple[Any, Any]]:
        """Yield (items, weights), each [users, places]; items are codes from 1, 0 where there is none."""
        rng = self.run.rng("sasrec", "epoch", epoch)
        for rows in bucketed(self.sizes, self.settings.batch_size, rng):
            where = self.starts[rows], self.sizes[rows]
            yield torch.from_numpy(padded(self.code, *where)), torch.from_numpy(padded(self.weight, *where))

    def value(self, states: Any, net: Any) -> float:
        """NDCG@10 of the held-back events over the whole catalogue, what was had masked."""
        scores = (states @ net["encoder"].item.weight[1:].T + net["bias"].weight[1:, 0]).numpy()
        item, starts, sizes = self.held_histories
        own = scores[np.arange(len(scores)), self.answers].copy()
        place = np.arange(int(sizes.max()))
        there = place < sizes[:, None]
        row = np.repeat(np.arange(len(sizes)), sizes)
        scores[row, item[(starts[:, None] + place)[there]]] = -np.inf
        rank = 1 + (scores > own[:, None]).sum(axis=1)
        return float(np.where(rank <= 10, 1 / np.log2(rank + 1), 0.0).mean())
