"""Pictures from scratch by diffusion: noise that a small network turns into a picture of a class, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Positive, ShareBelowOne, Size
from wareloom.errors import SettingError, needed
from wareloom.neural import torch
from wareloom.shop import Shop
from wareloom.synthesis.behaviour._vectors import Average
from wareloom.synthesis.images import PictureSynthesizer
from wareloom.synthesis.images._conditions import Told
from wareloom.synthesis.images._scratch import LAST, Scratch

F = torch.nn.functional
STEPS = 1000
"""Steps of noise that are told apart"""
GUIDED = (150, 850)
"""Steps between which the class is followed further: before, it costs variety, after, it does nothing (Kynkäänniemi et
al. 2024)"""
UNTOLD = 0.1
"""Share of the pictures that are learned without being told what they show"""


@dataclass(kw_only=True, eq=False)
class ImageDiffusion(Scratch, PictureSynthesizer):
    """Pictures of a class, in a colour and a shape, by diffusion at 32 × 32 or 64 × 64 pixels; for training alone.

    A UNet of 1.3 million parameters learns the velocity between picture and noise (v-prediction; Salimans and Ho 2022)
    under a cosine schedule. Class, dominant colour and width by height are told to it, and in a tenth of cases nothing:
    so the difference can be followed further (classifier-free guidance; Ho and Salimans 2022). The average of its
    weights samples, by DDIM (Song et al. 2021). No writing, no logos, no faces can come of so few pixels: its pictures
    say that they are for training, and no release takes them for product photos. `minutes` of two busy cores make about
    1,800 steps in 20; more real pictures want more. A folder of a model such as Stable Diffusion, named in `folder`, is
    taught the classes instead (LoRA), which takes a GPU.
    """

    quick: ClassVar[Mapping[str, Any]] = {
        "side": 16, "steps": 3, "batch_size": 4, "denoising": 2, "channels": (8, 8),
    }  # fmt: skip

    side: Size = 32
    """Pixels of a side: 16, 32, 48 or 64."""
    minutes: Positive = 20.0
    """How long it learns; the same seed then gives other bytes on a faster machine."""
    steps: Count = 0
    """Updates, instead of minutes; 0 keeps to the minutes."""
    batch_size: Size = 32
    """Pictures of an update."""
    learning_rate: Positive = 1e-3
    """Step size, reached after 100 updates."""
    average: ShareBelowOne = 0.999
    """Decay of the average of the weights."""
    flip: bool = True
    """Learn from mirrored pictures, too; not where left and right differ, as in writing."""
    channels: tuple[Size, ...] = (32, 48, 64)
    """Width of the network at each of its resolutions."""
    denoising: Size = 50
    """Steps from noise to picture; 10 are five times as fast and less fine."""
    guidance: NonNegative = 1.5
    """How far the difference that the class makes is followed: 1 as learned, more for plainer pictures."""
    folder: str = ""
    """A folder of a text-to-image model in diffusers' layout, which is taught by LoRA; needs a GPU."""

    def fit(self, shop: Shop, run: Run | None = None) -> Any:
        """Learn from a shop's pictures; raises `SettingError` for a folder without a GPU."""
        run = run or Run()
        if self.folder and not run.device.startswith("cuda"):
            raise SettingError(
                f"image_diffusion: folder={self.folder!r} takes over a minute a picture on a {run.device.upper()}: "
                "run on a GPU (device=cuda), or leave folder away, which makes small pictures here."
            )
        return super().fit(shop, run)

    def _check(self) -> None:
        super()._check()
        if not 1 <= len(self.channels) <= 4 or any(one % 8 for one in self.channels):
            raise SettingError(
                f"image_diffusion: channels={self.channels} is no network; give one to four multiples of 8."
            )

    def _learn(self, shop: Shop, chosen: pl.DataFrame, run: Run) -> None:
        if not self.folder:
            super()._learn(shop, chosen, run)
            return
        from wareloom.synthesis.images._folder import learn_folder

        learn_folder(self, self._files(shop, chosen), run)

    def _make(self, classes: np.ndarray, run: Run) -> pl.DataFrame:
        if not self.folder:
            return super()._make(classes, run)
        from wareloom.synthesis.images._folder import draw_folder

        return draw_folder(self, classes, run)

    def _network(self) -> Any:
        return _Players(UNet(self.side, self.channels, len(self.classes_)), self.average)

    def _losses(self, net: Any, x: Any, what: Any, step: int) -> Any:
        time = torch.randint(0, STEPS, (len(x),)).to(x.device)
        noise = torch.randn(x.shape).to(x.device)
        signal, spread = (part.to(x.device)[time][:, None, None, None] for part in schedule())
        seen = signal * x + spread * noise
        told = net.net.told.dropped(what, UNTOLD)
        return F.mse_loss(net.net(seen, time, told), signal * noise - spread * x)

    def _drawn(self, net: Any, what: Any, noise: np.random.Generator) -> Any:
        shape = (len(what), 3, self.side, self.side)
        x = torch.from_numpy(noise.standard_normal(shape, dtype=np.float32)).to(what.device)
        x = x.contiguous(memory_format=LAST)
        signal, spread = (part.to(what.device) for part in schedule())
        times = np.linspace(STEPS - 1, 0, self.denoising + 1).round().astype(np.int64)
        for now, then in pairwise(times):
            v = self._velocity(net, x, int(now), what)
            picture = (signal[now] * x - spread[now] * v).clamp(-1, 1)
            # The noise that the clipped picture leaves over, as DDIM takes it.
            rest = (x - signal[now] * picture) / spread[now].clamp_min(1e-4)
            x = signal[then] * picture + spread[then] * rest
        return picture

    def _velocity(self, net: Any, x: Any, now: int, what: Any) -> Any:
        time = torch.full((len(x),), now, device=x.device)
        if self.guidance == 1 or not GUIDED[0] <= now <= GUIDED[1]:
            return net(x, time, what)
        both = net(
            torch.cat([x, x]), torch.cat([time, time]), torch.cat([what, net.told.unknown(what)])
        )
        told, untold = both.chunk(2)
        return untold + self.guidance * (told - untold)


