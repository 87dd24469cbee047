"""A network of shared experts with a head for each task, its losses, and how it is taught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, taken, train
from wareloom.neural.weights import arrays
from wareloom.rankers.clicks.network import BLOCK, Batches, Fields, last_layer, layers, tensors
from wareloom.rankers.clicks.rows import Examples

F = torch.nn.functional


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What the network is built of."""

    sizes: np.ndarray
    """int64 [fields], codes of each"""
    numbers: int
    embedding_size: int
    hidden_size: int
    layers: int
    experts: int
    dropout: float
    binary: int
    """Tasks that are probabilities; they come first"""
    rating: bool
    chain: bool
    uncertainty: bool


class Experts(torch.nn.Module):  # type: ignore[misc]
    """Perceptrons over the embeddings of all fields; each task mixes them by a gate of its own, then has a tower.

    f_t = tower_t(Σ_e softmax(G_t x)_e · expert_e(x)) + a linear part; one expert is a shared bottom.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, tasks = shape, shape.binary + shape.rating
        self.fields = Fields(shape.sizes, shape.numbers, shape.embedding_size, tasks)
        width, hidden = len(shape.sizes) * shape.embedding_size + shape.numbers, shape.hidden_size
        made = (
            layers(width, (hidden,) * shape.layers, shape.dropout) for _ in range(shape.experts)
        )
        self.experts = torch.nn.ModuleList(made)
        self.gates = torch.nn.Linear(width, tasks * shape.experts)
        half = max(1, hidden // 2)
        self.towers = torch.nn.ModuleList(
            layers(hidden, (half,), shape.dropout) for _ in range(tasks)
        )
        self.heads = torch.nn.ModuleList(last_layer(half) for _ in range(tasks))
        self.register_parameter(
            "unsure", torch.nn.Parameter(torch.zeros(tasks)) if shape.uncertainty else None
        )

    def forward(self, codes: Any, dense: Any, history: Any) -> Any:
        """Rows → [rows, tasks], log-odds and then the standardised rating; the histories are not read."""
        embedded, linear = self.fields(codes, dense)
        x = torch.cat([embedded.flatten(1), dense], dim=1)
        known = torch.stack([expert(x) for expert in self.experts], dim=1)
        gate = torch.softmax(self.gates(x).view(len(x), len(self.heads), -1), dim=-1)
        mixed = gate @ known
        parts = [
            head(tower(mixed[:, t]))
            for t, (tower, head) in enumerate(zip(self.towers, self.heads, strict=True))
        ]
        out = (linear + torch.cat(parts, dim=1)).float()
        if self.shape.chain:
            out = torch.cat(
                [chained(out[:, : self.shape.binary]), out[:, self.shape.binary :]], dim=1
            )
        return out


def chained(odds: Any) -> Any:
    """Log-odds of each step, given that the one before was taken → log-odds that all up to it are: [rows, steps].

    For chances p = σ(a), q = σ(b) the log-odds of p q are −ln(e^−a + e^−b + e^−(a+b)).
    """
    whole = [odds[:, 0]]
    for step in odds.unbind(dim=1)[1:]:
        before = whole[-1]
        whole.append(-torch.logsumexp(torch.stack([-before, -step, -before - step]), dim=0))
    return torch.stack(whole, dim=1)


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """How much each task counts, and what else the loss minds."""

    weights: np.ndarray
    """float64 [tasks]"""
    shares: np.ndarray
    """float64 [tasks], weighted share of the rows that are positive; for the rating, of those that have one"""
    binary: int
    diversity: float

    def start(self, *, chain: bool) -> np.ndarray:
        """Log-odds of the shares, given the step before in a chain; 0 for the rating: float64 [tasks]."""
        share = self.shares[: self.binary].copy()
        if chain:
            share[1:] /= share[:-1]
        share = np.clip(share, 1e-6, 1 - 1e-6)
        return np.concatenate(
            [np.log(share / (1 - share)), np.zeros(len(self.shares) - self.binary)]
        )

    def scale(self) -> np.ndarray:
        """What knowing nothing but the shares loses a row: float64 [tasks]."""
        share = self.shares[: self.binary]
        entropy = -share * np.log(share) - (1 - share) * np.log1p(-share)
        return np.concatenate([entropy, self.shares[self.binary :]])

    def losses(self, out: Any, batch: tuple[Any, ...]) -> Any:
        """Summed loss of each task over that of knowing nothing, [tasks]: log losses, squared errors of ratings.

        Positive rows weigh their item's worth and the log-odds get its logarithm added, so that the network's own part
        stays the chance: weights w on positives move the log-odds by ln w.
        """
        labels, rating, weight, worth = batch[:4]
        odds = out[:, : self.binary] + worth[:, None]
        each = F.binary_cross_entropy_with_logits(odds, labels, reduction="none")
        each = each * torch.where(labels > 0, worth.exp()[:, None], 1.0)
        if out.shape[1] > self.binary:
            error = torch.where(rating.isnan(), 0.0, out[:, -1] - rating.nan_to_num()).square()
            each = torch.cat([each, error[:, None]], dim=1)
        scale = torch.as_tensor(self.scale(), dtype=out.dtype, device=out.device)
        return (each * weight[:, None]).sum(dim=0) / scale

    def total(self, out: Any, batch: tuple[Any, ...], unsure: Any) -> Any:
        """The loss of a batch: weighted, or by learned uncertainty, and the penalty on following popularity."""
        mean = self.losses(out, batch) / batch[2].sum()
        weights = torch.as_tensor(self.weights, dtype=out.dtype, device=out.device)
        if unsure is not None:
            kind = torch.ones_like(mean)
            kind[self.binary :] = 0.5
            loss = (torch.exp(-unsure) * kind * mean + 0.5 * unsure).sum()
        else:
            loss = (weights * mean).sum() / weights.sum()
        if self.diversity:
            chosen = batch[0].amax(dim=1) > 0
            loss = loss + self.diversity * followed(out[chosen, : self.binary], batch[4][chosen])
        return loss


def followed(odds: Any, popularity: Any) -> Any:
    """Mean over tasks of the squared correlation of log-odds [rows, tasks] with popularity [rows]; 0 for few rows."""
    if len(odds) < 3:
        return odds.sum() * 0.0
    z, p = odds - odds.mean(dim=0), popularity - popularity.mean()
    spread = z.square().sum(dim=0) * p.square().sum()
    return ((p @ z).square() / (spread + 1e-6)).mean()


def columns(data: Examples, rows: np.ndarray) -> tuple[Any, ...]:
    """Labels, ratings, weights, logarithms of worth and of popularity of some rows."""
    more = data.more
    arrays = (more["labels"], more["rating"], data.weight, more["worth"], more["popularity"])
    return tuple(torch.from_numpy(array[rows].astype(np.float32)) for array in arrays)


def teach(
    build: Callable[[], Any],
    batches: Batches,
    held: Examples | None,
    lesson: Lesson,
    how: Training,
    run: Run,
    begin: Callable[[Any], None],
) -> tuple[dict[str, np.ndarray], int]:
    """Fit a network and return its weights, and after how many updates it stopped.

    With `held` the evaluation with the lowest weighted losses is kept.
    `begin` is given the network before it is trained.
    """
    with seeded(run, batches.name):
        net = build()
        with torch.no_grad():
            net.fields.numbers.bias.copy_(torch.from_numpy(lesson.start(chain=net.shape.chain)))
        begin(net)

        def loss(batch: tuple[Any, ...]) -> Any:
            return lesson.total(net(*batch[:3]).float(), batch[3:], net.unsure)

        def value() -> float:
            assert held is not None
            device, total = next(net.parameters()).device, np.zeros(len(lesson.weights))
            for start in range(0, len(held), BLOCK):
                part = np.arange(start, min(start + BLOCK, len(held)))
                out = net(*(t.to(device) for t in tensors(held.rows, part))).float()
                total += (
                    lesson.losses(out, tuple(t.to(device) for t in columns(held, part)))
                    .cpu()
                    .numpy()
                )
            return -float(lesson.weights @ total / held.weight.sum())

        history = train(net, batches, loss, how, run, value if held is not None else None)
        net.cpu()
    return arrays(net), taken(history)
