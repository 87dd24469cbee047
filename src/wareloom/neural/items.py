"""Vectors of items: learned, and where there is text, drawn from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.neural import torch


class ItemTable(torch.nn.Module):  # type: ignore[misc]
    """A learned vector for each item and, where `features` are given, a learned linear map of them added.

    Items are codes from 1; 0 is padding and always the zero vector. `extra` codes stand behind the items.
    """

    def __init__(
        self, items: int, size: int, features: np.ndarray | None = None, extra: int = 0
    ) -> None:
        super().__init__()
        self.own = torch.nn.Embedding(items + 1 + extra, size, padding_idx=0)
        torch.nn.init.normal_(
            self.own.weight, std=size**-0.5 * (1.0 if features is None else SMALL)
        )
        with torch.no_grad():
            self.own.weight[0] = 0.0
        self.items = items
        if features is not None:
            self.map = torch.nn.Linear(features.shape[1], size, bias=False)
            torch.nn.init.normal_(self.map.weight, std=1.0 / size**0.5)
            padded = np.zeros((items + 1 + extra, features.shape[1]), dtype=np.float32)
            padded[1 : items + 1] = features
            self.register_buffer("features", torch.from_numpy(padded))

    def forward(self, codes: Any) -> Any:
        """Vectors of some items: codes [...] → [..., size]."""
        own = self.own(codes)
        return own + self.map(self.features[codes]) if hasattr(self, "map") else own

    def every(self) -> Any:
        """Vectors of all items, without padding: [items, size]."""
        own = self.own.weight[1 : self.items + 1]
        return own + self.map(self.features[1 : self.items + 1]) if hasattr(self, "map") else own

    def begin_with(self, vectors: np.ndarray) -> None:
        """Start the learned vectors at `vectors` [items, size], scaled to the spread they would have had."""
        scaled = vectors / max(float(vectors.std()), 1e-12) * self.own.weight.shape[1] ** -0.5
        with torch.no_grad():
            self.own.weight[1 : self.items + 1] = torch.from_numpy(scaled.astype(np.float32))


SMALL = 0.3
"""Spread of the learned vectors beside features, as a share of what it is alone: text leads where clicks lack."""
