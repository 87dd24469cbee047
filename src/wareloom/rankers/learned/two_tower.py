"""Two towers: who asks, and when, on one side; what an item is on the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.neural import torch
from wareloom.neural.dropout import dropout
from wareloom.neural.items import ItemTable
from wareloom.rankers.content.attributes import facet_codes
from wareloom.rankers.content.picture_vectors import picture_vectors
from wareloom.rankers.history import popularity
from wareloom.rankers.sequence.base import SequenceRanker
from wareloom.rankers.sequence.data import SequenceQuery
from wareloom.rankers.vectors import reduced, unit_rows
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.log import NO_TIME
from wareloom.shop.texts import FIELDS

F = torch.nn.functional
HOUR = 3_600_000_000
CLOCK = 1 + 24 + 7
"""Codes of hours and weekdays, 0 for unknown"""
BLIND = 0.2
"""Share of histories that are learned from without the time, so that requests without one are served too."""
COLD = 0.25
"""Items without events get the bias at this quantile of those with events."""


@dataclass(kw_only=True, eq=False)
class TwoTower(SequenceRanker):
    """Score items by the inner product of a vector of the user with one of the item, each made by a tower of its own.

    The item's tower adds up vectors of its id, its text, its brand, category and price band, and puts a perceptron on
    the sum. The user's pools the vectors of the history, weighing by age and, where `pool` says so, by learned
    attention, and adds the hour and weekday of the request where they are known. An item without events is scored by
    its features alone. Trained by the base's sampled softmax with the logQ correction. From a log alone only ids are
    learned. Covington et al. (2016); Yi et al. (2019).
    """

    quick: ClassVar[Mapping[str, Any]] = {**SequenceRanker.quick, "learning_rate": 0.01}
    per_shop: ClassVar[tuple[str, ...]] = (*SequenceRanker.per_shop, "item.facets")

    text: str = "tfidf"
    """Embedder of the items' texts; none, or a shop without text, leaves it out."""
    pictures: str = "none"
    """What sees the items' pictures: lite0, colours (and edges), or a folder with a vision model; none leaves them
    out."""
    pool: Literal["recency", "attention"] = "attention"
    """Whether items of the history count by their age alone, or by what they are, too."""
    hidden_size: Size = 128
    """Width of the towers' perceptrons."""
    bands: Size = 8
    """Price bands, of about equally many items each."""

    def _encoder(self) -> Any:
        return _UserTower(
            self.embedding_size, self.hidden_size, self.dropout, attention=self.pool == "attention"
        )

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        codes = {} if shop is None else facet_codes(shop, self.bands)
        self.facets_ = (
            np.stack([*codes.values()]) if codes else np.zeros((0, len(log.items)), dtype=np.int64)
        )
        self.known_ = popularity(log) > 0
        self.clock_ = log.timed
        super()._fit(log, shop, run)
        self._lift_the_cold()

    def _lift_the_cold(self) -> None:
        """Give items without events, whose biases only ever fell as negatives, that of an item seldom chosen."""
        bias = self.weights_["bias.weight"][1:, 0]
        if self.known_.all():
            return
        bias[~self.known_] = np.quantile(bias[self.known_], COLD)
        with torch.no_grad():
            self._net["bias"].weight[1:, 0] = torch.from_numpy(bias)

    def _vectors(
        self, shop: Shop | None, run: Run, source: SequenceRanker | None
    ) -> np.ndarray | None:
        if shop is None:
            return None
        texts = None
        if set(FIELDS) & set(shop.columns("items")):
            texts = super()._vectors(shop, run, source)
        if self.pictures == "none" or not shop.rows("images"):
            return texts
        model = "" if self.pictures == "colours" else self.pictures
        items = Vocabulary(shop.table("items")["item_id"])
        seen = picture_vectors(shop, items, model, run, self.name)
        seen = unit_rows(reduced(seen, 2 * self.embedding_size, run))
        return seen if texts is None else np.concatenate([texts, seen], axis=1)

    def _build(self, items: int, vectors: np.ndarray | None = None) -> Any:
        net = super()._build(items, vectors)
        if self.clock_:
            net["clock"] = torch.nn.Embedding(CLOCK, self.embedding_size, padding_idx=0)
            torch.nn.init.normal_(net["clock"].weight[1:], std=0.1 * self.embedding_size**-0.5)
        return net

    def _table(self, items: int, features: np.ndarray | None) -> Any:
        return _ItemTower(
            items, features, self.facets_, self.known_, (self.embedding_size, self.hidden_size)
        )

    def heeds(self) -> frozenset[str]:
        """See `Ranker.heeds`: hour and weekday, where the log that it learned from has times."""
        return frozenset({"time"}) if self.clock_ else frozenset()

    def _beside(self, log: Log) -> list[np.ndarray]:
        return [*super()._beside(log), *clock(log.time)] if self.clock_ else super()._beside(log)

    def _predicted(self, net: Any, items: Any, weight: Any, *beside: Any) -> tuple[Any, Any, Any]:
        when, kinds = None, beside
        if self.clock_:
            kinds, blind = beside[:-2], torch.rand(len(items), 1, device=items.device) < BLIND
            when = sum(net["clock"](column[:, 1:].masked_fill(blind, 0)) for column in beside[-2:])
        target = items[:, 1:]
        there = target > 0
        states = net["encoder"](
            self._read(net, items[:, :-1], *(column[:, :-1] for column in kinds)), when
        )
        return states[there], target[there], weight[:, 1:][there]

    def _states(self, net: Any, asked: SequenceQuery) -> Any:
        when, kinds = None, asked.beside
        if self.clock_:
            kinds = asked.beside[:-2]
            codes = (
                torch.from_numpy(column).to(asked.items.device) for column in clock(asked.times)
            )
            when = sum(net["clock"](code) for code in codes)[:, None]
        states = net["encoder"](self._read(net, asked.items, *kinds), when, last=True)
        return states[:, -1]


