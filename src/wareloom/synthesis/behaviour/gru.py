"""A recurrent network that writes shoppers event by event: item, kind and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import Size
from wareloom.neural import torch
from wareloom.rankers.sequence.gru import _Recurrent
from wareloom.synthesis.behaviour._writing.autoregressive import Autoregressive


@dataclass(kw_only=True, eq=False)
class GRU(Autoregressive):
    """Shoppers written event by event by gated recurrent units, with heads for time, kind and item.

    What was read is kept as the hidden state alone, so that long users cost no more a step than short ones. Cho et al.
    (2014); Hidasi et al. (2016); the rest is said at `Autoregressive`.
    """

    quick: ClassVar[Mapping[str, Any]] = {"epochs": 2, "embedding_size": 8, "hidden_size": 8}

    hidden_size: Size = 64
    """Numbers the network remembers from one event to the next."""
    layers: Size = 1
    """Recurrent layers, one on the other."""

    def _encoder(self) -> Any:
        return _Recurrent(self.embedding_size, self.hidden_size, self.layers, self.dropout)

    def _memory(self, encoder: Any, rows: int) -> _Hidden:
        return _Hidden(encoder, rows)


class _Hidden:
    """The hidden states, a row a user."""

    def __init__(self, encoder: Any, rows: int) -> None:
        self.encoder = encoder
        cells = encoder.cells
        self.state = torch.zeros(cells.num_layers, rows, cells.hidden_size)

    def prime(self, rows: np.ndarray, x: Any, sizes: np.ndarray) -> Any:
        """Read tokens from the left."""
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            x, torch.from_numpy(sizes), batch_first=True, enforce_sorted=False
        )
        _, state = self.encoder.cells(packed)
        self.state[:, torch.from_numpy(rows)] = state
        return self._out(state[-1])

    def step(self, x: Any, rows: np.ndarray | None) -> Any:
        """Read one token more."""
        if rows is None:
            _, self.state = self.encoder.cells(x[:, None], self.state)
            return self._out(self.state[-1])
        some = torch.from_numpy(rows)
        _, state = self.encoder.cells(x[:, None], self.state[:, some].contiguous())
        self.state[:, some] = state
        return self._out(state[-1])

    def full(self) -> np.ndarray:
        """None ever: a hidden state has room for everything."""
        return np.zeros(0, dtype=np.int64)

    def keep(self, rows: np.ndarray) -> None:
        """Keep some rows."""
        self.state = self.state[:, torch.from_numpy(rows)].contiguous()

    def _out(self, state: Any) -> Any:
        return self.encoder.last(self.encoder.out(state))
