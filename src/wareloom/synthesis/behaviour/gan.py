"""A generator of users' latent vectors and its critic, sampled into shoppers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, ShareBelowOne, Size
from wareloom.neural import torch
from wareloom.neural.training import Training, train
from wareloom.neural.weights import arrays, loaded
from wareloom.shop import Shop
from wareloom.synthesis.behaviour._vectors import (
    Average,
    Imagining,
    Perceptron,
    Vectors,
    diversity,
    scale,
)
from wareloom.synthesis.behaviour.markov import Markov

F = torch.nn.functional
EVALUATIONS = 10
"""Times diversity is measured"""
JUDGED = 600
"""Vectors among which it is"""
COVERAGE, SPREAD = 0.25, 0.5
"""Below these, of about .97 and 1 for two samples of one distribution, the generator has collapsed."""


@dataclass(kw_only=True, eq=False)
class GAN(Imagining, Markov):
    """Shoppers whose latent vectors a generator made that a critic could not tell from those of real users.

    Items are many and discrete, so that no gradient passes through a choice of them: the game is played over the
    vectors of `vae`'s autoencoder, which reads users and draws items. Against collapse: a loss that pairs real and
    generated users, with the critic's gradient held down at both (or the Wasserstein loss with its penalty), several
    steps of the critic, a critic that judges `pack` users together, a moving average of the generator, a generator that
    begins as the normal with the users' covariance, and of ten evaluations the weights of the one nearest to real
    vectors by energy distance, of new users and of users beside what was known of them. `training_` holds the critic's
    advantage, coverage and spread at each; a warning says when what is kept has collapsed. Both players are told what
    the encoder makes of a user's first events, or nothing: so histories and first items are continued. Structure and
    the use of a vector are as in `vae`, but no user's vector is kept. Trained on one thread, so that the same seed
    gives the same bytes on any machine. Goodfellow et al. (2014); Gulrajani et al. (2017); Lin et al. (2018); Huang et
    al. (2024).
    """

    loss: Literal["relativistic", "wasserstein"] = "relativistic"
    """How the players are judged: by pairs of a real and a generated pack, or by the distance of their means."""
    pack: Size = 2
    """Users that the critic judges together."""
    critic_steps: Size = 2
    """Steps of the critic for each of the generator; for the Wasserstein loss rather 5."""
    penalty: NonNegative = 0.2
    """Weight of the penalty on the critic's gradient; for the Wasserstein loss rather 10."""
    updates: Size = 6_000
    """Training steps of both players together, of `batch_size` packs each."""
    average: ShareBelowOne = 0.99
    """Decay of the moving average of the generator's weights, which is what samples."""
    player_rate: Positive = 1e-3
    """Highest step size of both players."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn structure and clock as `markov` does, the autoencoder, and the generator against its critic.

        Warns where the generator has collapsed.
        """
        super().fit(shop, run)
        self._learn_vectors(shop, run or Run())
        warn_of_collapse(self.kept_)
        return self

    def _learn_from(self, vectors: Vectors, run: Run) -> None:
        """Play the game; leaves `training_`, `kept_` and the average of the generator's weights."""
        players = _Players(self, vectors.space)
        how = Training(
            learning_rate=self.player_rate,
            epochs=EVALUATIONS,
            updates=self.updates,
            betas=(0.0, 0.9),
        )

        def batches(epoch: int) -> Iterator[Any]:
            rng = run.rng("gan", "batches", epoch)
            for step in range(20 * (self.critic_steps + 1)):
                generate = step % (self.critic_steps + 1) == self.critic_steps
                yield (torch.tensor(generate), *vectors.draw(self.batch_size * self.pack, rng))

        judge = _Judge(players, vectors, run)
        history = train(players, batches, players.loss, how, run, judge)
        players.cpu()
        self.training_ = [
            {"step": e["step"], **told} for e, told in zip(history, judge.told, strict=True)
        ]
        self.kept_ = judge.measured()
        self.generator_ = arrays(players.average.net)

    def _network(self) -> Generator:
        return loaded(Generator(self, self.space_), self.generator_)

    def _made(self, net: Any, noise: Any, c: Any) -> Any:
        return net(noise, c)


class Generator(torch.nn.Module):  # type: ignore[misc]
    """Makes vectors of noise: a normal with the users' covariance, and what a perceptron adds to it."""

    def __init__(self, settings: GAN, space: np.ndarray) -> None:
        super().__init__()
        size = settings.latent_size
        self.register_buffer(
            "root", torch.from_numpy((space[1:].T / scale(space)).astype(np.float32))
        )
        self.net = Perceptron(2 * size + 1, settings.width, settings.depth, size)

    def forward(self, noise: Any, c: Any) -> Any:
        """Noise [users, latent] and conditions [users, latent + 1] → vectors [users, latent]."""
        return noise @ self.root + self.net(noise, c)


