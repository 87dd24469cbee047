"""DeepFM: a factorisation machine beside a perceptron on the same embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.neural import torch
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.rankers.clicks.network import ClickNetwork, Fields, last_layer, layers


@dataclass(kw_only=True, eq=False)
class DeepFM(ClickNetwork, ClickRanker):
    """Add the inner products of all pairs of fields' embeddings to a perceptron's and a linear part.

    The sum over pairs is ½ (|Σ v|² − Σ |v|²), over fields and numbers alike. Guo et al. (2017); Rendle (2010).
    """

    laws: ClassVar[frozenset[str]] = ClickRanker.laws | {"moved by history"}

    def _build(self) -> Any:
        return FactorisationNetwork(self.sizes_, self.numbers_, self)


class FactorisationNetwork(torch.nn.Module):  # type: ignore[misc]
    """A factorisation machine and a perceptron over the same embeddings."""

    def __init__(self, sizes: np.ndarray, numbers: int, settings: DeepFM) -> None:
        super().__init__()
        self.fields = Fields(sizes, numbers, settings.embedding_size)
        self.spread = torch.nn.Parameter(torch.randn(numbers, settings.embedding_size) * 0.05)
        width = len(sizes) * settings.embedding_size + numbers
        self.deep = layers(width, (settings.hidden_size,) * settings.layers, settings.dropout)
        self.last = last_layer(settings.hidden_size)

    def forward(self, codes: Any, dense: Any, history: Any) -> Any:
        """Rows → log-odds [rows]; the histories are not read."""
        embedded, linear = self.fields(codes, dense)
        vectors = torch.cat([embedded, dense[:, :, None] * self.spread], dim=1)
        pairs = 0.5 * (vectors.sum(dim=1).square() - vectors.square().sum(dim=1)).sum(dim=1)
        deep = self.last(self.deep(torch.cat([embedded.flatten(1), dense], dim=1)))[:, 0]
        return linear + pairs + deep
