"""Siamese towers: what the user had and the candidate go through the same tower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.neural import torch
from wareloom.rankers.clicks._numbers import DECAY
from wareloom.rankers.clicks.base import ClickRanker
from wareloom.rankers.clicks.network import ClickNetwork, Fields, layers


@dataclass(kw_only=True, eq=False)
class Siamese(ClickNetwork, ClickRanker):
    """Put each item of the history and the candidate through one shared tower; what they have in common counts.

    The user's vector is the mean of the tower's outputs over the latest items of the history, later ones counting more,
    plus a perceptron's of the request's own fields. The click's log-odds are its inner product with the candidate's
    vector, scaled, plus a linear part. Bromley et al. (1993); Huang et al. (2013).
    """

    laws: ClassVar[frozenset[str]] = ClickRanker.laws | {"moved by history"}

    def _build(self) -> Any:
        return TowerNetwork(self.sizes_, self.item_codes_, self.numbers_, self)


class TowerNetwork(torch.nn.Module):  # type: ignore[misc]
    """Towers over fields of items and fields of requests."""

    def __init__(
        self, sizes: np.ndarray, item_codes: np.ndarray, numbers: int, settings: Siamese
    ) -> None:
        super().__init__()
        size, self.split = settings.embedding_size, item_codes.shape[1]
        self.fields = Fields(sizes, numbers, size)
        hidden = (settings.hidden_size,) * settings.layers
        self.item = layers(self.split * size, hidden, settings.dropout)
        self.request = layers((len(sizes) - self.split) * size, hidden, settings.dropout)
        self.by_code = torch.from_numpy(_fields_by_code(item_codes, int(sizes[0])))
        self.scale = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, codes: Any, dense: Any, history: Any) -> Any:
        """Rows and histories [rows, HISTORY] → log-odds [rows]."""
        embedded, linear = self.fields(codes, dense)
        candidate = self.item(embedded[:, : self.split].flatten(1))
        user = self.request(embedded[:, self.split :].flatten(1)) + self._had(history)
        return linear + self.scale * (candidate * user).mean(dim=1)

    def _had(self, history: Any) -> Any:
        """Mean of the tower's outputs over each history, later items counting more: [rows, hidden]."""
        # Each distinct item goes through the tower once, however many histories hold it; a matrix then mixes them.
        known, place = torch.unique(history, return_inverse=True)
        codes = self.by_code.to(history.device)[known]
        vectors = self.item(
            self.fields.embedding(codes + self.fields.offsets[: self.split]).flatten(1)
        )
        weight = (history > 0) * DECAY ** torch.arange(history.shape[1], device=history.device)
        total = weight.sum(dim=1, keepdim=True).clamp(min=1e-9)
        rows = torch.arange(len(history), device=history.device)[:, None].expand_as(history)
        shape = (len(history), len(known))
        mixed = torch.zeros(shape, device=history.device).index_put(
            (rows, place), weight / total, accumulate=True
        )
        return mixed @ vectors


def _fields_by_code(item_codes: np.ndarray, size: int) -> np.ndarray:
    """The item fields of each code of the field item_id: int64 [codes, item fields], 0 for the unknown item."""
    table = np.zeros((size, item_codes.shape[1]), dtype=np.int64)
    table[item_codes[:, 0]] = item_codes
    table[0] = 0
    return table
