"""Pictures from scratch by a variational autoencoder: blurred, quick, and a floor for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import Count, Positive, ShareBelowOne, Size
from wareloom.neural import torch
from wareloom.synthesis.behaviour._vectors import Average
from wareloom.synthesis.images import PictureSynthesizer
from wareloom.synthesis.images._decoder import TOLD, Decoder, normed, widths
from wareloom.synthesis.images._scratch import Scratch

F = torch.nn.functional


@dataclass(kw_only=True, eq=False)
class ImageVAE(Scratch, PictureSynthesizer):
    """Pictures of a class by a conditional variational autoencoder; for training alone.

    An encoder lays each picture out as a normal of few numbers, a decoder makes it again of these and of what it shows.
    The scale of what is lost is learned in closed form (Rybkin et al. 2021), so that no weight is to be set. Kingma and
    Welling (2014). Its pictures are blurred: it is what `image_diffusion` has to beat in equal minutes.
    """

    quick: ClassVar[Mapping[str, Any]] = {"side": 16, "steps": 3, "batch_size": 4, "width": 8}

    side: Size = 32
    """Pixels of a side: 16, 32, 48 or 64."""
    minutes: Positive = 20.0
    """How long it learns; the same seed then gives other bytes on a faster machine."""
    steps: Count = 0
    """Updates, instead of minutes; 0 keeps to the minutes."""
    batch_size: Size = 64
    """Pictures of an update."""
    learning_rate: Positive = 1e-3
    """Step size, reached after 100 updates."""
    average: ShareBelowOne = 0.995
    """Decay of the average of the weights."""
    flip: bool = True
    """Learn from mirrored pictures, too; not where left and right differ, as in writing."""
    width: Size = 32
    """Channels of the layer at full size; smaller ones have more."""
    latent_size: Size = 64
    """Numbers that a picture is laid out by."""

    def _network(self) -> Any:
        return _Players(self)

    def _losses(self, net: Any, x: Any, what: Any, step: int) -> Any:
        mean, log_spread = net.net.laid_out(x, what)
        z = mean + torch.randn(mean.shape).to(x.device) * log_spread.exp()
        made = net.net(z, what)
        lost = F.mse_loss(made, x) + 1e-6
        size = x[0].numel()
        beside = 0.5 * (mean.square() + (2 * log_spread).exp() - 1 - 2 * log_spread).sum(dim=1)
        return 0.5 * torch.log(lost) + beside.mean() / size

    def _drawn(self, net: Any, what: Any, noise: np.random.Generator) -> Any:
        return net.drawn(what, noise)


class Autoencoder(Decoder):
    """Encoder and decoder, both told what a picture shows."""

    def __init__(self, settings: ImageVAE, classes: int) -> None:
        super().__init__(settings.side, settings.width, settings.latent_size, classes)
        down, inside = list[Any](), 3
        for outside in widths(settings.width):
            down += [torch.nn.Conv2d(inside, outside, 4, 2, 1), normed(outside), torch.nn.SiLU()]
            inside = outside
        self.encoder = torch.nn.Sequential(*down, torch.nn.Flatten())
        flat = int(np.prod(self.start))
        self.laid = torch.nn.Linear(flat + TOLD, 2 * settings.latent_size)

    def laid_out(self, x: Any, what: Any) -> tuple[Any, Any]:
        """Pictures → mean and logarithm of the deviation, [n, latent] each."""
        found = self.laid(torch.cat([self.encoder(x), self.told(what)], dim=1))
        mean, log_spread = found.chunk(2, dim=1)
        return mean, log_spread.clamp(-6, 2)


class _Players(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, settings: ImageVAE) -> None:
        super().__init__()
        self.net = Autoencoder(settings, len(settings.classes_))
        self.average = Average(self.net, settings.average)
