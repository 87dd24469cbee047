"""The distribution of users' latent vectors, for what learns to generate it: scaled, with what was known before."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.neural import torch
from wareloom.neural.training import seeded
from wareloom.neural.weights import arrays
from wareloom.shop import Log, Shop
from wareloom.synthesis.behaviour._coder import Coder, Coding
from wareloom.synthesis.behaviour._latent import UserBlock, gather, walked
from wareloom.synthesis.behaviour._learned_from import active
from wareloom.synthesis.behaviour._walk import Plan

BLANK = 0.3
"""Share of the users of a batch, beside those drawn before their first event, of whom nothing is shown"""
NEAREST = 5
"""Neighbours that say how far from a real vector another one counts as near"""


class Vectors:
    """Draws of the aggregated posterior of some users, and the map under which its mean is 0 and its variance 1.

    A draw is a user's mean with the encoder's noise. Its condition is what the encoder says of the first events of the
    user, up to a random place, and whether it says anything; for some users it is nothing. Mirza and Osindero
    (2014) for adversaries, Ho and Salimans (2022) for diffusion.
    """

    def __init__(self, coder: Coder, log: Log) -> None:
        self.coder, self.log = coder, log
        self.mean, self.spread = coder.read(log.offsets, log.item)
        self.space = space(self.mean, self.spread)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return n vectors float32 [n, latent] and conditions [n, latent + 1], of users drawn with replacement."""
        users = rng.integers(len(self.mean), size=n)
        noise = rng.standard_normal((n, self.mean.shape[1]))
        x = scaled(self.space, self.mean[users] + self.spread[users] * noise)
        shown = rng.integers(self.log.lengths()[users])
        shown[rng.random(n) < BLANK] = 0
        some = shown > 0
        offsets, item = gather(self.log.offsets, self.log.item, users[some], shown[some])
        c = conditions(self.coder, self.space, UserBlock(users, some, offsets, item))
        return torch.from_numpy(x), torch.from_numpy(c)


