"""Dropout whose random bits are drawn eight elements at a time."""

from __future__ import annotations

from typing import Any

from wareloom.neural import torch

LEVELS = 256
"""A share is kept in steps of 1 / LEVELS: a byte an element decides."""


def dropout(x: Any, share: float, training: bool) -> Any:
    """Set a `share` of the elements to zero in training and scale up the others, so that the mean stays.

    On a CPU drawing the random numbers is most of the work, and a byte an element takes less than half the time of
    `torch.nn.functional.dropout`. Srivastava et al. (2014).
    """
    if not training or share == 0.0:
        return x
    kept = round((1.0 - share) * LEVELS)
    if x.device.type != "cpu" or not 0 < kept < LEVELS:
        return torch.nn.functional.dropout(x, share)
    words = torch.empty((x.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    drawn = words.view(torch.uint8)[: x.numel()].view(x.shape)
    return x * ((drawn < kept).to(x.dtype) * (LEVELS / kept))
