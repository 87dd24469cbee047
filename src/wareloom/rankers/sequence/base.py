"""What all sequence networks share: their training, their losses, text, and how they score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from annotated_types import Ge

from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Positive, Share, ShareBelowOne, Size
from wareloom.errors import InputError, require
from wareloom.neural import torch
from wareloom.neural.checkpoint import kept_at
from wareloom.neural.items import SMALL, ItemTable
from wareloom.neural.loss import (
    gbce_loss,
    sampled_softmax_loss,
    soft_sampled_softmax_loss,
    soft_softmax_loss,
    softmax_loss,
)
from wareloom.neural.training import Training, seeded, taken, train
from wareloom.neural.weights import arrays, loaded
from wareloom.rankers import BLOCK_BYTES, Ranker, mask_seen
from wareloom.rankers.history import popularity, tail
from wareloom.rankers.sequence._kinds import CODES, kind_weights
from wareloom.rankers.sequence._places import places_of, space_of, states_of
from wareloom.rankers.sequence._start import PARTS, TextSpace, begin_from, origin_of, saved_ranker
from wareloom.rankers.sequence.data import Layout, Negatives, SequenceData, SequenceQuery
from wareloom.rankers.space import Places, Space
from wareloom.rankers.vectors import check_embedder
from wareloom.shop import Log, Requests, Shop
from wareloom.shop.keeps import Keeps


@dataclass(kw_only=True, eq=False)
class SequenceRanker(Ranker, ABC):
    """Base of networks that read a history and score items by the inner product with their vectors.

    A subclass gives the encoder. It may change what is read (`_beside`), what is predicted
    (`_predicted`) and asked for (`_states`):

        @dataclass(kw_only=True, eq=False)
        class MeanOfHistory(SequenceRanker):
            '''What comes next is near the mean of what came before.'''

            def _encoder(self):
                return RunningMean()

        class RunningMean(torch.nn.Module):
            def forward(self, x):  # [requests, places, size], each place sees itself and those before it
                count = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]
                return x.cumsum(dim=1) / count

    A share of the users' last events is kept back from training to stop early. An empty
    history ranks by popularity.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "moved by history"}
    )
    quick: ClassVar[Mapping[str, Any]] = {
        "epochs": 30,
        "embedding_size": 16,
        "batch_size": 256,
        "learning_rate": 0.02,
        "dropout": 0.1,
    }
    gradient: ClassVar[bool] = True
    soft: ClassVar[bool] = True
    extra: ClassVar[int] = 0
    """Codes behind those of the items, such as a mask"""
    per_shop: ClassVar[tuple[str, ...]] = ("item.own", "item.features", "bias")
    """Weights that belong to a shop's own catalogue, by the beginnings of their names"""

    embedding_size: Size = 64
    """Numbers an item is described by."""
    dropout: ShareBelowOne = 0.4
    """Share of activations dropped in training."""
    max_length: Annotated[int, Ge(2)] = 50
    """Latest events of a history that are read."""
    loss: Literal["softmax", "gbce"] = "softmax"
    """Cross-entropy over items, or generalised binary cross-entropy (gSASRec)."""
    calibration: Share = 0.75
    """For gbce: 0 is the plain binary loss, 1 as calibrated as the softmax."""
    negatives: Count = 512
    """Items drawn for the loss; 0, or a catalogue hardly larger, takes all items into the softmax."""
    power: float = 0.5
    """Negatives of the softmax are drawn by popularity to this power; those of gbce uniformly."""
    text: str = "none"
    """Embedder of the items' texts, such as tfidf or minilm; none learns from behaviour alone."""
    text_as: Literal["features", "start"] = "features"
    """Whether a learned map of the text is part of each item's vector, or is where the learned vectors start."""
    events: str = ""
    """What each kind of event counts as a target, as in "view_item=0.2 purchase=1"; others are only read. Where set,
    the network is told the kinds of what it reads. Empty: all count alike."""
    start_from: str = ""
    """Folder of a saved ranker of the same kind, perhaps of another shop, whose weights the training starts from; items
    are matched by their ids, and by their text where it is used as features."""
    epochs: Size = 80
    """Passes over the log, at most."""
    batch_size: Size = 2048
    """Events a batch, padding included."""
    accumulate: Size = 1
    """Batches whose gradients are added up before each update."""
    learning_rate: Positive = 2e-3
    """Highest step size."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """What the learning rate does after the warm-up."""
    weight_decay: NonNegative = 0.0
    """Decoupled decay of the weights."""
    patience: Count = 20
    """Evaluations without a better validation value after which training stops; 0 never stops early."""
    validation: ShareBelowOne = 0.05
    """Share of users whose last event stops the training early; none where it comes to fewer than 20."""

    def _check(self) -> None:
        check_embedder(self.text)
        kind_weights(self.name, self.events)

    @abstractmethod
    def _encoder(self) -> Any:
        """Return a module: vectors of items [requests, places, size] → states of the same shape.

        The state at a place is compared with the vector of the item that comes next.
        """

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        self.popularity_ = popularity(log)
        if not self._worth(log).any():
            raise InputError(
                f"{self.name}: no event of the log counts as a target: events={self.events!r}."
            )
        self.kinds_ = bool(self.events) and len(np.unique(log.event)) > 1
        source = saved_ranker(self.start_from, self) if self.start_from else None
        with seeded(run, self.name):
            vectors = self._vectors(shop, run, source)
            self.text_size_ = 0 if vectors is None or self.text_as == "start" else vectors.shape[1]
            net = self._build(len(log.items), vectors)
            if source is not None:
                origin = origin_of(source, self, self.start_from, self.per_shop)
                begin_from(net, origin, log.items)
            data = SequenceData(log, self.layout(), run, self._held)
            how = Training(
                learning_rate=self.learning_rate,
                epochs=self.epochs,
                updates=data.updates,
                weight_decay=self.weight_decay,
                schedule=self.schedule,
                accumulate=self.accumulate,
                patience=self.patience if data.held else 0,
            )
            loss = self._loss(net, log, run)
            check = (lambda: self._validate(net, data)) if data.held else None
            kept = self._checkpoint(log, run, net if self.start_from else None)
            self.training_ = train(net, data.batches, loss, how, run, check, checkpoint=kept)
        self.updates_ = data.updates
        self.steps_ = taken(self.training_)
        self.weights_ = arrays(net)
        self._net = net.cpu()

    def layout(self) -> Layout:
        """How a log is laid out for its training."""
        return Layout(
            max_length=self.max_length,
            epochs=self.epochs,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            validation=self.validation,
            worth=self._worth,
            beside=self._beside,
        )

    def _worth(self, log: Log) -> np.ndarray:
        """What each event counts as a target: float32 [events]."""
        weights = kind_weights(self.name, self.events)
        return log.weight if weights is None else log.weight * weights[log.event]

    def _beside(self, log: Log) -> list[np.ndarray]:
        """What is read beside the items, each int64 [events] from 1: here the kind of event where that is asked for."""
        return [log.event.astype(np.int64) + 1] if self.kinds_ else []

    def _vectors(
        self, shop: Shop | None, run: Run, source: SequenceRanker | None
    ) -> np.ndarray | None:
        """Vectors of the items' texts, float32 [items, numbers]; None where text is not asked for."""
        if self.text == "none":
            return None
        if shop is None:
            raise InputError(
                f"{self.name}: text={self.text!r} needs a shop with items, not a log alone."
            )
        size = self.embedding_size if self.text_as == "start" else 2 * self.embedding_size
        if source is not None:
            space = TextSpace.of(source.name, source.text, source.state())
            vectors = space.vectors(shop, run)
        else:
            space, vectors = TextSpace.fit(shop, self.text, size, run)
        for name in [name for name in vars(self) if name.startswith(PARTS)]:
            delattr(self, name)
        for name, value in space.state().items():
            setattr(self, name, value)
        return vectors

    def _build(self, items: int, vectors: np.ndarray | None = None) -> Any:
        """Make the network; where it is restored, `text_size_` says how wide the features are."""
        features = vectors if self.text_as == "features" else None
        if features is None and self.text_size_:
            features = np.zeros((items, self.text_size_), dtype=np.float32)
        table = self._table(items, features)
        if vectors is not None and self.text_as == "start":
            table.begin_with(vectors)
        bias = torch.nn.Embedding(items + 1, 1)
        torch.nn.init.zeros_(bias.weight)
        net = torch.nn.ModuleDict({"item": table, "encoder": self._encoder(), "bias": bias})
        if self.kinds_:
            net["kind"] = torch.nn.Embedding(CODES, self.embedding_size, padding_idx=0)
            torch.nn.init.normal_(net["kind"].weight[1:], std=SMALL * self.embedding_size**-0.5)
        return net

    def _table(self, items: int, features: np.ndarray | None) -> Any:
        """Make the table of the items' vectors: a module with `own`, `forward(codes)` and `every()`."""
        return ItemTable(items, self.embedding_size, features, self.extra)

    def _loss(self, net: Any, log: Log, run: Run) -> Any:
        """Return the loss of a batch."""
        if log.label_item is not None:
            return self._soft_loss(net, log, run)
        items, bias = net["item"], net["bias"].weight
        draw, sampled = self._draws(log)
        negatives = Negatives(log, draw, self.power if self.loss == "softmax" else 0.0, run.device)

        def loss(batch: tuple[Any, ...]) -> Any:
            state, target, weight = self._predicted(net, *batch)
            if self.loss == "gbce":
                share = min(1.0, draw / max(1, len(log.items) - 1))
                return gbce_loss(
                    state,
                    target,
                    weight,
                    items,
                    bias[:, 0],
                    negatives.draw(),
                    share,
                    self.calibration,
                )
            if sampled:
                return sampled_softmax_loss(
                    state, target, weight, items, bias[:, 0], negatives.draw(), negatives.log_q
                )
            return softmax_loss(state, target - 1, weight, items.every(), bias[1:, 0])

        return loss

    def _draws(self, log: Log) -> tuple[int, bool]:
        """How many negatives are drawn, and whether they are fewer than the items by so much that it is worth it."""
        sampled = bool(self.negatives) and len(log.items) > 2 * self.negatives
        return self.negatives if sampled else max(1, len(log.items) - 1), sampled

    def _soft_loss(self, net: Any, log: Log, run: Run) -> Any:
        """Return the loss of a batch with soft labels.

        Where an event stands is passed through `_predicted` in the place of its weight, so that weight and labels are
        found again at what it chose to predict.
        """
        if self.loss != "softmax":
            raise InputError(
                f"{self.name}: soft labels are taught by loss='softmax' alone, not by {self.loss!r}."
            )
        items, bias = net["item"], net["bias"].weight
        draw, sampled = self._draws(log)
        negatives = Negatives(log, draw, self.power, run.device)

        def loss(batch: tuple[Any, ...]) -> Any:
            codes, weights, *beside, labels, shares = batch
            place = torch.arange(codes.numel(), device=codes.device).view(codes.shape)
            state, target, at = self._predicted(net, codes, place, *beside)
            weight = weights.flatten()[at]
            # What is learned from no target is not learned from labels beside it either.
            label, share = (
                labels.flatten(0, 1)[at],
                shares.flatten(0, 1)[at] * (weight > 0)[:, None],
            )
            if sampled:
                label = label.masked_fill(label == 0, -1)
                drawn = negatives.draw()
                soft = label, share
                return soft_sampled_softmax_loss(
                    state, target, weight, soft, items, bias[:, 0], drawn, negatives.log_q
                )
            return soft_softmax_loss(
                state, target - 1, weight, (label - 1, share), items.every(), bias[1:, 0]
            )

        return loss

    def _read(self, net: Any, items: Any, kinds: Any = None) -> Any:
        """Vectors of what stands at each place: [requests, places, size]."""
        x = net["item"](items)
        return x if kinds is None else x + net["kind"](kinds)

    def _predicted(self, net: Any, items: Any, weight: Any, *beside: Any) -> tuple[Any, Any, Any]:
        """States [n, size], the items they are to predict [n] and weights [n]: here each next item."""
        target = items[:, 1:]
        there = target > 0
        states = net["encoder"](
            self._read(net, items[:, :-1], *(column[:, :-1] for column in beside))
        )
        return states[there], target[there], weight[:, 1:][there]

    def _states(self, net: Any, asked: SequenceQuery) -> Any:
        """Encode what follows each history: [requests, size]."""
        return net["encoder"](self._read(net, asked.items, *asked.beside))[:, -1]

    def _validate(self, net: Any, data: SequenceData) -> float:
        """NDCG@10 of the held-back events over the whole catalogue, what was had masked."""
        gains, rows, table = (
            0.0,
            max(1, BLOCK_BYTES // (4 * len(self.popularity_))),
            net["item"].every(),
        )
        for start in range(0, len(data.answers), rows):
            part = Requests.of(data.histories, times=data.asked).part(start, start + rows)
            scores = self._scored(net, part, table)
            own = scores[np.arange(len(scores)), data.answers[start : start + rows]].copy()
            mask_seen(scores, part)
            rank = 1 + (scores > own[:, None]).sum(axis=1)
            gains += float(np.where(rank <= 10, 1 / np.log2(rank + 1), 0.0).sum())
        return gains / len(data.answers)

    def _checkpoint(self, log: Log, run: Run, net: Any) -> Path | None:
        """Where this very training keeps its state: by settings, data, seed, version and the weights of a start."""

        def columns() -> Iterator[np.ndarray]:
            yield from (log.offsets, log.item, self._worth(log))
            yield from (
                () if net is None else (value.cpu().numpy() for value in net.state_dict().values())
            )
            out = None if self._held is None else self._held.answers
            yield from (
                column for column in (log.label_item, log.label_weight, out) if column is not None
            )

        return kept_at(run, [self.name, self.settings()], columns())

    @cached_property
    def _net(self) -> Any:
        """The network, built anew from the saved weights where this was restored."""
        return loaded(self._build(len(self.popularity_)), self.weights_)

    @cached_property
    def _every(self) -> Any:
        """Vectors of all items: [items, size]."""
        return self._net["item"].every()

    def _score(self, requests: Requests) -> np.ndarray:
        with torch.no_grad():
            return self._scored(self._net, requests, self._every)

    def space(self) -> Space:
        """Return the items' vectors and their biases."""
        with torch.no_grad():
            return space_of(self._net, self._every)

    def _places(self, requests: Requests) -> Places:
        with torch.no_grad():
            return places_of(self, self._net, requests)

    def _scored(self, net: Any, requests: Requests, table: Any) -> np.ndarray:
        """Scores where the vectors of all items are `table` [items, size]."""
        scores = np.tile(tail(self.popularity_), (len(requests), 1))
        bias = net["bias"].weight[1:, 0]
        for rows, states in states_of(self, net, requests):
            scores[rows] = torch.addmm(bias, states, table.T).cpu().numpy()
        return scores


def heads_divide(ranker: str, heads: int, size: int) -> None:
    """Raise `SettingError` unless the vectors of items, of `size` numbers, can be dealt to `heads` attention heads."""
    require(ranker, "heads", heads, size % heads == 0, "a divisor of embedding_size")
