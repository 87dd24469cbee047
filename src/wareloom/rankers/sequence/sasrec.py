"""SASRec: self-attention over the history predicts the next item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from wareloom.core.settings import Size
from wareloom.neural.transformer import CausalEncoder
from wareloom.rankers.sequence.base import SequenceRanker, heads_divide


@dataclass(kw_only=True, eq=False)
class SASRec(SequenceRanker):
    """Encode the history by causal self-attention and score items by the inner product with their vectors.

    Trained to predict each next item by cross-entropy, over all items or among shared negatives drawn by popularity
    with the logQ correction; not by the paper's binary loss, which is far weaker. Kang and McAuley (2018); Klenitskiy
    and Vasilev (2023).
    """

    quick: ClassVar[Mapping[str, Any]] = {**SequenceRanker.quick, "layers": 1}

    layers: Size = 2
    """Layers of self-attention."""
    heads: Size = 1
    """Attention heads; they divide `embedding_size`."""

    def _check(self) -> None:
        super()._check()
        heads_divide(self.name, self.heads, self.embedding_size)

    def _encoder(self) -> Any:
        return CausalEncoder(
            size=self.embedding_size,
            length=self.max_length,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
        )
