"""The autoencoder that reads users into latent vectors, and the settings of those who have one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, Settings, Share, ShareBelowOne, Size
from wareloom.neural import torch
from wareloom.neural.training import Training, train
from wareloom.neural.weights import loaded
from wareloom.shop import Log

F = torch.nn.functional


@dataclass(kw_only=True, eq=False)
class Coding(Settings):
    """Settings of those that read users into latent vectors and draw items from these, and how their coder learns."""

    latent_size: Size = 64
    """Numbers in a latent vector."""
    hidden_size: Size = 128
    """Width of the autoencoder's layers."""
    beta: NonNegative = 0.05
    """Weight of the autoencoder's divergence from the normal; small leaves users further apart."""
    dropout: ShareBelowOne = 0.3
    """Share of a user's items that are hidden from the encoder while it learns."""
    epochs: Size = 30
    """Passes of the autoencoder over the users."""
    batch_size: Size = 256
    """Users of an update."""
    learning_rate: Positive = 2e-3
    """Highest step size of the autoencoder."""
    temperature: Positive = 0.9
    """Below 1 likely items are drawn more often."""
    order: Share = 0.5
    """How much it counts where others went next, 0 to 1: of outlines, what the user likes counts to the power of 1 less
    this; in chains it is the share of steps known to the log that lead where others went, among what the user likes."""

    def coder(self, items: int, weights: dict[str, np.ndarray] | None = None) -> Coder:
        """A coder over so many items, new or with the given weights."""
        net = Coder(items, self.hidden_size, self.latent_size, self.dropout)
        return loaded(net, weights) if weights else net.eval()

    def fitted_coder(
        self, log: Log, run: Run, purpose: str, anneal: float = 0.5
    ) -> tuple[Coder, list[dict[str, float]]]:
        """Train a coder on users who all have events: the coder and how its loss went. Call it where torch is seeded.

        `run` must have one thread for the same bytes everywhere. `anneal`: the share of the epochs in which the weight
        of the divergence grows to `beta`.
        """
        net = self.coder(len(log.items))

        def batches(epoch: int) -> Iterator[tuple[Any, ...]]:
            share = 1.0 if anneal == 0 else min(1.0, epoch / (anneal * self.epochs))
            order = run.rng(purpose, "epoch", epoch).permutation(len(log.users))
            for start in range(0, len(order), self.batch_size):
                part = log.select(order[start : start + self.batch_size])
                yield (*bags(part.offsets, part.item), torch.tensor(self.beta * share))

        how = Training(learning_rate=self.learning_rate, epochs=self.epochs)
        history = train(net, batches, net.loss, how, run)
        return net.cpu(), history


class Coder(torch.nn.Module):  # type: ignore[misc]
    """Encoder and decoder over bags of items: a multinomial autoencoder. Liang et al. (2018)."""

    def __init__(self, items: int, hidden: int, latent: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.item = torch.nn.EmbeddingBag(items, hidden, mode="sum", include_last_offset=False)
        self.code = torch.nn.Linear(hidden, 2 * latent)
        self.wide, self.out = torch.nn.Linear(latent, hidden), torch.nn.Linear(hidden, items)
        torch.nn.init.normal_(self.item.weight, std=hidden**-0.5)

    def encode(self, item: Any, start: Any) -> tuple[Any, Any]:
        """Items [events] and where each user begins [users] → mean and log variance, each [users, latent].

        A user's items are added up and divided by the root of their number; some are hidden in training.
        """
        weight = torch.ones(len(item), device=item.device)
        if self.training and self.dropout:
            weight = (torch.rand(len(item), device=item.device) >= self.dropout).float() / (
                1 - self.dropout
            )
        size = _sizes(item, start).clamp_min(1).float()
        read = self.item(item, start, per_sample_weights=weight) / size.sqrt()[:, None]
        mean, log_variance = self.code(torch.tanh(read)).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 5)

    def decode(self, z: Any) -> Any:
        """Latent vectors [users, latent] → logits of all items [users, items]."""
        return self.out(torch.tanh(self.wide(z)))

    def loss(self, batch: tuple[Any, ...]) -> Any:
        """Negative log likelihood of the users' items, less for long users, and `beta` times the divergence."""
        item, start, beta = batch
        mean, log_variance = self.encode(item, start)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        user = torch.repeat_interleave(
            torch.arange(len(start), device=item.device), _sizes(item, start)
        )
        chance = F.log_softmax(self.decode(z), dim=1)[user, item]
        likelihood = torch.zeros(len(start), device=item.device).index_add(0, user, chance)
        return -likelihood.mean() + beta * divergence(mean, log_variance).mean()

    def read(self, offsets: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the latent vector of each user: float32 [users, latent]."""
        self.eval()
        with torch.inference_mode():
            mean, log_variance = self.encode(*bags(offsets, item))
            return mean.numpy(), (0.5 * log_variance).exp().numpy()


def _sizes(item: Any, start: Any) -> Any:
    return torch.diff(start, append=torch.tensor([len(item)], device=start.device))


def divergence(mean: Any, log_variance: Any) -> Any:
    """Kullback-Leibler divergence of N(mean, exp(log_variance)) from N(0, 1), summed over the numbers: [users]."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def bags(offsets: np.ndarray, item: np.ndarray) -> tuple[Any, Any]:
    """Items user after user, and where each user begins."""
    return torch.from_numpy(item.astype(np.int64)), torch.from_numpy(
        np.asarray(offsets[:-1], dtype=np.int64)
    )