def clock(time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the hour (1 to 24) and the weekday (25 for Monday to 31) of times, 0 where unknown: int64 each."""
    known, hours = time != NO_TIME, time // HOUR
    return np.where(known, 1 + hours % 24, 0), np.where(known, 25 + (hours // 24 + 3) % 7, 0)


class _Perceptron(torch.nn.Module):  # type: ignore[misc]
    """Adds to a vector what two layers make of it, at first nothing."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.norm, self.wide, self.narrow = (
            torch.nn.LayerNorm(size),
            torch.nn.Linear(size, hidden),
            torch.nn.Linear(hidden, size),
        )
        torch.nn.init.zeros_(self.narrow.weight)
        torch.nn.init.zeros_(self.narrow.bias)

    def forward(self, x: Any, share: float = 0.0) -> Any:
        return x + self.narrow(dropout(F.gelu(self.wide(self.norm(x))), share, self.training))


class _ItemTower(ItemTable):
    """Vectors of ids, texts and facets added up, then a perceptron; ids of items without events count nothing."""

    def __init__(
        self,
        items: int,
        features: np.ndarray | None,
        facets: np.ndarray,
        known: np.ndarray,
        sizes: tuple[int, int],
    ) -> None:
        super().__init__(items, sizes[0], features)
        self.reads_text = features is not None
        starts = np.concatenate(
            [[0], np.cumsum([int(codes.max(initial=0)) + 1 for codes in facets])]
        ).astype(np.int64)
        codes = np.zeros((items + 1, len(facets)), dtype=np.int64)
        codes[1:] = (facets + starts[:-1, None]).T
        self.facets = torch.nn.Embedding(int(starts[-1]), sizes[0])
        torch.nn.init.normal_(self.facets.weight, std=0.5 * sizes[0] ** -0.5)
        self.mix = _Perceptron(*sizes)
        self.register_buffer("codes", torch.from_numpy(codes), persistent=False)
        self.register_buffer(
            "known", torch.from_numpy(np.append(0.0, known).astype(np.float32)), persistent=False
        )

    def forward(self, codes: Any) -> Any:
        """Vectors of some items: codes [...] → [..., size]; padding is zero."""
        x = self.own(codes) * self.known[codes][..., None] + self.facets(self.codes[codes]).sum(
            dim=-2
        )
        if self.reads_text:
            x = x + self.map(self.features[codes])
        return self.mix(x) * (codes > 0)[..., None]

    def every(self) -> Any:
        """Vectors of all items, without padding: [items, size]."""
        return self.forward(torch.arange(1, self.items + 1, device=self.own.weight.device))


class _UserTower(torch.nn.Module):  # type: ignore[misc]
    """At each place the weighted mean of the items up to it, the time of the request, then a perceptron."""

    def __init__(self, size: int, hidden: int, dropout: float, *, attention: bool) -> None:
        super().__init__()
        self.dropout = dropout
        self.forget = torch.nn.Parameter(torch.tensor(-1.0))
        self.heed = torch.nn.Linear(size, 1) if attention else None
        self.mix, self.last = _Perceptron(size, hidden), torch.nn.LayerNorm(size)

    def forward(self, x: Any, when: Any = None, *, last: bool = False) -> Any:
        """Vectors of items [requests, places, size] → the same shape, or with `last` the last place alone.

        An item of age a weighs softmax(its heed - rate a) among those up to the place.
        """
        place = torch.arange(x.shape[1], device=x.device)
        asked = place[-1:] if last else place
        age = asked[:, None] - place
        logit = -F.softplus(self.forget) * age
        if self.heed is not None:
            logit = logit + self.heed(x).transpose(1, 2)
        weight = torch.softmax(logit.masked_fill(age < 0, float("-inf")), dim=-1)
        pooled = weight @ dropout(x, self.dropout, self.training)
        return self.last(self.mix(pooled if when is None else pooled + when, self.dropout))
