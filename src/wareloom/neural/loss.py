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
    return contrast_loss(own, others, target[:, None] == negatives[None, :], weight)


def contrast_loss(own: Any, others: Any, never: Any, weight: Any) -> Any:
    """Cross-entropy of each row's own logit [n] among it and `others` [n, k], those of them apart that are `never` to
    be compared with it.
    """
    others = others.masked_fill(never, NEVER)
    return _mean(torch.logaddexp(own, torch.logsumexp(others, dim=1)) - own, weight)


def log_drawn(shares: Any, draws: int) -> Any:
    """How much likelier each item is to be among `draws` distinct-counted draws than one of average share, as a log.

    `shares` [items] add up to 1. An item of share p is drawn at least once with probability 1 - (1 - p)^draws. Logits
    of items met by such draws, less this, make the sum over those met estimate, without bias but for one constant, the
    sum over all items: common items are not pushed down for being met often (Yi et al. 2019, the logQ correction; here
    for items that are taken once however often they were drawn).
    """
    met = -torch.expm1(draws * torch.log1p(-shares.double().clamp(1e-300, 1 - 1e-12)))
    return torch.log(met).float() - math.log(-math.expm1(draws * math.log1p(-min(1 / len(shares), 1 - 1e-12))))


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
