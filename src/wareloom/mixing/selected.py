"""Synthetic users that pull a model towards held-back real events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.core.settings import Factor, Size
from wareloom.errors import InputError
from wareloom.mixing._draw import OWNER, Pool, UserMixer
from wareloom.mixing._influence import Bilinear, item_vectors
from wareloom.rankers.history import into
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.pairs import follow_counts

DRAWN = 2_000
"""Items over which a chance is normed; where the catalogue has no more, all are taken."""
FEWEST = 20
"""Held-back events below which nothing is judged by them."""


@dataclass(kw_only=True, eq=False)
class Selected(UserMixer):
    """Keep the synthetic users that pull a small model towards held-back real events, and draw from these.

    The last events of a share of the real users are held back. A bilinear model of what follows what, on item vectors
    from the other events, takes a few steps of gradient ascent; a step of a synthetic user from item to item is worth
    the inner product of its gradient with that of the held-back steps, added up over the training (TracIn; Pruthi et
    al. 2020). A user is worth the mean of its steps; one without any is worth 0. `worth_` has what each was worth.

    A generator that was fitted on all real events has seen those held back here, so the selection also favours what it
    remembers of them; that the worth of a step hangs on few numbers an item limits this, and does not exclude it.
    """

    plain: ClassVar[Mapping[str, Any]] = {"keep": 1.0}

    keep: Factor = 0.5
    """Share of the synthetic users that is kept, the best ones; `ratio` is drawn from these."""
    held: Factor = 0.2
    """Share of the real users whose last events are held back."""
    embedding_size: Size = 32
    """Numbers in an item's vector."""
    steps: Size = 5
    """Steps of gradient ascent at which gradients are compared."""

    @property
    def supply(self) -> float:
        """Synthetic data it chooses from, in multiples of what it mixes in at one time."""
        return 1.0 / self.keep

    def _mix(self, pool: Pool, run: Run) -> Shop:
        with run.limits(), run.task("selected: judge users"):
            self.worth_ = self._worth(pool, run)
        best = np.argsort(-self.worth_, kind="stable")[
            : max(1, round(self.keep * len(self.worth_)))
        ]
        kept = np.zeros(len(self.worth_), dtype=bool)
        kept[best] = True
        order = pool.order(run)
        return pool.add(pool.draw(self.ratio, order[kept[order]]), self.weight, self.head)

    def _worth(self, pool: Pool, run: Run) -> np.ndarray:
        """What each synthetic user is worth: float64 in the order of `Pool.users`."""
        log, rng = pool.real_log, run.rng("selected")
        train, held = held_back(log, self.held, rng)
        counts, popular = follow_counts(train), train.counts()
        if popular.sum() == 0 or counts.nnz == 0 or counts.shape[0] < 3:
            raise InputError(
                "selected: real users have no steps from item to item left to learn from."
            )
        vectors = item_vectors(counts, self.embedding_size, rng)
        drawn = (
            rng.choice(len(popular), DRAWN, p=popular / popular.sum())
            if len(popular) > DRAWN
            else None
        )
        a, b = Bilinear(vectors, popular, drawn).influence(counts, follow_counts(held), self.steps)
        made = into(Log.of(pool.synthetic), log.items)
        worth = np.zeros(len(pool.users))
        worth[Vocabulary(pool.users[OWNER]).encode(made.users.ids)] = mean_worth(
            made, vectors, a, b
        )
        return worth


def held_back(log: Log, share: float, rng: np.random.Generator) -> tuple[Log, Log]:
    """Take the last events of a share of the users off; return the log without them, and each with the one before it.

    Raises `InputError` where they are too few to judge by.
    """
    long = np.flatnonzero(log.lengths() >= 2)
    picked = np.sort(rng.permutation(long)[: round(share * len(long))])
    if len(picked) < FEWEST:
        raise InputError(
            f"selected: held={share:g} holds back the last events of {len(picked)} of {len(long)} real users with two "
            f"or more, and {FEWEST} are needed: give a larger share, or use the mixer ratio."
        )
    last = log.offsets[picked + 1] - 1
    kept, asked = np.ones(len(log), dtype=bool), np.zeros(len(log), dtype=bool)
    kept[last] = False
    asked[last] = asked[last - 1] = True
    return log.keep(kept), log.keep(asked)


def mean_worth(
    log: Log, vectors: np.ndarray, a: np.ndarray, b: np.ndarray, block: int = 200_000
) -> np.ndarray:
    """Mean of aᵢ · vⱼ - bᵢ over each user's steps from i to j, 0 where there are none: float64 [users]."""
    user = log.user
    inner = np.flatnonzero(np.diff(user, prepend=-1) == 0)
    inner = inner[log.item[inner - 1] != log.item[inner]]
    value = np.empty(len(inner))
    for start in range(0, len(inner), block):
        here = inner[start : start + block]
        i, j = log.item[here - 1], log.item[here]
        value[start : start + block] = (a[i] * vectors[j]).sum(axis=1) - b[i]
    total = np.bincount(user[inner], weights=value, minlength=len(log.users))
    found: np.ndarray = total / np.maximum(np.bincount(user[inner], minlength=len(log.users)), 1)
    return found
