"""Pictures from scratch by a generator and its critic: sharp, unsteady, and a floor for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import Count, Positive, ShareBelowOne, Size
from wareloom.neural import torch
from wareloom.synthesis.behaviour._vectors import Average
from wareloom.synthesis.images import PictureSynthesizer
from wareloom.synthesis.images._conditions import Told
from wareloom.synthesis.images._decoder import Decoder, widths
from wareloom.synthesis.images._scratch import Scratch

F = torch.nn.functional

BETAS = (0.0, 0.99)
"""Decay of the averages of gradients and of their squares, for both players"""


@dataclass(kw_only=True, eq=False)
class ImageGAN(Scratch, PictureSynthesizer):
    """Pictures of a class by a generator against a critic with the hinge loss; for training alone.

    The critic sees real and made pictures under the same alterations, through which gradients pass (colour, shift, a
    hole: Zhao et al. 2020); else it would learn few real pictures by heart. Its weights keep to spectral norm one
    (Miyato et al. 2018), and it judges by the product with what is told (Miyato and Koyama 2018). Every second update
    is the generator's. Goodfellow et al. (2014). It is what `image_diffusion` has to beat in equal minutes.
    """

    quick: ClassVar[Mapping[str, Any]] = {"side": 16, "steps": 4, "batch_size": 4, "width": 8}

    side: Size = 32
    """Pixels of a side: 16, 32, 48 or 64."""
    minutes: Positive = 20.0
    """How long it learns; the same seed then gives other bytes on a faster machine."""
    steps: Count = 0
    """Updates of both players together, instead of minutes; 0 keeps to the minutes."""
    batch_size: Size = 64
    """Pictures of an update."""
    learning_rate: Positive = 4e-4
    """Step size of the critic, reached after 100 updates; the generator's is half of it (Heusel et al. 2017)."""
    average: ShareBelowOne = 0.995
    """Decay of the average of the generator's weights."""
    flip: bool = True
    """Learn from mirrored pictures, too; not where left and right differ, as in writing."""
    width: Size = 32
    """Channels of the layer at full size; smaller ones have more."""
    latent_size: Size = 64
    """Numbers of noise that a picture is made of."""

    def _network(self) -> Any:
        return _Players(self)

    def _groups(self, net: Any) -> list[dict[str, Any]]:
        # No momentum: it carries both players past where they should meet (Miyato et al. 2018).
        return [
            {"params": list(net.critic.parameters()), "betas": BETAS},
            {"params": list(net.net.parameters()), "lr": self.learning_rate / 2, "betas": BETAS},
        ]

    def _losses(self, net: Any, x: Any, what: Any, step: int) -> Any:
        z = torch.randn((len(x), self.latent_size)).to(x.device)
        # What the generator learns goes through the critic, which must not learn to believe it.
        for weight in net.critic.parameters():
            weight.requires_grad_(step % 2 == 0)
        if step % 2:
            return -net.critic(altered(net.net(z, what)), what).mean()
        with torch.no_grad():
            made = net.net(z, what)
        real, fake = net.critic(altered(x), what), net.critic(altered(made), what)
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def _averaged(self, steps: int) -> int:
        return steps // 2

    def _followed(self, net: Any, step: int) -> None:
        if step % 2:
            net.average.follow(net.net)

    def _drawn(self, net: Any, what: Any, noise: np.random.Generator) -> Any:
        return net.drawn(what, noise)


class Critic(torch.nn.Module):  # type: ignore[misc]
    """Says how real a picture looks for what is told."""

    def __init__(self, settings: ImageGAN, classes: int) -> None:
        super().__init__()
        held = torch.nn.utils.parametrizations.spectral_norm
        sizes = widths(settings.width)
        layers, inside = list[Any](), 3
        for outside in sizes:
            layers += [held(torch.nn.Conv2d(inside, outside, 4, 2, 1)), torch.nn.LeakyReLU(0.2)]
            inside = outside
        self.layers = torch.nn.Sequential(*layers)
        self.told = Told(classes, sizes[-1])
        self.last = held(torch.nn.Linear(sizes[-1], 1))

    def forward(self, x: Any, what: Any) -> Any:
        """Pictures [n, 3, side, side] and what is told [n, 3] → how real they look: [n]."""
        found = self.layers(x).sum(dim=(2, 3))
        size = found.shape[1] ** 0.5
        return self.last(found)[:, 0] + (found * self.told(what)).sum(dim=1) / size


class _Players(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, settings: ImageGAN) -> None:
        super().__init__()
        classes = len(settings.classes_)
        self.net = Decoder(settings.side, settings.width, settings.latent_size, classes)
        self.critic = Critic(settings, classes)
        self.average = Average(self.net, settings.average)


def altered(x: Any) -> Any:
    """Pictures under another light, shifted, and with a hole, [n, 3, side, side]; gradients pass (Zhao et al. 2020)."""
    n, _, side, _ = x.shape
    drawn = torch.rand((6, n, 1, 1, 1)).to(x.device)
    x = x + drawn[0] - 0.5
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * (2 * drawn[1])
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    x = middle + (x - middle) * (0.5 + drawn[2])
    most = max(1, side // 8)
    pad = F.pad(x, (most, most, most, most))
    down, across = ((drawn[i] * (2 * most + 1)).long().view(n, 1) for i in (3, 4))
    line = torch.arange(side, device=x.device)
    rows, columns = (line + down)[:, None, :, None], (line + across)[:, None, None, :]
    x = pad[
        torch.arange(n, device=x.device)[:, None, None, None],
        torch.arange(3, device=x.device)[None, :, None, None],
        rows,
        columns,
    ]
    hole = side // 2
    top, left = (torch.rand(2, n, 1).to(x.device) * side).long()
    inside = ((line - top).abs() < hole // 2)[:, :, None] & ((line - left).abs() < hole // 2)[
        :, None, :
    ]
    return x * (~inside)[:, None].to(x.dtype)
