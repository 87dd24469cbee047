"""Caser: filters over the last few items, as if they were an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wareloom.core.settings import Size
from wareloom.neural import torch
from wareloom.neural.dropout import dropout
from wareloom.rankers.sequence.base import SequenceRanker

F = torch.nn.functional


@dataclass(kw_only=True, eq=False)
class Caser(SequenceRanker):
    """Look for patterns among the last `window` items by convolutions, and score items by the inner product.

    Horizontal filters of every height see runs of items and keep the strongest match in the window; vertical filters
    weigh the items of the window by their place. Every place of a history is learned from at once. The paper's vector
    of the user is left out, so that users who are new are served too. Tang and Wang (2018).
    """

    window: Size = 5
    """Latest items that the filters see."""
    horizontal: Size = 16
    """Filters of each height from 1 to `window`."""
    vertical: Size = 4
    """Filters over places."""

    def _encoder(self) -> Any:
        return _Filters(
            self.embedding_size, self.window, self.horizontal, self.vertical, self.dropout
        )


class _Filters(torch.nn.Module):  # type: ignore[misc]
    """Horizontal and vertical convolutions that see the last `window` places of each place, zeros before the first."""

    def __init__(
        self, size: int, window: int, horizontal: int, vertical: int, dropout: float
    ) -> None:
        super().__init__()
        self.window, self.dropout = window, dropout
        self.runs = torch.nn.ModuleList(
            torch.nn.Conv1d(size, horizontal, height + 1) for height in range(window)
        )
        self.places = torch.nn.Parameter(torch.randn(vertical, window) * window**-0.5)
        self.wide = torch.nn.Linear(window * horizontal + vertical * size, 2 * size)
        self.narrow = torch.nn.Linear(2 * size, size)
        self.last = torch.nn.LayerNorm(size)

    def forward(self, x: Any) -> Any:
        """Vectors of items [requests, places, size] → the same shape."""
        n, length, _ = x.shape
        before = F.pad(x, (0, 0, self.window - 1, 0))
        image = before.transpose(1, 2)
        # The strongest of a filter's matches inside a window is a sliding maximum over its matches in the history.
        found = [
            F.max_pool1d(F.relu(run(image)), self.window - h, stride=1)
            for h, run in enumerate(self.runs)
        ]
        matched = torch.cat(found, dim=1).transpose(1, 2)
        mixed = torch.einsum(
            "ntsw,vw->ntvs", before.unfold(1, self.window, 1), self.places
        ).reshape(n, length, -1)
        seen = dropout(torch.cat([matched, mixed], dim=2), self.dropout, self.training)
        return self.last(self.narrow(dropout(F.relu(self.wide(seen)), self.dropout, self.training)))
