"""GRU4Rec: a recurrent network reads the history, one item after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wareloom.core.settings import Size
from wareloom.neural import torch
from wareloom.neural.dropout import dropout
from wareloom.rankers.sequence.base import SequenceRanker

F = torch.nn.functional


@dataclass(kw_only=True, eq=False)
class GRU(SequenceRanker):
    """Read the history by gated recurrent units and score items by the inner product with their vectors.

    Input and output share one table of item vectors, and the loss is the base's, not the paper's pairwise ones. Hidasi
    et al. (2016); Hidasi and Karatzoglou (2018) on sampled cross-entropy and shared vectors.
    """

    hidden_size: Size = 128
    """Numbers the network remembers from one item to the next."""
    layers: Size = 1
    """Recurrent layers, one on the other."""

    def _encoder(self) -> Any:
        return _Recurrent(self.embedding_size, self.hidden_size, self.layers, self.dropout)


class _Recurrent(torch.nn.Module):  # type: ignore[misc]
    """Gated recurrent units from left to right; padding stands behind the last item and so changes nothing."""

    def __init__(self, size: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.cells = torch.nn.GRU(
            size, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )
        self.out = torch.nn.Linear(hidden, size)
        self.last = torch.nn.LayerNorm(size)

    def forward(self, x: Any) -> Any:
        """Vectors of items [requests, places, size] → the same shape."""
        states, _ = self.cells(dropout(x, self.dropout, self.training))
        return self.last(self.out(dropout(states, self.dropout, self.training)))
