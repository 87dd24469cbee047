"""A variational autoencoder of what users choose, sampled into shoppers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numba import njit
from threadpoolctl import threadpool_limits

from wareloom.errors import SettingError
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, train
from wareloom.run import Run
from wareloom.shop import Log, Shop
from wareloom.synthesis.behaviour._teach import same_before
from wareloom.synthesis.behaviour._walk import TRIES, Plan, _next, _stream, in_threads
from wareloom.synthesis.behaviour.markov import Markov

F = torch.nn.functional
BLOCK = 1_024
"""Users that are decoded at a time"""


@dataclass(kw_only=True, eq=False)
class VAE(Markov):
    """Shoppers whose items are drawn together from a latent vector: a multinomial autoencoder with an annealed prior.

    An encoder reads which items a user had, a decoder gives the chances of all items; what is learned is the likelihood
    of a user's items less `beta` times the divergence of the latent vector from a standard normal, with `beta` rising
    over the training. A shopper's vector is that of a real user drawn at random, with the encoder's noise, or a draw
    from the normal; its new items are drawn from the decoder without one twice, in no order of their own. Structure,
    clock, kinds and repeats are drawn as `markov` draws them. Given histories are read by the encoder. Trained on one
    thread, so that the same seed gives the same bytes on any machine. Liang et al. (2018); Kingma and Welling (2014).
    """

    latent_size: int = 64
    """Numbers in a latent vector."""
    hidden_size: int = 128
    """Width of the layers before and behind it."""
    beta: float = 0.2
    """Weight of the divergence at the end; 1 is the evidence bound."""
    anneal: float = 0.5
    """Share of the training over which `beta` rises from 0."""
    latent: Literal["users", "prior"] = "users"
    """Whether a shopper starts from a real user's vector, close to the shop, or from the prior, far from users."""
    temperature: float = 1.0
    """Below 1 likely items are drawn more often."""
    dropout: float = 0.5
    """Share of a user's items that are hidden from the encoder while it learns."""
    epochs: int = 30
    """Passes over the users."""
    batch_size: int = 256
    """Users of an update."""
    learning_rate: float = 2e-3
    """Highest step size."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("latent_size", "hidden_size", "epochs", "batch_size"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "1 or more")
        for name in ("temperature", "learning_rate"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        _check("beta", self.beta, self.beta >= 0, "0 or more")
        _check("anneal", self.anneal, 0 <= self.anneal <= 1, "a share")
        _check("dropout", self.dropout, 0 <= self.dropout < 1, "a share below 1")

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn structure and clock as `markov` does, and the autoencoder."""
        super().fit(shop, run)
        run = (run or Run()).with_(threads=1)
        log = Log.of(shop)
        log = log.select(np.flatnonzero(log.lengths() > 0))
        with run.limits(), seeded(run, "vae"):
            net = _Net(len(log.items), self.hidden_size, self.latent_size, self.dropout)

            def batches(epoch: int) -> Iterator[tuple[Any, ...]]:
                share = 1.0 if self.anneal == 0 else min(1.0, epoch / (self.anneal * self.epochs))
                order = run.rng("vae", "epoch", epoch).permutation(len(log.users))
                for start in range(0, len(order), self.batch_size):
                    part = log.select(order[start : start + self.batch_size])
                    yield (*_bags(part.offsets, part.item), torch.tensor(self.beta * share))

            how = Training(learning_rate=self.learning_rate, epochs=self.epochs)
            self.training_ = train(net, batches, net.loss, how, run)
            self.weights_ = {name: value.numpy().copy() for name, value in net.state_dict().items()}
            mean, spread = _encoded(net, log.offsets, log.item)
        self.mean_, self.spread_ = mean, spread
        return self

    def _net(self) -> Any:
        net = _Net(len(self.catalogue_), self.hidden_size, self.latent_size, self.dropout)
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.weights_.items()})
        return net.eval()

    def _walked(self, plan: Plan, run: Run) -> tuple[np.ndarray, np.ndarray]:
        skeleton, event = super()._walked(plan, run)
        seen = same_before(plan.offsets, skeleton, plan.past_offsets, plan.past_item)
        items = np.empty(len(skeleton), dtype=np.int32)
        rng, net, n = run.rng("vae", "latent"), self._net(), len(plan.offsets) - 1
        known = np.diff(plan.past_offsets) > 0
        noise = rng.standard_normal((n, self.latent_size)).astype(np.float32)
        whose, seed = rng.integers(len(self.mean_), size=n), np.uint64(run.seed_for("vae", "items"))
        with threadpool_limits(1), seeded(run.with_(threads=1), "vae"):
            for first in range(0, n, BLOCK):
                rows = np.arange(first, min(n, first + BLOCK))
                mean, spread = self.mean_[whose[rows]], self.spread_[whose[rows]]
                if self.latent == "prior":
                    mean, spread = np.zeros_like(mean), np.ones_like(spread)
                if known[rows].any():
                    mean[known[rows]], spread[known[rows]] = _encoded(net, *_of(plan, rows[known[rows]]))
                with torch.no_grad():
                    logits = net.decode(torch.from_numpy(mean + spread * noise[rows])).numpy() / self.temperature
                in_threads(
                    lambda a, b, z=logits, first=first: _choose(z, plan, seen, (seed, first, a, b), items),  # type: ignore[misc]
                    len(rows),
                    run.cores,
                )
        return items, event


