"""BERT4Rec: self-attention in both directions fills in masked items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from wareloom.core.settings import Fraction, Size
from wareloom.neural import torch
from wareloom.neural.transformer import BothWaysEncoder
from wareloom.rankers.sequence.base import SequenceRanker, heads_divide
from wareloom.rankers.sequence.data import SequenceQuery

LAST = 0.3
"""Share of histories that are cut at random and whose last item alone is masked, as it is when they are scored."""


@dataclass(kw_only=True, eq=False)
class BERT4Rec(SequenceRanker):
    """Guess masked items from what stands on both sides of them; what comes next is a mask behind the history.

    Each time a history is read, every item is masked with the probability `mask`, at least one of them; some histories
    are cut at a random place, and what comes next is masked alone. The kind of a masked event is hidden with it.
    Places count from the last backwards, so that what is asked for always stands at the same. Sun et al. (2019);
    Petrov and Macdonald (2022) on how long it takes.
    """

    quick: ClassVar[Mapping[str, Any]] = {
        **SequenceRanker.quick,
        "epochs": 60,
        "layers": 1,
        "learning_rate": 0.01,
        "dropout": 0.0,
    }
    extra: ClassVar[int] = 1

    layers: Size = 2
    """Layers of self-attention."""
    heads: Size = 2
    """Attention heads; they divide `embedding_size`."""
    mask: Fraction = 0.2
    """Share of items that are masked."""
    objective: Literal["masked", "next"] = "masked"
    """Whether items anywhere are masked, or only what comes next: to fine-tune what was trained with masks anywhere."""

    def _check(self) -> None:
        super()._check()
        heads_divide(self.name, self.heads, self.embedding_size)

    def _encoder(self) -> Any:
        return BothWaysEncoder(
            size=self.embedding_size,
            length=self.max_length + 1,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
        )

    def _masked(self, there: Any) -> tuple[Any, Any]:
        """Draw from the places with items what is masked, and what is there at all: bool [requests, places] each.

        Every row has 2 items or more, and one masked or more.
        """
        one, place = (len(there), 1), torch.arange(there.shape[1], device=there.device)
        later = there.sum(dim=1, keepdim=True) - 1
        cut = 1 + (torch.rand(one, device=there.device) * later).long().clamp_max(later - 1)
        anywhere = there & (torch.rand(there.shape, device=there.device) < self.mask)
        only = (torch.rand(one, device=there.device) < LAST) | ~anywhere.any(dim=1, keepdim=True)
        if self.objective == "next":
            only = torch.ones_like(only)
        return torch.where(only, place == cut, anywhere), there & ~(only & (place > cut))

    def _predicted(self, net: Any, items: Any, weight: Any, *beside: Any) -> tuple[Any, Any, Any]:
        masked, there = self._masked(items > 0)
        read = items.masked_fill(masked, net["item"].items + 1)
        kinds = [column.masked_fill(masked, 0) for column in beside]
        states = net["encoder"](self._read(net, read, *kinds), there)
        return states[masked], items[masked], weight[masked]

    def _states(self, net: Any, asked: SequenceQuery) -> Any:
        one = (len(asked.items), 1)
        items = torch.cat([asked.items, asked.items.new_full(one, net["item"].items + 1)], dim=1)
        kinds = [torch.cat([column, column.new_zeros(one)], dim=1) for column in asked.beside]
        return net["encoder"](self._read(net, items, *kinds), items > 0)[:, -1]
