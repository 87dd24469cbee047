"""What the networks of click models share: embeddings of fields, the linear part, training, scoring in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, train
from wareloom.rankers.ctr._base import FEWEST, Examples
from wareloom.rankers.ctr._features import Encoded
from wareloom.run import Run

F = torch.nn.functional
BLIND = 2
"""Passes where nothing is held back to stop by: click models overfit from the second on (Zhang et al. 2022)."""
BLOCK = 1 << 15
"""Rows that are scored at a time."""


class Fields(torch.nn.Module):  # type: ignore[misc]
    """An embedding for each code of each field, and a linear part that begins at the share of clicks.

    With `tasks` there is a linear part for each.
    """

    def __init__(self, sizes: np.ndarray, numbers: int, size: int, tasks: int = 0) -> None:
        super().__init__()
        self.register_buffer("offsets", torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)[:-1]])))
        total = int(sizes.sum())
        self.embedding = torch.nn.Embedding(total, size)
        self.tasks = tasks
        self.linear = torch.nn.Embedding(total, tasks or 1)
        self.numbers = torch.nn.Linear(numbers, tasks or 1)
        torch.nn.init.normal_(self.embedding.weight, std=0.05)
        torch.nn.init.zeros_(self.linear.weight)
        torch.nn.init.zeros_(self.numbers.weight)
        torch.nn.init.zeros_(self.numbers.bias)
        with torch.no_grad():
            self.embedding.weight[self.offsets] = 0.0

    def forward(self, codes: Any, dense: Any) -> tuple[Any, Any]:
        """Codes [rows, fields], numbers [rows, numbers] → embeddings [rows, fields, size], linear part, see above."""
        place = codes + self.offsets
        linear = self.linear(place).sum(dim=1) + self.numbers(dense)
        return self.embedding(place), linear if self.tasks else linear[:, 0]


def layers(width: int, hidden: tuple[int, ...], dropout: float) -> Any:
    """A perceptron with ReLU and dropout after each layer."""
    parts: list[Any] = []
    for size in hidden:
        parts += [torch.nn.Linear(width, size), torch.nn.ReLU(), torch.nn.Dropout(dropout)]
        width = size
    return torch.nn.Sequential(*parts)


def last_layer(width: int) -> Any:
    """A linear layer to one number that begins at nothing, so that training begins at the linear part."""
    made = torch.nn.Linear(width, 1)
    torch.nn.init.zeros_(made.weight)
    torch.nn.init.zeros_(made.bias)
    return made


def tensors(rows: Encoded, place: np.ndarray) -> tuple[Any, Any, Any]:
    """Codes, numbers and histories of some rows."""
    part = rows.take(place)
    return (
        torch.from_numpy(part.codes.astype(np.int64)),
        torch.from_numpy(part.dense),
        torch.from_numpy(part.history[part.request].astype(np.int64)),
    )


def learn(
    build: Callable[[], Any],
    data: Examples,
    held: Examples | None,
    how: Training,
    batch_size: int,
    run: Run,
    name: str,
) -> dict[str, np.ndarray]:
    """Fit a network by log loss and return its weights; with `held` the best pass on it is kept.

    Weighted rows count as often in the loss, whose mean is over the weight of a batch.
    """
    with seeded(run, name):
        net = build()
        share = float(data.weight @ data.label / data.weight.sum())
        with torch.no_grad():
            net.fields.numbers.bias.fill_(np.log(share / (1 - share)))

        def batches(epoch: int) -> Iterator[tuple[Any, ...]]:
            order = run.rng(name, "epoch", epoch).permutation(len(data))
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                label, weight = (torch.from_numpy(a[rows].astype(np.float32)) for a in (data.label, data.weight))
                yield (*tensors(data.rows, rows), label, weight)

        def loss(batch: tuple[Any, ...]) -> Any:
            codes, dense, history, label, weight = batch
            each = F.binary_cross_entropy_with_logits(net(codes, dense, history).float(), label, reduction="none")
            return (each * weight).sum() / weight.sum()

        def value() -> float:
            assert held is not None
            z = logits(net, held.rows)
            return -float(held.weight @ (np.logaddexp(0, z) - held.label * z) / held.weight.sum())

        judged = held is not None and held.label.sum() >= FEWEST
        train(net, batches, loss, how, run, value if judged else None)
        net.cpu()
    return {key: tensor.detach().cpu().numpy().copy() for key, tensor in net.state_dict().items()}


def restored(build: Callable[[], Any], weights: dict[str, np.ndarray]) -> Any:
    """Return the network with these weights, for scoring."""
    net = build()
    net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return net.eval()


def logits(net: Any, rows: Encoded) -> np.ndarray:
    """Log-odds of rows, in blocks: float64 [rows], or [rows, tasks] where the network gives as many."""
    parts, device = list[np.ndarray](), next(net.parameters()).device
    with torch.no_grad():
        for start in range(0, max(1, len(rows)), BLOCK):
            place = np.arange(start, min(start + BLOCK, len(rows)))
            parts.append(net(*(t.to(device) for t in tensors(rows, place))).float().cpu().numpy())
    return np.concatenate(parts).astype(np.float64)
