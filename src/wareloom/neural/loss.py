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
    own = ((state * rows(target)).sum(1) + bias[target]).float()
    others = _log_sum_others(state, target[:, None], rows, bias, negatives, log_q)
    return _mean(torch.logaddexp(own, others) - own, weight)


def soft_softmax_loss(
    state: Any, target: Any, weight: Any, soft: tuple[Any, Any], table: Any, bias: Any
) -> Any:
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
    state: Any,
    target: Any,
    weight: Any,
    soft: tuple[Any, Any],
    rows: Rows,
    bias: Any,
    negatives: Any,
    log_q: Any,
) -> Any:
    """`soft_softmax_loss` among shared negatives drawn from q, as in `sampled_softmax_loss`.

    The target and the labels of a row are always among its candidates and so are not corrected; negatives that are one
    of them are left out of the row. `negatives` [k]: a code drawn more than once counts as often.
    """
    labels, share = soft
    own = ((state * rows(target)).sum(1) + bias[target]).float()
    there = labels >= 0
    codes = torch.where(there, labels, target[:, None])
    beside = (torch.einsum("ns,nks->nk", state, rows(codes)) + bias[codes]).float()
    others = _log_sum_others(
        state, torch.cat([target[:, None], codes], dim=1), rows, bias, negatives, log_q
    )
    counted = beside.masked_fill(codes == target[:, None], NEVER)
    whole = torch.logsumexp(torch.cat([own[:, None], counted, others[:, None]], dim=1), dim=1)
    lost = weight * (whole - own) + (share * (whole[:, None] - beside)).sum(dim=1)
    return lost.sum() / (weight.sum() + share.sum()).clamp_min(1e-12)


def _log_sum_others(
    state: Any, known: Any, rows: Rows, bias: Any, negatives: Any, log_q: Any
) -> Any:
    """Return log Σ exp(corrected logit) of each row over the negatives that are none of its `known` items [n, m]: [n].

    A code that is drawn more than once counts as often.
    """
    drawn, count = torch.unique(negatives, return_counts=True)
    place = torch.full_like(log_q, -1, dtype=torch.int64)
    place[drawn] = torch.arange(len(drawn), device=drawn.device)
    hit = place[known]
    row, column = torch.nonzero(hit >= 0, as_tuple=True)
    shift = bias[drawn] - log_q[drawn] + count.log()
    return _LogSumExp.apply(state, rows(drawn), shift, row, hit[row, column])


class _LogSumExp(torch.autograd.Function):  # type: ignore[misc]
    """log Σⱼ exp(state · vectorⱼ + shiftⱼ) of each row without some entries, in two passes over one matrix.

    Autograd would keep and fill five matrices of [n, k], which cost more than the products themselves.
    """

    @staticmethod
    def forward(of: Any, state: Any, vectors: Any, shift: Any, row: Any, column: Any) -> Any:
        """[n, size], [k, size], [k], places that are left out → [n], in 32 bits."""
        z = torch.addmm(shift, state, vectors.T).float()
        z[row, column] = NEVER
        top = z.max(dim=1, keepdim=True).values
        total = z.sub_(top).exp_().sum(dim=1)
        of.save_for_backward(z, total, state, vectors)
        return top[:, 0] + total.log()

    @staticmethod
    def backward(of: Any, gradient: Any) -> Any:
        """The chances of the entries, times the gradient of their row, through the product."""
        z, total, state, vectors = of.saved_tensors
        chance = z * (gradient / total)[:, None]
        back = (
            chance @ vectors.to(chance.dtype),
            chance.T @ state.to(chance.dtype),
            chance.sum(dim=0),
        )
        return back[0].to(state.dtype), back[1].to(vectors.dtype), back[2], None, None


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
    return torch.log(met).float() - math.log(
        -math.expm1(draws * math.log1p(-min(1 / len(shares), 1 - 1e-12)))
    )


def gbce_loss(
    state: Any,
    target: Any,
    weight: Any,
    rows: Rows,
    bias: Any,
    negatives: Any,
    share: float,
    calibration: float,
) -> Any:
    """Generalised binary cross-entropy: the positive's probability is raised to a power below 1.

    `negatives` [k] codes drawn uniformly; `share` = k / (items - 1). `calibration` t in [0, 1]: 0 is the plain binary
    loss, 1 makes the scores as calibrated as those of the full softmax (Petrov and Macdonald 2023, gSASRec).
    """
    power = share * (calibration * (1 - 1 / share) + 1 / share)
    own, others = _logits(state, target, rows, bias, negatives)
    pushed = F.softplus(others).masked_fill(target[:, None] == negatives[None, :], 0.0).sum(dim=1)
    return _mean(power * F.softplus(-own) + pushed, weight)


def _logits(state: Any, target: Any, rows: Rows, bias: Any, negatives: Any) -> tuple[Any, Any]:
    """Logits of each row's own target [n] and of the shared negatives [n, k], in 32 bits."""
    own = (state * rows(target)).sum(1) + bias[target]
    return own.float(), torch.addmm(bias[negatives], state, rows(negatives).T).float()


def kl_loss(logits: Any, wanted: Any, weight: Any) -> Any:
    """Weighted mean Kullback-Leibler divergence of softmax(`logits`) from the distributions `wanted`, both [n, k]."""
    known = torch.where(wanted > 0, wanted * torch.log(wanted.clamp_min(math.ulp(0.0))), 0.0).sum(1)
    return _mean(known - (wanted * F.log_softmax(logits, dim=1)).sum(1), weight)


def _mean(losses: Any, weight: Any) -> Any:
    """Weighted mean; where nothing weighs anything, as where a batch has no targets, 0."""
    return (losses * weight).sum() / weight.sum().clamp_min(1e-12)
