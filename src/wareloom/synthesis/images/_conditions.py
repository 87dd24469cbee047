"""What pictures from scratch are made for: class, dominant colour and shape, and how these are told to a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.neural import torch
from wareloom.preparing.picture_colours import COLOURS

ASPECTS = (0.6, 0.7, 0.85, 1.0, 1.25, 1.6)
"""Widths by heights that shapes are brought to"""


def dominant(pixels: np.ndarray) -> np.ndarray:
    """The colour that most of a picture's middle has: places in `COLOURS`, int64 [n], of uint8 [n, side, side, 3]."""
    side = pixels.shape[1]
    part = slice(side // 4, side - side // 4)
    middle = pixels[:, part, part].reshape(len(pixels), -1, 3)
    table = np.array(list(COLOURS.values()), dtype=np.float32)
    found = np.empty(len(pixels), dtype=np.int64)
    for start in range(0, len(pixels), 512):
        block = middle[start : start + 512].astype(np.float32)
        away = ((block[:, :, None, :] - table) ** 2).sum(axis=3).argmin(axis=2)
        counts = np.stack([np.bincount(row, minlength=len(table)) for row in away])
        found[start : start + 512] = counts.argmax(axis=1)
    return found


def shape_of(aspect: np.ndarray) -> np.ndarray:
    """The nearest of `ASPECTS` for each width by height: int64 [n]."""
    table = np.log(np.array(ASPECTS))
    return np.abs(np.log(np.asarray(aspect, dtype=np.float64))[:, None] - table).argmin(axis=1)


class Told(torch.nn.Module):  # type: ignore[misc]
    """Class, colour and shape as one vector; each may be unknown, its last place."""

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        self.sizes = (classes, len(COLOURS), len(ASPECTS))
        self.tables = torch.nn.ModuleList(torch.nn.Embedding(n + 1, size) for n in self.sizes)

    def forward(self, what: Any) -> Any:
        """What is told, int64 [n, 3] → float [n, size]."""
        return sum(table(what[:, i]) for i, table in enumerate(self.tables))

    def unknown(self, like: Any) -> Any:
        """Nothing told, as many as `like`."""
        return torch.tensor(self.sizes, device=like.device).expand_as(like)

    def dropped(self, what: Any, share: float) -> Any:
        """A share of the rows told nothing, and as large a share told only their class."""
        drawn = torch.rand(len(what), device=what.device)[:, None]
        only = torch.cat([what[:, :1], self.unknown(what)[:, 1:]], dim=1)
        what = torch.where(drawn < 2 * share, only, what)
        return torch.where(drawn < share, self.unknown(what), what)
