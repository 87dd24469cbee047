"""One encoder for requests and items, tuned, and the temperature of their inner products."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wareloom.language.encoder import pooled
from wareloom.neural import torch
from wareloom.neural.loss import contrast_loss

MOST = 100.0
"""The inner products of unit vectors are multiplied by this at most (Radford et al. 2021)."""


class TextNetwork(torch.nn.Module):  # type: ignore[misc]
    """Reads texts to unit vectors. Its state is what is learned alone, so that a frozen encoder is copied nowhere."""

    def __init__(self, encoder: Any, temperature: float, *, learned: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.log_scale = torch.nn.Parameter(
            torch.tensor(-math.log(temperature)), requires_grad=learned
        )

    def forward(self, words: dict[str, Any]) -> Any:
        """Unit vectors of texts: words [texts, pieces] → [texts, size]."""
        states = self.encoder(**words).last_hidden_state
        return torch.nn.functional.normalize(pooled(states, words["attention_mask"]).float(), dim=1)

    def scale(self) -> Any:
        """What inner products are multiplied by: 1 / temperature."""
        return self.log_scale.exp().clamp(max=MOST)

    def logits(self, batch: dict[str, Any]) -> Any:
        """Scaled inner products of the requests and the items of a batch, as `PairData` lays it out."""
        return self(batch["requests"]) @ self(batch["items"]).T * self.scale()

    def loss(self, batch: dict[str, Any]) -> Any:
        """Cross-entropy of each request's item among the items of the batch."""
        return self._contrast(self.logits(batch), batch)

    def anchored(self, before: TextNetwork, weight: float) -> Callable[[dict[str, Any]], Any]:
        """Return the loss plus `weight` × how far each request's order of the batch is from what `before` makes of it.

        That is the divergence KL(before ‖ now) of the softmax over the items of the batch, both in units of `before`.
        """

        def loss(batch: dict[str, Any]) -> Any:
            logits = self.logits(batch)
            with torch.no_grad():
                held = before.logits(batch)
            now = torch.log_softmax(logits * (before.scale() / self.scale()), dim=1)
            apart = torch.nn.functional.kl_div(
                now, torch.log_softmax(held, dim=1), reduction="none", log_target=True
            ).sum(dim=1)
            share = batch["weight"] / batch["weight"].sum()
            return self._contrast(logits, batch) + weight * (share * apart).sum()

        return loss

    def order_loss(self, batch: dict[str, Any]) -> Any:
        """Divergence KL(said ‖ ours) of the softmax over each request's own items, of those said and of our logits."""
        said = batch["said"]
        items = self(batch["items"]).view(*said.shape, -1)
        logits = torch.einsum("qld,qd->ql", items, self(batch["requests"])) * self.scale()
        return torch.nn.functional.kl_div(
            torch.log_softmax(logits, dim=1),
            torch.log_softmax(said, dim=1),
            reduction="batchmean",
            log_target=True,
        )

    def _contrast(self, logits: Any, batch: dict[str, Any]) -> Any:
        own = logits.gather(1, batch["own"][:, None])[:, 0]
        others = logits[:, : len(batch["log_q"])] - batch["log_q"]
        others = torch.cat([others, logits.gather(1, batch["low"])], dim=1)
        return contrast_loss(own, others, batch["never"], batch["weight"])

    def state_dict(self, *args: Any, **named: Any) -> Any:
        """The learned weights by name."""
        whole = super().state_dict(*args, **named)
        learned = {name for name, value in self.named_parameters() if value.requires_grad}
        return {name: value for name, value in whole.items() if name in learned}

    def load_state_dict(self, state: Any, strict: bool = True, assign: bool = False) -> Any:
        """Put learned weights back; all of them have to be there."""
        if strict and set(state) != set(self.state_dict()):
            raise ValueError(
                f"not the learned weights: {sorted(set(state) ^ set(self.state_dict()))}"
            )
        return super().load_state_dict(state, strict=False, assign=assign)
