"""What is taught of dialogues by gradient updates: the base of taggers of slots and choosers of replies."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.classifiers.talks import TalkLearner
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, ShareBelowOne, Size
from wareloom.neural.training import Training, train


@dataclass(kw_only=True, eq=False)
class TaughtLearner(TalkLearner, ABC):
    """Base of what is taught by updates of equally many rows, and stopped by held-back dialogues."""

    gradient: ClassVar[bool] = True

    epochs: Size = 12
    """Passes over what is learned; as often the held-back ones are asked."""
    batch_size: Size = 128
    """Rows of one update."""
    learning_rate: Positive = 5e-3
    """Highest step size."""
    weight_decay: NonNegative = 1e-2
    """Decoupled decay of the weights."""
    dropout: ShareBelowOne = 0.2
    """Share of numbers dropped in training."""

    def _teach(
        self,
        net: Any,
        learned: int,
        batches: Callable[[int], Iterator[Any]],
        loss: Callable[[Any], Any],
        value: Callable[[], float],
        run: Run,
    ) -> None:
        """Train `net` on batches of `learned` rows in all, by epoch, and keep the weights of the highest `value`."""
        updates = run.updates or self.epochs * -(-learned // self.batch_size)
        how = Training(
            learning_rate=self.learning_rate,
            epochs=self.epochs,
            updates=updates,
            weight_decay=self.weight_decay,
            warmup=min(50, max(1, updates // 10)),
        )
        history = train(net, batches, loss, how, run, value)
        self.updates_ = updates
        self.steps_ = int(max(history, key=lambda row: row["value"])["step"]) if history else 0

    def _orders(self, learned: int, epoch: int, run: Run) -> Iterator[np.ndarray]:
        """Places of the rows of each batch, int64 [batch]; the last one, which would be short, takes some again."""
        order = run.rng(self.asks, "order", epoch).permutation(learned)
        for start in range(0, learned, self.batch_size):
            yield np.take(order, np.arange(start, start + self.batch_size), mode="wrap")
