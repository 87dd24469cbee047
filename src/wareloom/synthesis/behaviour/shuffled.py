"""The log with its items dealt anew: noise, for testing what must not be fooled by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Log, Shop
from wareloom.shop.keeps import Keeps
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.draws import mark, numbered


@dataclass(kw_only=True, eq=False)
class Shuffled(Synthesizer):
    """Real users' events with the items permuted over all of them: every marginal is kept, all knowledge is gone."""

    keeps: ClassVar[Keeps] = "people"

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Keep the events on known items; raises `InputError` where there are none."""
        if len(Log.of(shop)) == 0:
            raise InputError(
                f"The synthesizer {self.name!r} has nothing to deal: the shop has no events on known items."
            )
        self.catalogue_ = shop.table("items")
        known = pl.col("item_id").is_in(self.catalogue_["item_id"].implode())
        self.events_ = shop.table("events").drop("search_id", strict=False).filter(known)
        return self

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        """Deal the items of the whole log anew and return `n` of its users, drawn with replacement."""
        self._checked(n, given)
        rng = (run or Run()).rng("shuffled")
        keys = [name for name in ("user_id", "session_id") if name in self.events_.columns]
        events = self.events_.with_columns(
            pl.col("item_id").gather(rng.permutation(len(self.events_))), user=pl.coalesce(keys)
        )
        users = events["user"].unique().sort()
        drawn = pl.DataFrame(
            {"user": users.gather(rng.integers(len(users), size=n)), "place": np.arange(n)}
        )
        renamed = numbered(self.origin, "place", mark(self, n, run, given))
        own = drawn.join(events, on="user", how="left", maintain_order="left_right").with_columns(
            renamed.alias(keys[0]),
            *[pl.format("{}/{}", renamed, name).alias(name) for name in keys[1:]],
            origin=pl.lit(self.origin),
        )
        tables = {"items": self.catalogue_, "events": own.drop("user", "place")}
        if keys[0] == "user_id":
            tables["users"] = own.select("user_id", "origin").unique(maintain_order=True)
        return self._stamped(Shop.trusted(tables))
