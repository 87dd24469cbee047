"""The network over typed events: what it reads, and the heads that predict stop, gap, kind and item, one by one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from wareloom.neural import torch
from wareloom.neural.items import SMALL, ItemTable
from wareloom.neural.loss import NEVER, sampled_softmax_loss, softmax_loss
from wareloom.synthesis.behaviour._writing.grammar import ACTIONS, EARLIER, KINDS, NEW
from wareloom.synthesis.behaviour._writing.pace import COUNTS, DATED

F = torch.nn.functional
AGES = 16
"""Classes of how many events ago something was, by powers of two"""


class Prior(NamedTuple):
    """What the log says without a network, as logits to which the network's are added."""

    stop: np.ndarray
    """float32 [COUNTS]"""
    gap: np.ndarray
    """float32 [classes of gaps]"""
    action: np.ndarray
    """float32 [kinds + 1, actions], `NEVER` for what the log does not have"""


def priors(hazard: np.ndarray, gap_counts: np.ndarray, follow: np.ndarray) -> Prior:
    """Logs of the shares of a log: who stops after how many events, classes of gaps, what follows which kind."""
    share = np.clip(np.nan_to_num(hazard, nan=0.5), 1e-3, 1 - 1e-3)
    with np.errstate(divide="ignore"):
        action = np.where(
            follow > 0, np.log(follow / np.maximum(follow.sum(axis=1, keepdims=True), 1.0)), NEVER
        )
    gap = np.log((gap_counts + 0.5) / (gap_counts.sum() + 0.5 * max(1, len(gap_counts))))
    return Prior(*(each.astype(np.float32) for each in (np.log(share / (1 - share)), gap, action)))


