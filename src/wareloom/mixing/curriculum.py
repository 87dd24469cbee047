"""Synthetic data early in a training, real data late."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Factor, Share, ShareBelowOne
from wareloom.errors import InputError, require
from wareloom.mixing._draw import Pool, UserMixer
from wareloom.shop import Shop
from wareloom.shop.schema import REAL


@dataclass(kw_only=True, eq=False)
class Curriculum(UserMixer):
    """Add synthetic users that leave during a training, at once or one after the other, so that it ends on real data.

    A row takes part from the share `since` of a training until the share `until` of it; only rankers that are taught by
    gradient updates can be given such rows. Users leave in random order, evenly by events. A curriculum in the sense of
    Bengio et al. (2009), with easy examples first; synthetic first and real last is also pretraining and fine-tuning in
    one training, with one schedule of learning rates.
    """

    laws: ClassVar[frozenset[str]] = UserMixer.laws - {"rows stay"} | {"rows come and go"}

    until: Factor = 0.7
    """Share of the training after which synthetic rows are gone; 1 keeps them to the end."""
    fade: Share = 0.0
    """Share of the training, before `until`, over which synthetic users leave one after the other; 0: all at once."""
    real_from: ShareBelowOne = 0.0
    """Share of the training from which real rows take part; 0: from the beginning."""

    def _check(self) -> None:
        wanted = "a share from 0 to that of `until`"
        require(self.name, "fade", self.fade, self.fade <= self.until, wanted)
        start = self.until - self.fade
        wanted = f"a share from 0 to {start:g}, where users begin to leave"
        require(self.name, "real_from", self.real_from, self.real_from <= start, wanted)

    def _mix(self, pool: Pool, run: Run) -> Shop:
        drawn = pool.draw(self.ratio, pool.order(run))
        if self.until == 1 and self.fade == 0 and self.real_from == 0:
            return pool.add(drawn, self.weight, self.head)
        if taken := {"since", "until"} & set(pool.real.columns("events")):
            raise InputError(
                f"The real events have a schedule of their own ({', '.join(sorted(taken))}): drop it first."
            )
        share = np.cumsum(drawn["len"].to_numpy()) / drawn["len"].sum()
        leaves = np.minimum(self.until, self.until - self.fade + self.fade * share).astype(
            np.float32
        )
        drawn = drawn.with_columns(
            pl.lit(0.0, pl.Float32).alias("since"), pl.Series("until", leaves)
        )
        mixed = pool.add(drawn, self.weight, self.head)
        if self.real_from == 0:
            return mixed
        begins = (
            pl.when(pl.col("origin") == REAL)
            .then(self.real_from)
            .otherwise("since")
            .cast(pl.Float32)
        )
        return mixed.with_tables(events=mixed.scan("events").with_columns(begins.alias("since")))
