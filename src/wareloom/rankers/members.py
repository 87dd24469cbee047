"""Rankers under one roof: fitted together, scored together, judged on each user's held-back last event."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.top import top_k
from wareloom.errors import InputError
from wareloom.rankers import BLOCK_BYTES, Ranker, mask_seen
from wareloom.rankers.candidates import Candidates
from wareloom.rankers.held import Held
from wareloom.shop import Log, Requests, Shop


def ndcg_of_held(ranker: Ranker, held: Held, k: int) -> np.ndarray:
    """NDCG@k of each held-back event by a fitted ranker; equal scores stand before it: float64 [held users]."""
    parts = []
    for start, block, scores in ranker.blocks(Requests.of(held.histories)):
        if not held.repeats:
            mask_seen(scores, block)
        own = scores[np.arange(len(scores)), held.answers[start : start + len(scores)]]
        rank = (scores >= own[:, None]).sum(axis=1)
        parts.append(np.where(rank <= k, 1 / np.log2(1.0 + rank), 0.0))
    return np.concatenate(parts)


def fit_members(
    members: dict[str, dict[str, Any]],
    log: Log,
    shop: Shop | None,
    run: Run,
    before: dict[str, Ranker] | None = None,
    *,
    real_alone: Collection[str] = (),
    held: Held | None = None,
    several: bool = True,
) -> tuple[dict[str, Ranker], dict[str, str]]:
    """Fit each ranker; returns them and, by name, why others could not learn from this shop.

    A second one of the same ranker is called "sasrec (text)": what stands in brackets only tells it apart. Members that
    cannot be taught soft labels are fitted without them. `before`: the same rankers, fitted to other events of this
    shop; what they learned of the items alone is kept. `real_alone`: names of those that learn from real rows and from
    no label. `held`: see `Ranker.fit`. Raises `InputError` where none can learn, unless these are not all (`several`).
    """
    plain = replace(log, label_item=None, label_weight=None)
    real = plain if log.real.all() else plain.keep(log.real)
    fitted, refused = dict[str, Ranker](), {}
    for name, settings in members.items():
        try:
            made: Ranker = RANKERS.make(name.partition(" (")[0], **settings)
            own = real if name in real_alone else log if made.soft else plain
            if before and name in before and (again := before[name].with_events(own)):
                fitted[name] = again
                continue
            fitted[name] = made.fit(own if shop is None else shop, run, log=own, held=held)
        except InputError as error:
            refused[name] = str(error)
    if not fitted and several:
        raise InputError(
            "None of the members can learn from this shop: " + "; ".join(refused.values())
        )
    return fitted, refused


def parted(held: Held, members: Collection[str], run: Run) -> tuple[Held, Held]:
    """Return the events that stop the members' training, and those that weigh them.

    Two halves, so that no network is weighed by what stopped it; all for both where no member learns by chance.
    """
    stops = any(RANKERS.load(name.partition(" (")[0]).random for name in members)
    return held.halves(run) if stops else (held, held)


def member_scores(members: dict[str, Ranker], requests: Requests) -> dict[str, np.ndarray]:
    """Scores by member, above 0 where there is something to say: new float32 [requests, items] each.

    What rankers without gradients give below 0 only orders what they know nothing of. The logits of the others become
    square roots of probabilities.
    """
    found = {}
    for name, ranker in members.items():
        scores = ranker._score(requests)
        if ranker.gradient:
            scores -= scores.max(axis=1, keepdims=True)
            np.exp(scores * 0.5, out=scores)
            scores /= np.sqrt((scores * scores).sum(axis=1, keepdims=True))
        else:
            np.maximum(scores, 0.0, out=scores)
        found[name] = scores
    return found


def prior(counts: np.ndarray) -> np.ndarray:
    """How popular each item is, from 0 to 1 on a logarithmic scale: float32 [items]."""
    found: np.ndarray = (np.log1p(counts) / max(np.log1p(counts.max(initial=0.0)), 1e-12)).astype(
        np.float32
    )
    return found


def blocks(histories: Log, width: int, members: int) -> Iterator[tuple[int, Requests]]:
    """Cut requests so that the scores of all members fit into a block."""
    rows, requests = max(1, BLOCK_BYTES // (4 * width * max(1, members))), Requests.of(histories)
    for start in range(0, len(requests), rows):
        yield start, requests.part(start, start + rows)


def gather(
    members: dict[str, Ranker], held: Held, popular: np.ndarray, most: int
) -> tuple[Candidates, np.ndarray]:
    """Score the held-back requests; candidates are what any member has among its `most` best.

    Returns their features, one a member and popularity last, and the scale of each member: the mean of its highest.
    """
    parts, chosen_items, right, highest = [], [], [], []
    sizes: list[int] = []
    for start, requests in blocks(held.histories, len(popular), len(members)):
        scores = member_scores(members, requests)
        answers = held.answers[start : start + len(requests)]
        highest.append(np.stack([s.max(axis=1) for s in scores.values()], axis=1))
        chosen = []
        for found in scores.values():
            open_ = found.copy()
            if not held.repeats:
                mask_seen(open_, requests)
            chosen.append(top_k(open_, most))
        for row, items in enumerate(np.concatenate(chosen, axis=1)):
            items = np.unique(items)
            if not held.repeats:
                seen = requests.histories.item[slice(*requests.histories.offsets[row : row + 2])]  # type: ignore[union-attr]
                items = items[~np.isin(items, seen)]
            parts.append(
                np.stack([*(s[row, items] for s in scores.values()), popular[items]], axis=1)
            )
            chosen_items.append(items.astype(np.int32))
            place = np.flatnonzero(items == answers[row])
            right.append(sum(sizes) + place[0] if len(place) else -1)
            sizes.append(len(items))
    scale = np.append(np.maximum(np.concatenate(highest).mean(axis=0), 1e-12), 1.0)
    features = (np.concatenate(parts) / scale).astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Candidates(
        features, offsets, np.array(right, dtype=np.int64), np.concatenate(chosen_items)
    ), scale
