"""A transformer that writes shoppers event by event: item, kind and time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit

from wareloom.core.settings import Size
from wareloom.errors import require
from wareloom.neural import torch
from wareloom.neural.transformer import CausalEncoder
from wareloom.synthesis.behaviour._writing.autoregressive import Autoregressive

F = torch.nn.functional


@dataclass(kw_only=True, eq=False)
class Transformer(Autoregressive):
    """Shoppers written event by event by causal self-attention over typed events, with heads for time, kind and item.

    What was read is kept as keys and values, so that a step reads one event; where that memory of `max_length` events
    is full, it begins anew from the last half, as in training. Kang and McAuley (2018) for the encoder; the rest is
    said at `Autoregressive`.
    """

    quick: ClassVar[Mapping[str, Any]] = {"epochs": 2, "embedding_size": 8, "layers": 1}

    layers: Size = 2
    """Layers of self-attention."""
    heads: Size = 2
    """Attention heads; they divide `embedding_size`."""

    def _check(self) -> None:
        super()._check()
        fits = self.embedding_size % self.heads == 0
        require(self.name, "heads", self.heads, fits, "a divisor of embedding_size")

    def _encoder(self) -> Any:
        return CausalEncoder(
            size=self.embedding_size,
            length=self.max_length,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
        )

    def _memory(self, encoder: Any, rows: int) -> _Cache:
        return _Cache(encoder, rows, self.max_length)


class _Cache:
    """Keys and values of the tokens that were read, a row a user."""

    def __init__(self, encoder: Any, rows: int, length: int) -> None:
        self.encoder, self.length = encoder, length
        size = encoder.last.weight.shape[0]
        self.held = [np.empty((rows, 0, 2, size), dtype=np.float32) for _ in encoder.layers]
        self.size = np.zeros(rows, dtype=np.int64)

    def _make_room(self, tokens: int) -> None:
        """Twice as much as there was, or as is asked for: most users are short, and memory has to be fetched."""
        rows, room, _, size = self.held[0].shape
        if tokens > room:
            wide = [
                np.empty((rows, min(self.length, max(2 * room, tokens, 8)), 2, size), np.float32)
                for _ in self.held
            ]
            for new, old in zip(wide, self.held, strict=True):
                new[:, :room] = old
            self.held = wide

    def prime(self, rows: np.ndarray, x: Any, sizes: np.ndarray) -> Any:
        """Read tokens from the left, as the encoder does in training, and keep their keys and values."""
        n, width, size = x.shape
        self._make_room(width)
        x = x + self.encoder.place.weight[:width]
        for held, layer in zip(self.held, self.encoder.layers, strict=True):
            parts = layer.project(layer.before_attention(x)).view(n, width, 3, size)
            held[rows, :width] = parts[:, :, 1:].numpy()
            q, k, v = parts.view(n, width, 3, layer.heads, -1).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = _fed(layer, x + layer.out(mixed.transpose(1, 2).reshape(n, width, size)))
        self.size[rows] = sizes
        return self.encoder.last(x[torch.arange(n), torch.from_numpy(sizes - 1)])

    def step(self, x: Any, rows: np.ndarray | None) -> Any:
        """Read one token more."""
        rows = np.arange(len(self.size)) if rows is None else rows
        place = self.size[rows]
        self._make_room(int(place.max()) + 1)
        x = x + self.encoder.place.weight[torch.from_numpy(place)]
        for held, layer in zip(self.held, self.encoder.layers, strict=True):
            parts = layer.project(layer.before_attention(x)).numpy()
            mixed = np.empty(x.shape, dtype=np.float32)
            _attend(parts, held, rows, place, layer.heads, mixed)
            x = _fed(layer, x + layer.out(torch.from_numpy(mixed)))
        self.size[rows] += 1
        return self.encoder.last(x)

    def full(self) -> np.ndarray:
        """Rows without room."""
        found: np.ndarray = np.flatnonzero(self.size >= self.length)
        return found

    def keep(self, rows: np.ndarray) -> None:
        """Keep some rows."""
        self.size = self.size[rows]
        width = int(self.size.max())
        self.held = [held[rows, :width] for held in self.held]


def _fed(layer: Any, x: Any) -> Any:
    """The second half of a layer."""
    return x + layer.narrow(F.gelu(layer.wide(layer.before_feed(x))))


@njit(cache=True, nogil=True, fastmath=True)
def _attend(parts, held, rows, place, heads, out):  # type: ignore[no-untyped-def]
    """Keep the new keys and values of `parts` [n, 3 · size], and attend to all that are kept."""
    size = out.shape[1]
    width = size // heads
    scale = np.float32(1.0 / np.sqrt(width))
    weight = np.empty(held.shape[1], dtype=np.float32)
    for i in range(len(rows)):
        kept, n = held[rows[i]], place[i] + 1
        for j in range(size):
            kept[n - 1, 0, j], kept[n - 1, 1, j] = parts[i, size + j], parts[i, 2 * size + j]
        for h in range(heads):
            a = h * width
            top = np.float32(-1e30)
            for t in range(n):
                total = np.float32(0.0)
                for j in range(width):
                    total += parts[i, a + j] * kept[t, 0, a + j]
                weight[t] = total * scale
                top = max(top, weight[t])
            total = np.float32(0.0)
            for j in range(width):
                out[i, a + j] = 0.0
            for t in range(n):
                share = np.exp(weight[t] - top)
                total += share
                for j in range(width):
                    out[i, a + j] += share * kept[t, 1, a + j]
            for j in range(width):
                out[i, a + j] /= total
