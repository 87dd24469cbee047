"""A small recurrent network that reads a sequence and says how synthetic it seems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from wareloom.core.run import Run
from wareloom.neural import torch
from wareloom.neural.batches import bucketed, padded
from wareloom.neural.training import Training, seeded, train

TOKENS = 1024
"""Events of a batch, padding included."""


class Reader(torch.nn.Module):  # type: ignore[misc]
    """Embeddings of the columns of an event, added up; a GRU; one number from its last state."""

    def __init__(self, sizes: list[int], width: int) -> None:
        super().__init__()
        self.tables = torch.nn.ModuleList(torch.nn.Embedding(size, width) for size in sizes)
        for table in self.tables:
            torch.nn.init.normal_(table.weight, std=0.1)
        self.gru = torch.nn.GRU(width, width, batch_first=True)
        self.out = torch.nn.Linear(width, 1)

    def forward(self, events: Any, sizes: Any) -> Any:
        """`events` int64 [users, longest, columns], `sizes` int64 [users], all above 0: logits [users]."""
        summed = sum(table(events[..., column]) for column, table in enumerate(self.tables))
        states, _ = self.gru(summed)
        return self.out(states[torch.arange(len(sizes), device=sizes.device), sizes - 1]).squeeze(
            -1
        )


def told(
    columns: np.ndarray,
    offsets: np.ndarray,
    label: np.ndarray,
    fit: np.ndarray,
    how: tuple[int, int],
    run: Run,
) -> np.ndarray:
    """Learn from the users `fit` (bool [users]) and return the logits of all: float64 [users].

    `columns` int64 [events, columns], codes; `how`: width, updates.
    """
    width, updates = how
    starts, sizes = offsets[:-1], np.diff(offsets)
    learned = np.flatnonzero(fit)

    def batch(users: np.ndarray) -> tuple[Any, Any, Any]:
        events = padded(columns, starts[users], sizes[users])
        return (
            torch.from_numpy(events),
            torch.from_numpy(sizes[users]),
            torch.from_numpy(label[users]),
        )

    def batches(epoch: int) -> Iterator[Any]:
        for users in bucketed(sizes[learned], TOKENS, run.rng("compare", "gru", epoch)):
            yield batch(learned[users])

    with seeded(run, "compare", "gru"):
        model = Reader([int(size) for size in columns.max(axis=0) + 1], width)

        def loss(given: tuple[Any, Any, Any]) -> Any:
            events, lengths, wanted = given
            return torch.nn.functional.binary_cross_entropy_with_logits(
                model(events, lengths), wanted.float()
            )

        how_long = Training(
            learning_rate=5e-3, epochs=1, updates=updates, warmup=10, weight_decay=0.01
        )
        train(model, batches, loss, how_long, run)
        scores = np.zeros(len(sizes))
        with torch.no_grad():
            for users in np.array_split(np.arange(len(sizes)), max(1, int(sizes.sum()) // TOKENS)):
                events, lengths, _ = batch(users)
                scores[users] = (
                    model(events.to(run.device), lengths.to(run.device)).double().cpu().numpy()
                )
    return scores
