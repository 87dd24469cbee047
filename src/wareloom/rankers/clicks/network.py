"""The base of click models that are networks: embeddings of fields, the linear part, training, scoring in blocks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Positive, Settings, ShareBelowOne, Size
from wareloom.errors import InputError
from wareloom.neural import torch
from wareloom.neural.training import Training, seeded, taken, train
from wareloom.neural.weights import arrays, loaded
from wareloom.rankers.clicks.base import FEWEST
from wareloom.rankers.clicks.rows import Encoded, Examples
from wareloom.rankers.vectors import check_embedder, text_vectors
from wareloom.shop import Shop

F = torch.nn.functional
BLIND = 2
"""Passes where nothing is held back to stop by: click models overfit from the second on (Zhang et al. 2022)."""
BLOCK = 1 << 15
"""Rows that are scored at a time."""
POSITIONS = 10
"""Where along a training its amount of data is looked at, if that changes."""
SPREAD = 0.05
"""Standard deviation of the embeddings at the start."""
Columns = Callable[[Examples, np.ndarray], tuple[Any, ...]]


@dataclass(kw_only=True, eq=False)
class ClickNetwork(Settings, ABC):
    """What click models that are networks have in common: settings, training, and scoring by the weights learned.

    Stands before `ClickRanker` among a model's bases. A model gives `_build`, a module with the attribute `fields`:

        @dataclass(kw_only=True, eq=False)
        class Linear(ClickNetwork, ClickRanker):
            '''The linear part alone.'''

            def _build(self) -> torch.nn.Module:
                return LinearNetwork(self.sizes_, self.numbers_, self.embedding_size)

        class LinearNetwork(torch.nn.Module):
            def __init__(self, sizes, numbers, size):
                super().__init__()
                self.fields = Fields(sizes, numbers, size)

            def forward(self, codes, dense, history):
                return self.fields(codes, dense)[1]
    """

    gradient: ClassVar[bool] = True

    embedding_size: Size = 8
    """Numbers each value of a field is described by."""
    hidden_size: Size = 64
    """Width of the layers of the perceptron."""
    layers: Size = 2
    """Layers of the perceptron."""
    dropout: ShareBelowOne = 0.1
    """Share of activations dropped in training."""
    text: str = "none"
    """Embedder of the items' texts, such as tfidf or minilm, at which their vectors start; none: at random."""
    epochs: Size = 10
    """Passes over the rows, at most; 2 where too few clicks are held back to know when to stop."""
    batch_size: Size = 256
    """Rows of one update."""
    learning_rate: Positive = 2e-3
    """Highest step size."""
    weight_decay: NonNegative = 1e-2
    """Decoupled decay of the weights."""
    patience: Count = 3
    """Passes without a better held-back log loss after which training stops; 0 never stops early."""

    if TYPE_CHECKING:
        name: str
        sizes_: np.ndarray
        item_codes_: np.ndarray

    def _check(self) -> None:
        super()._check()
        check_embedder(self.text)

    @abstractmethod
    def _build(self) -> Any:
        """Return a module: codes, numbers and histories of rows, as `tensors` gives them → log-odds [rows].

        Its attribute `fields` is a `Fields`. `sizes_` (codes of each field), `numbers_` (numbers of a row) and
        `item_codes_` (the fields of items) are known when it is called.
        """

    @property
    def _stops_early(self) -> bool:
        return self.patience > 0

    def _learn(
        self, train: Examples, held: Examples | None, sizes: np.ndarray, shop: Shop | None, run: Run
    ) -> None:
        self.numbers_ = train.rows.dense.shape[1]
        self.weights_, self.updates_, self.steps_ = learn(self, train, held, shop, run)
        self._net = loaded(self._build(), self.weights_)

    @cached_property
    def _net(self) -> Any:
        """The network, built anew from the saved weights where this was restored."""
        return loaded(self._build(), self.weights_)

    def _logits(self, rows: Encoded) -> np.ndarray:
        return logits(self._net, rows)


class Fields(torch.nn.Module):  # type: ignore[misc]
    """An embedding for each code of each field, and a linear part that begins at the share of clicks.

    With `tasks` there is a linear part for each.
    """

    def __init__(self, sizes: np.ndarray, numbers: int, size: int, tasks: int = 0) -> None:
        super().__init__()
        self.register_buffer(
            "offsets", torch.from_numpy(np.concatenate([[0], np.cumsum(sizes)[:-1]]))
        )
        total = int(sizes.sum())
        self.embedding = torch.nn.Embedding(total, size)
        self.tasks = tasks
        self.linear = torch.nn.Embedding(total, tasks or 1)
        self.numbers = torch.nn.Linear(numbers, tasks or 1)
        torch.nn.init.normal_(self.embedding.weight, std=SPREAD)
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


def columns(data: Examples, rows: np.ndarray) -> tuple[Any, ...]:
    """Labels and weights of some rows."""
    return tuple(
        torch.from_numpy(array[rows].astype(np.float32)) for array in (data.label, data.weight)
    )