class EventNet(torch.nn.Module):  # type: ignore[misc]
    """Reads tokens, and predicts from the state at each: stop or not, then the gap, then the action (see `_grammar`)
    given the gap, then the item given both. Each head is a residual beside `Prior`.
    """

    def __init__(
        self,
        items: int,
        size: int,
        encoder: Any,
        prior: Prior,
        popular: np.ndarray,
        features: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        table, classes = torch.nn.Embedding, len(prior.gap)
        self.item = ItemTable(items, size, features)
        self.kind, self.gap, self.count = (
            table(KINDS + 1, size),
            table(classes + 1, size),
            table(COUNTS, size),
        )
        self.calendar = torch.nn.Linear(DATED, size, bias=False)
        self.encoder = encoder
        self.stop, self.pace = torch.nn.Linear(size, 1), torch.nn.Linear(size, max(1, classes))
        self.wide, self.gap_wide = torch.nn.Linear(size, size), table(classes + 1, size)
        self.action = torch.nn.Linear(size, ACTIONS)
        self.ask, self.gap_ask, self.kind_ask = (
            torch.nn.Linear(size, size),
            table(classes + 1, size),
            table(KINDS, size),
        )
        self.answer = torch.nn.Linear(size, size)
        self.again, self.remind = torch.nn.Linear(size, size), torch.nn.Linear(size, size)
        self.age, self.pair = (
            torch.nn.Parameter(torch.zeros(AGES)),
            torch.nn.Parameter(torch.zeros(KINDS, KINDS)),
        )
        self.age_remind, self.pull = (
            torch.nn.Parameter(torch.zeros(AGES)),
            torch.nn.Parameter(torch.tensor(0.1)),
        )
        self.repeats = bool((prior.action[:, EARLIER * KINDS : NEW * KINDS] > NEVER / 2).any())
        self.bias = table(items + 1, 1)
        for name, value in prior._asdict().items():
            self.register_buffer(f"prior_{name}", torch.from_numpy(value))
        with torch.no_grad():
            self.bias.weight[1:, 0] = torch.from_numpy(np.log(popular + 0.5).astype(np.float32))
            for each in (self.stop, self.pace, self.action):
                each.weight.zero_()
                each.bias.zero_()
            for each in (
                self.kind,
                self.gap,
                self.count,
                self.gap_wide,
                self.gap_ask,
                self.kind_ask,
            ):
                each.weight.normal_(std=SMALL * size**-0.5)

    def read(self, item: Any, kind: Any, gap: Any, count: Any, calendar: Any) -> Any:
        """Vectors of tokens: each [...], the calendar [..., numbers] → [..., size]."""
        return self.item(item) + self.beside(kind, gap, count, calendar)

    def beside(self, kind: Any, gap: Any, count: Any, calendar: Any) -> Any:
        """Vectors of all of a token but its item."""
        return self.kind(kind) + self.gap(gap) + self.count(count) + self.calendar(calendar)

    def stops(self, state: Any, count: Any) -> Any:
        """Logit that a user stops: [n, size], [n] → [n]."""
        return self.stop(state)[:, 0] + self.prior_stop[count]

    def paces(self, state: Any) -> Any:
        """Logits of the classes of gaps: [n, size] → [n, classes]."""
        return self.pace(state)[:, : len(self.prior_gap)] + self.prior_gap

    def actions(self, state: Any, gap: Any, kind: Any, reminded: Any) -> Any:
        """Logits of the actions after a kind of event (from 1; 0 at the beginning) and a gap: → [n, actions].

        `reminded` [n]: log of the summed exponentials of how much the user's earlier items are called for. Whether the
        item that should come next is one of them is more than a state can know.
        """
        logits = (
            self.action(F.gelu(self.wide(state) + self.gap_wide(gap))) + self.prior_action[kind]
        )
        if self.repeats:
            earlier = torch.zeros(ACTIONS, device=logits.device)
            earlier[EARLIER * KINDS : NEW * KINDS] = 1.0
            logits = logits + (self.pull * reminded)[:, None] * earlier
        return logits

    def queries(self, state: Any, gap: Any, kind: Any) -> Any:
        """What the item's vector is compared with, given gap and kind of the event (from 0): → [n, size]."""
        return state + self.answer(
            F.gelu(self.ask(state) + self.gap_ask(gap) + self.kind_ask(kind))
        )

    def loss(self, batch: dict[str, Any], negatives: Any) -> Any:
        """Negative log likelihood of what comes next, a token; items among `negatives`, or all where it is None."""
        states = self.encoder(
            self.read(*(batch[name] for name in ("item", "kind", "gap", "count", "calendar")))
        )
        weight = batch["next_weight"]
        row = weight > 0
        state, w, ahead = (
            states[row],
            weight[row],
            {k: v[row] for k, v in batch.items() if k.startswith("next_")},
        )
        count, kind, action = batch["count"][row], batch["kind"][row], ahead["next_action"]
        stop = action < 0
        lost = F.binary_cross_entropy_with_logits(
            self.stops(state, count), stop.float(), reduction="none"
        )
        # Nobody stops before the first event.
        total = (lost * w * (kind > 0)).sum()
        total = total + _gap_loss(
            self.paces(state), ahead["next_low"], ahead["next_high"], w * ~stop
        )
        go = ~stop
        state, gap, action, w_go = state[go], ahead["next_gap"][go], action[go], w[go]
        live = _live(batch["item"]) if self.repeats else None
        reminded = (
            torch.zeros_like(w_go)
            if live is None
            else self._reminded(states, batch["item"], live)[row][go]
        )
        logits = self.actions(state, gap, kind[go], reminded)
        total = total + (F.cross_entropy(logits, action, reduction="none") * w_go).sum()
        query, target = self.queries(state, gap, action % KINDS), ahead["next_item"][go]
        new = action // KINDS == NEW
        total = total + self._item_loss(query[new], target[new], w_go[new], negatives)
        if live is not None:
            at = tuple(each[go] for each in torch.nonzero(row, as_tuple=True))
            total = total + self._repeat_loss(batch, live, at, query, action, w_go)
        return total / w.sum().clamp_min(1e-12)

    def _item_loss(self, query: Any, target: Any, weight: Any, negatives: Any) -> Any:
        """Summed loss of items that are new to their users."""
        bias = self.bias.weight[:, 0]
        if negatives is None:
            mean = softmax_loss(query, target - 1, weight, self.item.every(), bias[1:])
        else:
            mean = sampled_softmax_loss(
                query, target, weight, self.item, bias, negatives.draw(), negatives.log_q
            )
        return mean * weight.sum()

    def _reminded(self, states: Any, item: Any, live: Any) -> Any:
        """How much the earlier items are called for at each token, see `actions`: [pieces, places]; 0 where none is."""
        logits = (
            torch.einsum("nts,njs->ntj", self.remind(states), self.item(item))
            + self.age_remind[_ages(item)]
        )
        some = live.any(dim=2)
        return torch.where(some, torch.logsumexp(logits.masked_fill(~live, NEVER), dim=2), 0.0)

    def _repeat_loss(
        self, batch: dict[str, Any], live: Any, at: tuple[Any, ...], query: Any, action: Any, w: Any
    ) -> Any:
        """Summed loss of items that their users had: a softmax over the last events on each of them in the piece."""
        chosen = torch.nonzero(action // KINDS == EARLIER)[:, 0]
        piece, place, query = at[0][chosen], at[1][chosen], query[chosen]
        item, live = batch["item"][piece], live[piece, place]
        logits = torch.einsum("ns,nts->nt", self.again(query), self.item(item))
        kinds = (batch["kind"][piece] - 1).clamp_min(0)
        logits = (
            logits
            + self.age[_ages(batch["item"])[place]]
            + self.pair[(action[chosen] % KINDS)[:, None], kinds]
        )
        logits = logits.masked_fill(~live, NEVER)
        hit = live & (item == batch["next_item"][piece, place][:, None])
        lost = torch.logsumexp(logits, dim=1) - torch.logsumexp(
            logits.masked_fill(~hit, NEVER), dim=1
        )
        # An item that was had before the piece began is not among them.
        return (lost * w[chosen] * hit.any(dim=1)).sum()


def _live(item: Any) -> Any:
    """Whether, seen from a place, another is the last event so far on an item other than its own: bool [n, t, t]."""
    place = torch.arange(item.shape[1], device=item.device)
    same = (item[:, :, None] == item[:, None, :]) & (place[None, :] > place[:, None])
    later = torch.where(same, place, item.shape[1]).amin(dim=2)
    live = (place[None, :] <= place[:, None]) & (later[:, None, :] > place[:, None])
    return live & (item[:, None, :] != item[:, :, None]) & (item > 0)[:, None, :]


def _ages(item: Any) -> Any:
    """Class of how long before a place another one is: [places, places]."""
    place = torch.arange(item.shape[1], device=item.device)
    return torch.log2((place[:, None] - place + 1).clamp_min(1).float()).long().clamp_max(AGES - 1)


def _gap_loss(logits: Any, low: Any, high: Any, weight: Any) -> Any:
    """Summed loss of gaps of which it is known that their class is one of low … high, from 1; 0 where nothing is."""
    if logits.shape[1] == 0:
        return logits.sum()
    place = torch.arange(1, logits.shape[1] + 1, device=logits.device)
    may = (place >= low[:, None]) & (place <= high[:, None])
    there = may.any(dim=1) & (low > 0)
    own = torch.logsumexp(logits.masked_fill(~may, NEVER), dim=1)
    return ((torch.logsumexp(logits, dim=1) - own) * weight * there).sum()
