"""Synthetic users weighed by how much more often real ones are like them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.mixing._density import density_ratio
from wareloom.mixing._draw import OWNER, Pool, UserMixer, guarded, require
from wareloom.mixing._traits import category_groups, traits
from wareloom.rankers import into
from wareloom.run import Run
from wareloom.shop import Log, Shop, Vocabulary


@dataclass(kw_only=True, eq=False)
class Weighted(UserMixer):
    """Add whole synthetic users, each weighed by the density of real users over that of synthetic ones at its traits.

    The ratio of densities comes from a logistic regression on traits of a user, such as length, popularity of its
    items, repeats, pace, categories and known steps, fitted without the user (importance weighting; Shimodaira 2000,
    Sugiyama, Suzuki and Kanamori 2012). The mean weight of the rows that are added is `weight`, before `head`. Users
    without an event on a known item count as average ones.
    """

    clip: float = 5.0
    """Ratios of densities are held between 1 / clip and clip; 1 weighs all alike."""
    folds: int = 5
    """Parts that users are dealt into; the weights of one part come from a classifier fitted on the others."""
    regularization: float = 10.0
    """Penalty on the classifier's squared weights."""
    confidence: bool = False
    """Whether the weight that a synthetic row brings along, its generator's confidence, counts as a factor."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.name, "clip", self.clip, 1 <= self.clip < np.inf, "a number, 1 or more")
        require(self.name, "folds", self.folds, self.folds >= 2, "2 or more")
        positive = 0 < self.regularization < np.inf
        require(self.name, "regularization", self.regularization, positive, "a number above 0")

    def _mix(self, pool: Pool, run: Run) -> Shop:
        drawn = pool.draw(self.ratio, pool.order(run))
        with run.limits(), run.task("weighted: weigh users"):
            weights = pl.DataFrame({OWNER: pool.users[OWNER], "factor": self._weights(pool, run)})
        factor = pl.col("factor") * (pl.col("weight") if self.confidence else 1.0)
        joined = pool.events.join(weights, on=OWNER, how="inner", maintain_order="left")
        taken = joined.filter(pl.col(OWNER).is_in(drawn[OWNER].implode())).with_columns(factor.alias("factor"))
        if len(taken) == 0:
            return pool.real
        mean = float(taken["factor"].mean())  # type: ignore[arg-type]
        if not mean > 0:
            raise InputError("weighted: confidence=True, but all synthetic rows that were drawn have a weight of 0.")
        scaled = (pl.col("factor") * (self.weight / mean)).cast(pl.Float32).alias("weight")
        taken = taken.with_columns(scaled).drop("factor")
        return pool.joined(guarded(taken, pool.head, self.head) if self.head != 1.0 else taken)

    def _weights(self, pool: Pool, run: Run) -> np.ndarray:
        """Clipped ratio of densities of each synthetic user, float64 in the order of `Pool.users`."""
        real = _active(pool.real_log)
        made = _active(into(Log.of(pool.synthetic), real.items))
        ratios = np.ones(len(pool.users))
        if len(real.users) < self.folds or len(made.users) < self.folds:
            raise InputError(
                f"weighted: {len(real.users)} real and {len(made.users)} synthetic users have events on known items; "
                f"{self.folds} folds need {self.folds} of each: give more users, or use the mixer ratio."
            )
        groups = category_groups(pool.real)
        rows = traits(real, real, groups), traits(made, real, groups)
        found = density_ratio(*rows, self.folds, self.regularization, run.rng("weighted"))
        place = Vocabulary(pool.users[OWNER]).encode(made.users.ids)
        ratios[place] = np.clip(found, 1 / self.clip, self.clip)
        return ratios


def _active(log: Log) -> Log:
    """The users with events."""
    return log.select(np.flatnonzero(log.lengths() > 0))
