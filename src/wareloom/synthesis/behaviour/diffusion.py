"""Denoising diffusion over users' latent vectors, sampled into shoppers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, ShareBelowOne, Size
from wareloom.neural import torch
from wareloom.neural.training import Training, train
from wareloom.neural.weights import arrays, loaded
from wareloom.shop import Shop
from wareloom.synthesis.behaviour._vectors import Average, Imagining, Perceptron, Vectors
from wareloom.synthesis.behaviour.markov import Markov

OFFSET = 0.008
"""Keeps the first steps of the schedule from being too small to see."""
WAVES = 16
"""Frequencies by which a time is told"""
EVALUATIONS = 10
"""Times the loss is written down"""


@dataclass(kw_only=True, eq=False)
class Diffusion(Imagining, Markov):
    """Shoppers whose latent vectors are noise from which a network has taken the noise away, step by step.

    The autoencoder of `vae` reads users into vectors and draws items from them; a diffusion model learns where in that
    space users are, so that a new vector is nobody's and yet like a user's. Noise is added by the cosine schedule and
    its removal predicted as velocity; `steps` of DDIM's equation sample. The network is told what the encoder makes of
    a user's first events, or nothing: so histories and first items are continued, and `guidance` above 1 keeps closer
    to them. Structure and the use of a vector are as in `vae`, but no user's vector is kept. Trained on one thread, so
    that the same seed gives the same bytes on any machine. Ho et al. (2020); Nichol and Dhariwal (2021); Song et al.
    (2021); Ho and Salimans (2022); over latent vectors Rombach et al. (2022).
    """

    quick: ClassVar[Mapping[str, Any]] = {**Imagining.quick, "steps": 4}

    steps: Size = 8
    """Steps in which noise becomes a vector."""
    guidance: NonNegative = 1.0
    """Weight of what was known of a user before: 1 as learned, above 1 more, 0 none."""
    updates: Size = 4_000
    """Its training steps, of `batch_size` users each."""
    average: ShareBelowOne = 0.999
    """Decay of the moving average of its weights, which is what samples."""
    denoiser_rate: Positive = 1e-3
    """Highest step size of its training."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn structure and clock as `markov` does, the autoencoder, and the diffusion over its vectors."""
        super().fit(shop, run)
        self._learn_vectors(shop, run or Run())
        return self

    def _learn_from(self, vectors: Vectors, run: Run) -> None:
        """Train the denoiser; leaves `training_` and the average of its weights."""
        net = _Denoising(self._untrained(), self.average)
        how = Training(learning_rate=self.denoiser_rate, epochs=EVALUATIONS, updates=self.updates)

        def batches(epoch: int) -> Iterator[Any]:
            rng = run.rng("diffusion", "batches", epoch)
            for _ in range(100):
                yield vectors.draw(self.batch_size, rng)

        self.training_ = train(net, batches, net.loss, how, run)
        self.denoiser_ = arrays(net.average.net)

    def _network(self) -> Any:
        return loaded(self._untrained(), self.denoiser_)

    def _untrained(self) -> Perceptron:
        return Perceptron(
            2 * self.latent_size + 1 + 2 * WAVES, self.width, self.depth, self.latent_size
        )

    def _made(self, net: Any, noise: Any, c: Any) -> Any:
        return ddim(lambda x, t: self._velocity(net, x, t, c), noise, self.steps)

    def _velocity(self, net: Any, x: Any, t: float, c: Any) -> Any:
        """What the network says under its condition, drawn away from what it says without one."""
        wave = waves(torch.full((len(x),), t))
        told = net(x, c, wave)
        if self.guidance == 1.0 or not bool(c[:, -1].any()):
            return told
        return torch.lerp(net(x, torch.zeros_like(c), wave), told, self.guidance)


class _Denoising(torch.nn.Module):  # type: ignore[misc]
    """The network that learns, and the average that samples."""

    def __init__(self, net: Perceptron, decay: float) -> None:
        super().__init__()
        self.net, self.average = net, Average(net, decay)

    def loss(self, batch: tuple[Any, Any]) -> Any:
        """Mean squared error of the velocity a·ε - s·x at times spread evenly over the batch. Salimans and Ho (2022).

        Kingma et al. (2021) for the times.
        """
        x, c = batch
        self.average.follow(self.net)
        t = (torch.rand(1, device=x.device) + torch.arange(len(x), device=x.device) / len(x)) % 1.0
        noise = torch.randn_like(x)
        a, s = (part[:, None] for part in schedule(t))
        told = self.net(a * x + s * noise, c, waves(t))
        return (told - (a * noise - s * x)).square().mean()


def schedule(t: Any) -> tuple[Any, Any]:
    """Signal a and noise s of the cosine schedule at times t in [0, 1]: a² + s² = 1, a(0) = 1, a(1) = 0.

    a² = cos²((t + k) / (1 + k) · π/2) / cos²(k / (1 + k) · π/2), k = `OFFSET`. Nichol and Dhariwal (2021).
    """
    t = torch.as_tensor(t, dtype=torch.float32)
    quarter = torch.pi / 2 / (1 + OFFSET)
    a = (torch.cos((t + OFFSET) * quarter) / np.cos(OFFSET * quarter)).clamp(0.0, 1.0)
    return a, (1 - a.square()).clamp_min(0.0).sqrt()


def waves(t: Any) -> Any:
    """Sines and cosines of a time: [users] → [users, 2 · WAVES]."""
    angle = t[:, None] * torch.pi * 2.0 ** torch.linspace(-1, 6, WAVES, device=t.device)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


def ddim(velocity: Callable[[Any, float], Any], x: Any, steps: int) -> Any:
    """Turn noise x [users, size] into samples, by `velocity(x, t)`, the expected a·ε - s·x₀ given x = a·x₀ + s·ε.

    With a = cos θ and s = sin θ the equation that DDIM follows without new noise is dx/dθ = v: here by the two-step
    method of Adams and Bashforth on an even grid of t from 1 to 0. At as many calls of the network it keeps all of a
    white normal's variance in 16 steps where DDIM's own step keeps .86. Song et al. (2021); Liu et al. (2022).
    """
    angle = np.array(
        [float(torch.atan2(s, a)) for a, s in map(schedule, np.linspace(1.0, 0.0, steps + 1))]
    )
    before, gone = None, 1.0
    for t, step in zip(np.linspace(1.0, 0.0, steps + 1), -np.diff(angle), strict=False):
        v = velocity(x, float(t))
        ahead = v if before is None else v + 0.5 * step / gone * (v - before)
        x, before, gone = x - step * ahead, v, step
    return x