class Batches:
    """Rows in random order; those that are learned from for a part of the training only, in that part.

    `beside` gives what a batch has behind codes, numbers and histories.
    """

    def __init__(
        self, data: Examples, ranker: ClickNetwork, epochs: int, run: Run, beside: Columns = columns
    ) -> None:
        self.data, self.size, self.epochs, self.run = data, ranker.batch_size, epochs, run
        self.name, self.beside = ranker.name, beside
        shares = [0.0] if "span" not in data.more else (np.arange(POSITIONS) + 0.5) / POSITIONS
        passes = np.mean([-(-len(self._active(share)) // self.size) for share in shares])
        self.updates = run.updates or epochs * max(1, round(float(passes)))
        """Gradient updates that are planned"""

    def _active(self, done: float) -> np.ndarray:
        """The rows that are learned from when a share `done` of the training is over."""
        if "span" not in self.data.more:
            return np.arange(len(self.data))
        since, until = self.data.more["span"].T
        return np.flatnonzero((since <= done) & (done < until))

    def how(self, ranker: ClickNetwork, *, patience: int) -> Training:
        """How a network with the ranker's settings is trained on them."""
        return Training(
            learning_rate=ranker.learning_rate,
            epochs=min(self.epochs, self.updates),
            updates=self.updates,
            weight_decay=ranker.weight_decay,
            warmup=min(100, self.updates // 10),
            patience=patience,
        )

    def __call__(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Yield codes, numbers, histories, and what `beside` gives."""
        limit = None if "span" not in self.data.more else max(1, self.updates // self.epochs)
        rows = self._active(min(1 - 1e-6, epoch * (limit or 0) / self.updates))
        rows = rows[self.run.rng(self.name, "epoch", epoch).permutation(len(rows))]
        for start in islice(range(0, len(rows), self.size), limit):
            part = rows[start : start + self.size]
            yield (*tensors(self.data.rows, part), *self.beside(self.data, part))


def learn(
    ranker: ClickNetwork, data: Examples, held: Examples | None, shop: Shop | None, run: Run
) -> tuple[dict[str, np.ndarray], int, int]:
    """Fit the network that `ranker._build` makes by log loss.

    Returns its weights, how many updates were planned, and after how many it stopped.

    With `held` the best evaluation on it is kept. Weighted rows count as often in the loss, whose mean is over the
    weight of a batch.
    """
    blind = held is None and ranker.patience > 0
    batches = Batches(data, ranker, min(ranker.epochs, BLIND) if blind else ranker.epochs, run)
    with seeded(run, ranker.name):
        net = ranker._build()
        share = float(data.weight @ data.label / data.weight.sum())
        with torch.no_grad():
            net.fields.numbers.bias.fill_(np.log(share / (1 - share)))
        begin_with_text(net, ranker, shop, run)

        def loss(batch: tuple[Any, ...]) -> Any:
            codes, dense, history, label, weight = batch
            each = F.binary_cross_entropy_with_logits(
                net(codes, dense, history).float(), label, reduction="none"
            )
            return (each * weight).sum() / weight.sum()

        def value() -> float:
            assert held is not None
            z = logits(net, held.rows)
            return -float(held.weight @ (np.logaddexp(0, z) - held.label * z) / held.weight.sum())

        judged = held is not None and held.label.sum() >= FEWEST
        how = batches.how(ranker, patience=ranker.patience if held is not None else 0)
        history = train(net, batches, loss, how, run, value if judged else None)
        net.cpu()
    return arrays(net), batches.updates, taken(history)


def begin_with_text(net: Any, ranker: ClickNetwork, shop: Shop | None, run: Run) -> None:
    """Start the vectors of items at their texts', in as many directions as they have numbers, where that is asked for.

    Raises `InputError` where there is no shop, or no text.
    """
    if ranker.text == "none":
        return
    if shop is None:
        raise InputError(
            f"{ranker.name}: text={ranker.text!r} needs a shop with items, not a log alone."
        )
    vectors = text_vectors(shop, ranker.text, ranker.embedding_size, run)
    scaled = torch.from_numpy(
        (vectors * (SPREAD / max(float(vectors.std()), 1e-12))).astype(np.float32)
    )
    code = ranker.item_codes_[:-1, 0].astype(np.int64)
    known = code > 0
    with torch.no_grad():
        net.fields.embedding.weight[torch.from_numpy(code[known]), : scaled.shape[1]] = scaled[
            torch.from_numpy(known)
        ]


def logits(net: Any, rows: Encoded) -> np.ndarray:
    """Log-odds of rows, in blocks: float64 [rows], or [rows, tasks] where the network gives as many."""
    parts, device = list[np.ndarray](), next(net.parameters()).device
    with torch.no_grad():
        for start in range(0, max(1, len(rows)), BLOCK):
            place = np.arange(start, min(start + BLOCK, len(rows)))
            parts.append(net(*(t.to(device) for t in tensors(rows, place))).float().cpu().numpy())
    return np.concatenate(parts).astype(np.float64)
