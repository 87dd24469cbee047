"""DCN-V2: crosses of features by learned matrices, beside a perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Positive, ShareBelowOne, Size
from wareloom.neural import torch
from wareloom.neural.weights import loaded
from wareloom.rankers.clicks._features import Encoded
from wareloom.rankers.clicks._networks import Fields, last_layer, layers, learn, logits
from wareloom.rankers.clicks.base import ClickRanker, Examples
from wareloom.rankers.vectors import check_embedder
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class DCN(ClickRanker):
    """Cross the embeddings of all fields explicitly, layer by layer, and beside them by a perceptron; add both up.

    A cross layer is x₀ ⊙ (W xₗ + b) + xₗ. A linear part that begins at the share of clicks stands beside, and the last
    layer begins at nothing, so that training starts from the constant. Wang et al. (2021), the parallel form.
    """

    gradient: ClassVar[bool] = True

    embedding_size: Size = 8
    """Numbers each value of a field is described by."""
    crosses: Size = 2
    """Cross layers: each raises the degree of the products by one."""
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

    def _check(self) -> None:
        super()._check()
        check_embedder(self.text)

    @property
    def _stops_early(self) -> bool:
        return self.patience > 0

    def _learn(
        self, train: Examples, held: Examples | None, sizes: np.ndarray, shop: Shop | None, run: Run
    ) -> None:
        self.numbers_ = train.rows.dense.shape[1]
        self.weights_, self.updates_ = learn(self, train, held, shop, run)
        self._net = loaded(self._build(), self.weights_)

    def _build(self) -> Any:
        return _Net(self.sizes_, self.numbers_, self)

    def _logits(self, rows: Encoded) -> np.ndarray:
        if not hasattr(self, "_net"):
            self._net = loaded(self._build(), self.weights_)
        return logits(self._net, rows)


class _Net(torch.nn.Module):  # type: ignore[misc]
    def __init__(self, sizes: np.ndarray, numbers: int, settings: DCN) -> None:
        super().__init__()
        self.fields = Fields(sizes, numbers, settings.embedding_size)
        width = len(sizes) * settings.embedding_size + numbers
        self.crosses = torch.nn.ModuleList(
            torch.nn.Linear(width, width) for _ in range(settings.crosses)
        )
        self.deep = layers(width, (settings.hidden_size,) * settings.layers, settings.dropout)
        self.last = last_layer(width + settings.hidden_size)

    def forward(self, codes: Any, dense: Any, history: Any) -> Any:
        """Rows → log-odds [rows]; the histories are not read."""
        embedded, linear = self.fields(codes, dense)
        first = torch.cat([embedded.flatten(1), dense], dim=1)
        x = first
        for cross in self.crosses:
            x = first * cross(x) + x
        return linear + self.last(torch.cat([x, self.deep(first)], dim=1))[:, 0]