class _Players(torch.nn.Module):  # type: ignore[misc]
    """Generator, its average, and critic."""

    def __init__(self, settings: GAN, space: np.ndarray) -> None:
        super().__init__()
        self.pack, self.weight, self.pairs = (
            settings.pack,
            settings.penalty,
            settings.loss == "relativistic",
        )
        self.generator = Generator(settings, space)
        self.average = Average(self.generator, settings.average)
        self.critic = Critic(
            settings.pack * (2 * settings.latent_size + 1), settings.width, settings.depth
        )
        self.gaps: list[float] = []

    def loss(self, batch: tuple[Any, Any, Any]) -> Any:
        """The critic's loss, or the generator's, with gradients to that player alone.

        With d = critic(real) - critic(fake): softplus(-d) and softplus(d), or -d and d. Jolicoeur-Martineau (2019).
        """
        generate, x, c = batch
        noise, beside, real = torch.randn_like(x), self._packed(c), self._packed(x)
        if bool(generate):
            fixed = {name: value.detach() for name, value in self.critic.named_parameters()}
            fake = self._packed(self.generator(noise, c))
            gap = torch.func.functional_call(self.critic, fixed, (real, beside))
            gap = gap - torch.func.functional_call(self.critic, fixed, (fake, beside))
            return F.softplus(gap).mean() if self.pairs else gap.mean()
        self.average.follow(self.generator)
        with torch.no_grad():
            fake = self._packed(self.generator(noise, c))
        gap = self.critic(real, beside) - self.critic(fake, beside)
        self.gaps.append(float(gap.detach().mean()))

        def judge(v: Any) -> Any:
            return self.critic(v, beside)

        if not self.pairs:
            mix = torch.rand(len(real), 1, device=x.device)
            return (
                self.weight * gradient_penalty(judge, mix * real + (1 - mix) * fake, 1.0)
                - gap.mean()
            )
        penalty = gradient_penalty(judge, real, 0.0) + gradient_penalty(judge, fake, 0.0)
        return F.softplus(-gap).mean() + 0.5 * self.weight * penalty

    def _packed(self, x: Any) -> Any:
        return x.reshape(len(x) // self.pack, -1)


class Critic(torch.nn.Module):  # type: ignore[misc]
    """A perceptron that says how real some users together look; no layer mixes the users of a batch."""

    def __init__(self, size: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [size] + depth * [width]
        layers = [
            part
            for a, b in pairwise(sizes)
            for part in (torch.nn.Linear(a, b), torch.nn.LeakyReLU(0.2))
        ]
        self.layers = torch.nn.Sequential(*layers, torch.nn.Linear(width, 1))

    def forward(self, x: Any, c: Any) -> Any:
        """Packs of vectors and of conditions [packs, …] → [packs]."""
        return self.layers(torch.cat([x, c], dim=1))[:, 0]


def gradient_penalty(critic: Callable[[Any], Any], points: Any, norm: float) -> Any:
    """Mean of (‖∇ critic‖ - norm)² at some points [points, size].

    With norm 1, between real and generated points, Gulrajani et al. (2017); with 0, at either, Mescheder et al. (2018).
    """
    points = points.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(points).sum(), points, create_graph=True)
    if norm == 0.0:
        return slope.square().sum(dim=1).mean()
    return (slope.norm(dim=1) - norm).square().mean()


class _Judge:
    """Measures the average generator against real vectors, called by the training."""

    def __init__(self, players: _Players, vectors: Vectors, run: Run) -> None:
        rng = run.rng("gan", "judge")
        self.players = players
        self.real, self.given = vectors.draw(JUDGED, rng)
        self.noise = torch.from_numpy(rng.standard_normal(self.real.shape).astype(np.float32))
        self.told: list[dict[str, float]] = []

    def _made(self, c: Any) -> np.ndarray:
        device = next(self.players.parameters()).device
        with torch.no_grad():
            fake = (
                self.players.average.net(self.noise.to(device), c.to(device)).float().cpu().numpy()
            )
        return fake if np.isfinite(fake).all() else np.zeros_like(fake)

    def measured(self) -> dict[str, float]:
        """What `diversity` says of new users; as `joint`, the energy distance of users beside what is known of them."""
        beside = [
            np.concatenate([x, self.given], axis=1) for x in (self.real, self._made(self.given))
        ]
        found = diversity(self.real.numpy(), self._made(torch.zeros_like(self.given)))
        return found | {"joint": diversity(*beside)["energy"]}

    def __call__(self) -> float:
        """Write down where the game stands, and return what is to be high."""
        gaps, self.players.gaps = self.players.gaps, []
        found = self.measured()
        self.told.append({"critic": float(np.nan_to_num(np.mean(gaps or [0.0]))), **found})
        return -found["energy"] - found["joint"]


def warn_of_collapse(found: dict[str, float]) -> None:
    """Warn where what `diversity` found says that the generator makes only some kinds of users, or one."""
    if found["coverage"] < COVERAGE or found["spread"] < SPREAD:
        warnings.warn(
            f"gan: the generator has collapsed: its users come near {found['coverage']:.0%} of the real ones (of two "
            f"real samples 97%), and lie {found['spread']:.2f} times as far apart. Train longer (updates), judge more "
            "users together (pack), or lower player_rate.",
            RuntimeWarning,
            stacklevel=3,
        )
