"""Losses over many items."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wareloom.neural import torch

F = torch.nn.functional
NEVER = -1e9
"""The logit of what cannot be; finite, so that a row of nothing else has a gradient."""
Rows = Callable[[Any], Any]
"""Vectors of some items: codes [...] → [..., size]"""


def softmax_loss(state: Any, target: Any, weight: Any, table: Any, bias: Any) -> Any:
    """Weighted mean cross-entropy over all items.

    state [n, size], target [n] codes, weight [n], table [items, size], bias [items].
    """
    return _mean(F.cross_entropy(state @ table.T + bias, target, reduction="none"), weight)


def sampled_softmax_loss(
    state: Any, target: Any, weight: Any, rows: Rows, bias: Any, negatives: Any, log_q: Any
) -> Any:
    """Cross-entropy of the target among shared negatives, whose logits lose the logarithm of how often they are drawn.

    `negatives` [k] codes drawn from q; `log_q` [items] = log(k q). A negative that is the target of a row is left out
    of that row. The target is always there and so is not corrected: then the sum of the negatives estimates that over
    all other items without bias (Bengio and Senécal 2008; Yi et al. 2019).
    """
    own, others = _logits(state, target, rows, bias, negatives, log_q[negatives])
    others = others.masked_fill(target[:, None] == negatives[None, :], NEVER)
    return _mean(torch.logaddexp(own, torch.logsumexp(others, dim=1)) - own, weight)


def soft_softmax_loss(state: Any, target: Any, weight: Any, soft: tuple[Any, Any], table: Any, bias: Any) -> Any:
    """Cross-entropy over all items of the target and of soft labels beside it.

    As `softmax_loss`, and `soft`: labels [n, k] codes, -1 for none, and what each weighs [n, k], 0 for none. The mean
    is weighted by all that targets and labels weigh, so that labels take their part of the loss and do not add to it.
    """
    labels, share = soft
    chance = F.log_softmax(state @ table.T + bias, dim=1)
    own = weight * chance.gather(1, target[:, None])[:, 0]
    others = (share * chance.gather(1, labels.clamp_min(0))).sum(dim=1)
    return -(own + others).sum() / (weight.sum() + share.sum()).clamp_min(1e-12)


def soft_sampled_softmax_loss(
    state: Any, target: Any, weight: Any, soft: tuple[Any, Any], rows: Rows, bias: Any, negatives: Any, log_q: Any
) -> Any:
    """`soft_softmax_loss` among shared negatives drawn from q, as in `sampled_softmax_loss`.

    The target and the labels of a row are always among its candidates and so are not corrected; negatives that are one
    of them are left out of the row. `negatives` [k]: a code drawn more than once counts as often.
    """
    labels, share = soft
    drawn, count = torch.unique(negatives, return_counts=True)
    own = ((state * rows(target)).sum(1) + bias[target]).float()
    beside = (torch.einsum("ns,nks->nk", state, rows(labels.clamp_min(0))) + bias[labels.clamp_min(0)]).float()
    others = torch.addmm(bias[drawn] - log_q[drawn] + count.log(), state, rows(drawn).T).float()
    slot = torch.full((len(log_q),), len(drawn), device=drawn.device).scatter(
        0, drawn, torch.arange(len(drawn), device=drawn.device)
    )
    mine = torch.cat([slot[target][:, None], slot[labels.clamp_min(0)].masked_fill(labels < 0, len(drawn))], dim=1)
    others = F.pad(others, (0, 1)).scatter(1, mine, NEVER)[:, :-1]
    counted = beside.masked_fill((labels < 0) | (labels == target[:, None]), NEVER)
    whole = torch.logsumexp(torch.cat([own[:, None], counted, others], dim=1), dim=1)
    lost = weight * (whole - own) + (share * (whole[:, None] - beside)).sum(dim=1)
    return lost.sum() / (weight.sum() + share.sum()).clamp_min(1e-12)


def gbce_loss(
    state: Any, target: Any, weight: Any, rows: Rows, bias: Any, negatives: Any, share: float, calibration: float
) -> Any:
    """Generalised binary cross-entropy: the positive's probability is raised to a power below 1.

    `negatives` [k] codes drawn uniformly; `share` = k / (items - 1). `calibration` t in [0, 1]: 0 is the plain binary
    loss, 1 makes the scores as calibrated as those of the full softmax (Petrov and Macdonald 2023, gSASRec).
    """
    power = share * (calibration * (1 - 1 / share) + 1 / share)
    own, others = _logits(state, target, rows, bias, negatives)
    pushed = F.softplus(others).masked_fill(target[:, None] == negatives[None, :], 0.0).sum(dim=1)
    return _mean(power * F.softplus(-own) + pushed, weight)


def _logits(state: Any, target: Any, rows: Rows, bias: Any, negatives: Any, less: Any = 0.0) -> tuple[Any, Any]:
    """Logits of each row's own target [n] and of the shared negatives [n, k] `less` a number each, in 32 bits."""
    own = (state * rows(target)).sum(1) + bias[target]
    return own.float(), torch.addmm(bias[negatives] - less, state, rows(negatives).T).float()


def kl_loss(logits: Any, wanted: Any, weight: Any) -> Any:
    """Weighted mean Kullback-Leibler divergence of softmax(`logits`) from the distributions `wanted`, both [n, k]."""
    known = torch.where(wanted > 0, wanted * torch.log(wanted.clamp_min(math.ulp(0.0))), 0.0).sum(1)
    return _mean(known - (wanted * F.log_softmax(logits, dim=1)).sum(1), weight)


def _mean(losses: Any, weight: Any) -> Any:
    """Weighted mean; where nothing weighs anything, as where a batch has no targets, 0."""
    return (losses * weight).sum() / weight.sum().clamp_min(1e-12)
