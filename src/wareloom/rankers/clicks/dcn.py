"""DCN-V2: crosses of features by learned matrices, beside a perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.settings import Size
from wareloom.neural import torch
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.rankers.clicks.network import ClickNetwork, Fields, last_layer, layers


@dataclass(kw_only=True, eq=False)
class DCN(ClickNetwork, ClickRanker):
    """Cross the embeddings of all fields explicitly, layer by layer, and beside them by a perceptron; add both up.

    A cross layer is x₀ ⊙ (W xₗ + b) + xₗ. A linear part that begins at the share of clicks stands beside, and the last
    layer begins at nothing, so that training starts from the constant. Wang et al. (2021), the parallel form.
    """

    laws: ClassVar[frozenset[str]] = ClickRanker.laws | {"moved by history"}

    crosses: Size = 2
    """Cross layers: each raises the degree of the products by one."""

    def _build(self) -> Any:
        return CrossNetwork(self.sizes_, self.numbers_, self)


class CrossNetwork(torch.nn.Module):  # type: ignore[misc]
    """Cross layers beside a perceptron, both over the embeddings of all fields and the numbers."""

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