class UNet(torch.nn.Module):  # type: ignore[misc]
    """The UNet of diffusers without attention, told class, colour and shape."""

    def __init__(self, side: int, channels: tuple[int, ...], classes: int) -> None:
        super().__init__()
        made = needed("diffusers", "pictures", "image_diffusion").UNet2DModel
        levels = len(channels)
        self.net = made(
            sample_size=side,
            in_channels=3,
            out_channels=3,
            layers_per_block=2,
            block_out_channels=channels,
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            # A group of one channel would take out what is told, which is a number added to each channel.
            norm_num_groups=8 if min(channels) > 8 else 4,
            class_embed_type="identity",
            add_attention=False,
        )
        self.told = Told(classes, 4 * channels[0])

    def forward(self, x: Any, time: Any, what: Any) -> Any:
        """Noisy pictures [n, 3, side, side], times [n] and what is told [n, 3] → velocity, of the pictures' shape."""
        return self.net(x, time, class_labels=self.told(what)).sample


class _Players(torch.nn.Module):  # type: ignore[misc]
    """The network and the average of its weights."""

    def __init__(self, net: Any, decay: float) -> None:
        super().__init__()
        self.net, self.average = net, Average(net, decay)


def schedule() -> tuple[Any, Any]:
    """Shares of picture and noise at each step: float [steps]; cosine (Nichol and Dhariwal 2021)."""
    step = torch.arange(STEPS, dtype=torch.float64)
    angle = ((step + 0.5) / STEPS + 0.008) / 1.008 * np.pi / 2
    return torch.cos(angle).float(), torch.sin(angle).float()
