"""Another set of synthetic users in each part of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Size
from wareloom.errors import InputError
from wareloom.mixing._draw import Pool, UserMixer
from wareloom.shop import Shop


@dataclass(kw_only=True, eq=False)
class Fresh(UserMixer):
    """Deal the synthetic users into pools, each with `ratio` synthetic events for each real one and a slice of time.

    Pool k of K takes part between the shares k / K and (k + 1) / K of a training, so no synthetic user is seen beyond
    one slice while the amount at any time is that of one pool. With as many pools as epochs each epoch has fresh data.
    Only rankers that are taught by gradient updates can be given such rows, unless there is one pool. Raises
    `InputError` where the synthetic shop has too few events for all pools. Where it was measured (docs/experiments.md)
    it beat plain concatenation nowhere: users seen again taught more than as many new ones.
    """

    laws: ClassVar[frozenset[str]] = UserMixer.laws - {"rows stay"} | {"rows come and go"}
    plain: ClassVar[Mapping[str, Any]] = {"pools": 1}

    pools: Size = 5
    """Pools, and slices of the training."""

    @property
    def supply(self) -> float:
        """Synthetic data it chooses from, in multiples of what it mixes in at one time."""
        return float(self.pools)

    def _mix(self, pool: Pool, run: Run) -> Shop:
        if self.pools == 1:
            return pool.add(pool.draw(self.ratio, pool.order(run)), self.weight, self.head)
        if taken := {"since", "until"} & set(pool.real.columns("events")):
            raise InputError(
                f"The real events have a schedule of their own ({', '.join(sorted(taken))}): drop it first."
            )
        wanted, users = pool.wanted(self.ratio), pool.users[pool.order(run)]
        total = int(users["len"].sum())
        if total < self.pools * wanted:
            needed = -(-self.pools * wanted * len(users) // total)
            raise InputError(
                f"{self.pools} pools of ratio={self.ratio:g} take {self.pools * wanted:,} synthetic events, but there "
                f"are {total:,} of {len(users):,} users: sample about {needed:,} users, or ask for fewer pools."
            )
        edges = deal(users["len"].to_numpy(), wanted, self.pools)
        if (empty := np.flatnonzero(np.diff(edges) == 0)).size:
            first = users["len"][int(edges[empty[0]])]
            raise InputError(
                f"A pool of ratio={self.ratio:g} has {wanted:,} events, less than the {first:,} of one synthetic user: "
                "give a larger ratio, or shorter synthetic users."
            )
        slice_ = np.repeat(np.arange(self.pools), np.diff(edges))
        spans = {"since": slice_ / self.pools, "until": (slice_ + 1) / self.pools}
        drawn = users[: int(edges[-1])].with_columns(
            pl.Series(k, v.astype(np.float32)) for k, v in spans.items()
        )
        return pool.add(drawn, self.weight, self.head)


def deal(sizes: np.ndarray, most: int, pools: int) -> np.ndarray:
    """Cut users of `sizes`, in order, into pools of at most `most` events: int64 [pools + 1], where they begin."""
    ends = np.cumsum(sizes)
    edges = np.zeros(pools + 1, dtype=np.int64)
    for pool in range(pools):
        before = ends[edges[pool] - 1] if edges[pool] else 0
        edges[pool + 1] = np.searchsorted(ends, before + most, side="right")
    return edges