def _check(name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise SettingError(f"vae: {name} is {value!r}; give {wanted}.")


def _of(plan: Plan, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The past of some users: offsets and items."""
    starts, sizes = plan.past_offsets[users], np.diff(plan.past_offsets)[users]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return offsets, plan.past_item[np.repeat(starts - offsets[:-1], sizes) + np.arange(offsets[-1])]


def _bags(offsets: np.ndarray, item: np.ndarray) -> tuple[Any, Any]:
    """Items user after user, and where each user begins."""
    return torch.from_numpy(item.astype(np.int64)), torch.from_numpy(np.asarray(offsets[:-1], dtype=np.int64))


def _encoded(net: Any, offsets: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the latent vector of each user: float32 [users, latent]."""
    net.eval()
    with torch.no_grad():
        mean, log_variance = net.encode(*_bags(offsets, item))
    return mean.numpy(), (0.5 * log_variance).exp().numpy()


class _Net(torch.nn.Module):  # type: ignore[misc]
    """Encoder and decoder over bags of items."""

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
        weight = torch.ones(len(item))
        if self.training and self.dropout:
            weight = (torch.rand(len(item)) >= self.dropout).float() / (1 - self.dropout)
        size = torch.diff(start, append=torch.tensor([len(item)])).clamp_min(1).float()
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
        size = torch.diff(start, append=torch.tensor([len(item)]))
        user = torch.repeat_interleave(torch.arange(len(start)), size)
        chance = F.log_softmax(self.decode(z), dim=1)[user, item]
        likelihood = torch.zeros(len(start)).index_add(0, user, chance)
        return -likelihood.mean() + beta * divergence(mean, log_variance).mean()


def divergence(mean: Any, log_variance: Any) -> Any:
    """Kullback-Leibler divergence of N(mean, exp(log_variance)) from N(0, 1), summed over the numbers: [users]."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


@njit(cache=True, nogil=True)
def _choose(logits, plan, seen, part, items):  # type: ignore[no-untyped-def]
    """Draw the new items of the users a … b - 1 of a block from their chances, none twice if it can be helped."""
    seed, first, a, b = part
    width = logits.shape[1]
    running = np.empty(width)
    for r in range(a, b):
        u = first + r
        state = _stream(seed, u)
        top, total = logits[r].max(), 0.0
        for i in range(width):
            total += np.exp(logits[r, i] - top)
            running[i] = total
        begin, past = plan.offsets[u], plan.past_offsets[u]
        have = plan.past_offsets[u + 1] - past
        for e in range(begin, plan.offsets[u + 1]):
            if seen[e] >= 0:
                at = seen[e]
                items[e] = plan.past_item[past + at] if at < have else items[begin + at - have]
                continue
            if have == 0 and e == begin and len(plan.start):
                items[e] = plan.start[int(_next(state) * len(plan.start))]
                continue
            for _ in range(TRIES):
                item = min(width - 1, np.searchsorted(running, _next(state) * total, side="right"))
                known = False
                for p in range(past, past + have):
                    known = known or plan.past_item[p] == item
                for p in range(begin, e):
                    known = known or items[p] == item
                if not known:
                    break
            items[e] = item
