"""What turns numbers into a picture of what is told: the part that `image_vae` and `image_gan` have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from wareloom.neural import torch
from wareloom.synthesis.images._conditions import Told

TOLD = 32
"""Numbers that class, colour and shape are told by"""


def widths(width: int) -> list[int]:
    """Channels of the four layers, from full size to a sixteenth of it."""
    return [width, 2 * width, 4 * width, 4 * width]


class Decoder(torch.nn.Module):  # type: ignore[misc]
    """Makes pictures of a few numbers and of what is told."""

    def __init__(self, side: int, width: int, latent_size: int, classes: int) -> None:
        super().__init__()
        self.told = Told(classes, TOLD)
        sizes = widths(width)
        self.latent_size = latent_size
        self.start = (sizes[-1], side // 16, side // 16)
        self.begin = torch.nn.Linear(latent_size + TOLD, int(np.prod(self.start)))
        self.decoder = upwards(sizes)

    def forward(self, z: Any, what: Any) -> Any:
        """Numbers [n, latent] and what is told [n, 3] → pictures [n, 3, side, side]."""
        x = self.begin(torch.cat([z, self.told(what)], dim=1))
        return self.decoder(x.view(len(z), *self.start)).tanh()

    def drawn(self, what: Any, noise: np.random.Generator) -> Any:
        """Pictures of normal numbers for what is told [n, 3]."""
        z = noise.standard_normal((len(what), self.latent_size), dtype=np.float32)
        return self(torch.from_numpy(z).to(what.device), what)


def upwards(sizes: list[int]) -> Any:
    """Layers that double a picture's side four times, from many channels to three."""
    layers, inside = list[Any](), sizes[-1]
    for outside in [*reversed(sizes[:-1]), sizes[0]]:
        layers += [
            torch.nn.Upsample(scale_factor=2, mode="nearest"),
            torch.nn.Conv2d(inside, outside, 3, 1, 1),
            normed(outside),
            torch.nn.SiLU(),
        ]
        inside = outside
    return torch.nn.Sequential(*layers, torch.nn.Conv2d(inside, 3, 3, 1, 1))


def normed(channels: int) -> Any:
    """A normalisation in eight groups, or fewer."""
    return torch.nn.GroupNorm(min(8, channels), channels)
