"""So many synthetic rows for each real one, at one weight."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from wareloom.errors import InputError, SettingError
from wareloom.mixing import Mixer
from wareloom.run import Run
from wareloom.shop import Shop
from wareloom.shop.schema import REAL


@dataclass(kw_only=True, eq=False)
class Ratio(Mixer):
    """Add whole synthetic users, drawn at random, until there are `ratio` synthetic events for each real one."""

    ratio: float = 1.0
    """Synthetic events for each real one; fewer are added where fewer are given."""
    weight: float = 1.0
    """Weight of each synthetic row; a real one weighs 1."""

    def mix(self, real: Shop, synthetic: Shop, run: Run | None = None) -> Shop:
        """Return the real shop with synthetic events, and their users, added."""
        if self.ratio < 0 or self.weight < 0:
            raise SettingError(f"ratio: ratio={self.ratio} and weight={self.weight} must not be negative.")
        if not synthetic.has("events"):
            raise InputError("There are no synthetic events to mix in: the synthetic shop has no table 'events'.")
        events = synthetic.table("events")
        if len(wrong := events.filter(pl.col("origin") == REAL)):
            raise InputError(
                f"{len(wrong):,} rows of the synthetic shop say that they are real; mix only what a synthesizer made."
            )
        keys = [name for name in ("user_id", "session_id") if name in events.columns]
        events = events.with_columns(owner=pl.coalesce(keys))
        users = events.group_by("owner", maintain_order=True).len()
        order = (run or Run()).rng("mix").permutation(len(users))
        wanted = round(self.ratio * real.rows("events"))
        drawn = users[order].filter(pl.col("len").cum_sum() <= wanted)["owner"]
        if wanted and len(drawn) == 0:
            raise InputError(
                f"ratio={self.ratio:g} of {real.rows('events'):,} real events is {wanted:,}, less than the first "
                "synthetic user drawn has: give a larger ratio, or shorter synthetic users."
            )
        taken = (
            events.filter(pl.col("owner").is_in(drawn.implode()))
            .drop("owner")
            .with_columns(weight=pl.lit(self.weight, pl.Float32))
        )
        tables = {"events": pl.concat([real.scan("events"), taken.lazy()], how="diagonal_relaxed")}
        if real.has("users"):
            known = synthetic.scan("users") if synthetic.has("users") else taken.lazy().select("user_id", "origin")
            own = known.filter(pl.col("user_id").is_in(drawn.implode()))
            tables["users"] = pl.concat([real.scan("users"), own], how="diagonal_relaxed").unique(
                "user_id", keep="first", maintain_order=True
            )
        return real.with_tables(**tables)