@dataclass(kw_only=True, eq=False)
class Imagining(Coding, ABC):
    """What those share that learn how users' vectors lie, and make new ones of noise; mixed in before `Markov`.

    One implements `_learn_from`, which trains the network that makes them and keeps its weights, `_network`, which
    builds it of these anew, and `_made`, which turns noise into vectors by it.
    """

    quick: ClassVar[Mapping[str, Any]] = {
        "epochs": 3,
        "hidden_size": 8,
        "latent_size": 4,
        "updates": 20,
        "width": 8,
        "batch_size": 32,
    }

    width: Size = 256
    """Width of the networks that learn how the vectors lie."""
    depth: Size = 2
    """Layers of these."""

    @abstractmethod
    def _learn_from(self, vectors: Vectors, run: Run) -> None:
        """Train on the vectors of real users, and keep what was learned."""

    @abstractmethod
    def _network(self) -> Any:
        """The network that makes vectors, as it was trained."""

    @abstractmethod
    def _made(self, net: Any, noise: Any, c: Any) -> Any:
        """Vectors, scaled [users, latent], of noise of that shape and conditions [users, latent + 1]."""

    def _learn_vectors(self, shop: Shop, run: Run) -> None:
        """Learn the autoencoder and then how its vectors lie.

        On one thread: sums are of another order with more, and the same seed is to give the same bytes everywhere.
        """
        run = run.with_(threads=1)
        log = active(Log.of(shop))
        with run.limits(), seeded(run, self._owner()):
            coder, self.coding_ = self.fitted_coder(log, run, self._owner())
            vectors = Vectors(coder, log)
            self._learn_from(vectors, run)
        self.weights_, self.space_ = arrays(coder), vectors.space
        vars(self).pop("_nets", None)

    @cached_property
    def _nets(self) -> tuple[Coder, Any]:
        """Coder and network, built anew once from the saved weights: a live session has no time for it."""
        items = len(self.weights_["out.bias"])
        return self.coder(items, self.weights_), self._network()

    def _walked(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        coder, net = self._nets

        def latents(asked: UserBlock) -> np.ndarray:
            # The noise hangs on where the block begins, so that the number of threads changes nothing.
            shape, block = (len(asked.rows), self.latent_size), int(asked.rows[0])
            noise = run.rng(self._owner(), "noise", block).standard_normal(shape, dtype=np.float32)
            c = conditions(coder, self.space_, asked)
            with torch.inference_mode():
                x = self._made(net, torch.from_numpy(noise), torch.from_numpy(c))
            return back(self.space_, x.numpy())

        return walked(self, plan, latents, run)


def space(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Centre and Cholesky factor of the covariance of the mixture of all users' normals: [latent + 1, latent]."""
    wide = mean.astype(np.float64)
    centre = wide.mean(axis=0)
    covariance = (wide - centre).T @ (wide - centre) / len(wide)
    covariance += np.diag((spread.astype(np.float64) ** 2).mean(axis=0) + 1e-6)
    return np.concatenate([centre[None], np.linalg.cholesky(covariance)])


def scale(of: np.ndarray) -> float:
    """Root of the mean variance of a latent vector's numbers."""
    return float(np.linalg.norm(of[1:]) / len(of[1:]) ** 0.5)


def scaled(of: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Move latent vectors to mean 0 and, over all numbers together, variance 1: float32 [users, latent].

    Numbers keep their sizes beside one another: those that the encoder hardly uses stay small, so that nothing is spent
    on learning its noise. On Amazon Beauty a discriminator told users of whitened vectors a little better (.718, .710).
    """
    return np.asarray((z - of[0]) / scale(of), dtype=np.float32)


def back(of: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Undo `scaled`: float32 [users, latent]."""
    return np.asarray(x * scale(of) + of[0], dtype=np.float32)


def conditions(coder: Coder, of: np.ndarray, asked: UserBlock) -> np.ndarray:
    """What the encoder says of what users had, scaled, and 1; zeros for those of whom nothing is known."""
    c = np.zeros((len(asked.rows), len(of)), dtype=np.float32)
    if asked.known.any():
        c[asked.known, :-1] = scaled(of, coder.read(asked.offsets, asked.item)[0])
        c[asked.known, -1] = 1.0
    return c


class Perceptron(torch.nn.Module):  # type: ignore[misc]
    """Residual layers that begin as nothing: the last one is zero. He et al. (2016); Zhang, Dauphin and Ma (2019)."""

    def __init__(self, size: int, width: int, depth: int, out: int) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Linear(size, width), torch.nn.Linear(width, out)
        self.inner = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.LayerNorm(width),
                torch.nn.Linear(width, width),
                torch.nn.SiLU(),
                torch.nn.Linear(width, width),
            )
            for _ in range(depth)
        )
        torch.nn.init.zeros_(self.last.weight)
        torch.nn.init.zeros_(self.last.bias)

    def forward(self, *parts: Any) -> Any:
        """Vectors beside one another, [users, …] each → [users, out]."""
        h = self.first(torch.cat(parts, dim=1))
        for layer in self.inner:
            h = h + layer(h)
        return self.last(h)


class Average(torch.nn.Module):  # type: ignore[misc]
    """An exponential moving average of a network's weights, quick at first. Polyak and Juditsky (1992)."""

    def __init__(self, net: Any, decay: float) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).requires_grad_(False)
        self.decay, self.count = decay, 0

    def follow(self, net: Any) -> None:
        """Take the weights of `net` in."""
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        self.count += 1
        with torch.no_grad():
            for mine, theirs in zip(self.net.parameters(), net.parameters(), strict=True):
                mine.lerp_(theirs, 1 - decay)


def diversity(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """Compare generated vectors with as many real ones, [n, size] each.

    - coverage: share of the real vectors that have a generated one as near as their fifth real neighbour; of two
      samples of one distribution it is about .97. Naeem et al. (2020).
    - spread: mean distance of two generated vectors as a multiple of that of two real ones.
    - energy: 2 E|x - y| - E|x - x'| - E|y - y'|, 0 for one distribution. Székely and Rizzo (2013).
    """
    between, among, own = cdist(real, fake), cdist(real, real), cdist(fake, fake)
    n = len(real)
    reach = np.partition(among, min(NEAREST, n - 1), axis=1)[:, min(NEAREST, n - 1)]
    pairs = n * (n - 1)
    return {
        "coverage": float((between.min(axis=1) <= reach).mean()),
        "spread": float(own.sum() / max(among.sum(), 1e-12)),
        "energy": float(2 * between.mean() - (among.sum() + own.sum()) / pairs),
    }
