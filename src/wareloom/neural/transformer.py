"""Transformers over item embeddings: causal, and in both directions."""

from __future__ import annotations

from typing import Any

from wareloom.neural import torch
from wareloom.neural.dropout import dropout

F = torch.nn.functional


class Block(torch.nn.Module):  # type: ignore[misc]
    """One pre-norm layer: self-attention, then a feed-forward net (Vaswani et al. 2017; Xiong et al. 2020)."""

    def __init__(self, size: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention, self.before_feed = torch.nn.LayerNorm(size), torch.nn.LayerNorm(size)
        self.project, self.out = torch.nn.Linear(size, 3 * size), torch.nn.Linear(size, size)
        self.wide, self.narrow = torch.nn.Linear(size, 4 * size), torch.nn.Linear(4 * size, size)

    def forward(self, x: Any, seen: Any = None) -> Any:
        """[requests, places, size] → the same.

        `seen`: what each place may look at, bool, broadcast to [requests, heads, places, places]; None: all before it.
        """
        n, length, size = x.shape
        q, k, v = (
            self.project(self.before_attention(x))
            .view(n, length, 3, self.heads, -1)
            .permute(2, 0, 3, 1, 4)
        )
        drop = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(
            q, k, v, attn_mask=seen, is_causal=seen is None, dropout_p=drop
        )
        x = x + dropout(
            self.out(mixed.transpose(1, 2).reshape(n, length, size)), drop, self.training
        )
        fed = self.narrow(dropout(F.gelu(self.wide(self.before_feed(x))), drop, self.training))
        return x + dropout(fed, drop, self.training)


class _Encoder(torch.nn.Module):  # type: ignore[misc]
    """Place embeddings and layers."""

    def __init__(self, *, size: int, length: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.place = torch.nn.Embedding(length, size)
        self.layers = torch.nn.ModuleList(Block(size, heads, dropout) for _ in range(layers))
        self.last = torch.nn.LayerNorm(size)
        torch.nn.init.normal_(self.place.weight, std=size**-0.5)

    def _encode(self, x: Any, places: Any, seen: Any) -> Any:
        x = x + self.place(places)
        x = dropout(x, self.dropout, self.training)
        for layer in self.layers:
            x = layer(x, seen)
        return self.last(x)


class CausalEncoder(_Encoder):
    """What stands at a place knows that place and all before it.

    Padding stands behind the last item and so is seen by none.
    """

    def forward(self, x: Any) -> Any:
        """Vectors of items [requests, places, size] → the same shape."""
        return self._encode(x, torch.arange(x.shape[1], device=x.device), None)


class BothWaysEncoder(_Encoder):
    """What stands at a place knows all places but padding; places are counted from the last item backwards."""

    def forward(self, x: Any, there: Any) -> Any:
        """Vectors of items [requests, places, size], where there are any [requests, places] → the vectors' shape."""
        back = there.sum(dim=1, keepdim=True) - 1 - torch.arange(x.shape[1], device=x.device)
        return self._encode(x, back.clamp_min(0), there[:, None, None, :])
