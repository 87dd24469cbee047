"""Losses over many items."""

from __future__ import annotations

from typing import Any

from wareloom.neural import torch

F = torch.nn.functional


def softmax_loss(state: Any, target: Any, weight: Any, table: Any, bias: Any) -> Any:
    """Weighted mean cross-entropy over all items.

    state [n, size], target [n] codes, weight [n], table [items, size], bias [items].
    """
    return _mean(F.cross_entropy(state @ table.T + bias, target, reduction="none"), weight)


def sampled_softmax_loss(
    state: Any, target: Any, weight: Any, table: Any, bias: Any, negatives: Any, log_q: Any
) -> Any:
    """Cross-entropy of the target among shared negatives, whose logits lose the logarithm of how often they are drawn.

    `negatives` [k] codes drawn from q; `log_q` [items] = log(k q). A negative that is the target of a row is left out
    of that row. The target is always there and so is not corrected: then the sum of the negatives estimates that over
    all other items without bias (Bengio and Senécal 2008; Yi et al. 2019).
    """
    own = (state * table[target]).sum(1) + bias[target]
    others = state @ table[negatives].T + (bias[negatives] - log_q[negatives])
    others = others.masked_fill(target[:, None] == negatives[None, :], float("-inf"))
    return _mean(torch.logsumexp(torch.cat([own[:, None], others], dim=1), dim=1) - own, weight)


def _mean(losses: Any, weight: Any) -> Any:
    return (losses * weight).sum() / weight.sum()
