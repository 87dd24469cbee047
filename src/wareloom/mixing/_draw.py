"""What mixers share: the synthetic users there are, drawing whole ones of them, and adding these to the real shop."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative
from wareloom.errors import InputError
from wareloom.mixing import Mixer
from wareloom.shop import Log, Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.keeps import worst_said
from wareloom.shop.schema import REAL

HEAD = 1 / 3
"""Share of the real events that falls on the items of the head."""
OWNER = "owner"


Amount = NonNegative
"""A finite number from 0"""


@dataclass(frozen=True)
class Pool:
    """Real and synthetic events side by side, and the synthetic users that can be drawn."""

    real: Shop
    synthetic: Shop
    events: pl.DataFrame
    """Synthetic events with their `OWNER`: the user id, or the session id where there is none"""
    users: pl.DataFrame
    """`OWNER`, events (`len`) and `origin` of each synthetic user, in the order of their first rows"""

    @classmethod
    def of(cls, real: Shop, synthetic: Shop, *, continues: bool = True) -> Pool:
        """Read both; raises `InputError` where there are no synthetic events, where some say that they are real, and
        where a synthetic user has the id of another user, whose history it would join.

        `continues`: whether synthetic users may go on with the histories of real users of their ids.
        """
        if not synthetic.has("events"):
            raise InputError(
                "There are no synthetic events to mix in: the synthetic shop has no table 'events'."
            )
        events = synthetic.table("events")
        if len(events) == 0:
            raise InputError(
                "There are no synthetic events to mix in: the synthetic shop's table 'events' is empty."
            )
        if len(wrong := events.filter(pl.col("origin") == REAL)):
            raise InputError(
                f"{len(wrong):,} rows of the synthetic shop say that they are real; mix only what a synthesizer made."
            )
        events = events.with_columns(user_key(events).alias(OWNER))
        _check_apart(real, events[OWNER].unique(maintain_order=True), continues=continues)
        users = events.group_by(OWNER, maintain_order=True).agg(pl.len(), pl.col("origin").first())
        return cls(real, synthetic, events, users)

    def wanted(self, ratio: float) -> int:
        """Synthetic events that are `ratio` for each real one."""
        return round(ratio * self.real.rows("events"))

    @cached_property
    def real_log(self) -> Log:
        """The real events on items."""
        return Log.of(self.real)

    @cached_property
    def head(self) -> pl.Series:
        """Ids of the most popular real items, which have a third of all real events between them."""
        return self.real_log.items.ids.filter(pl.Series(in_head(self.real_log.counts())))

    def order(self, run: Run) -> np.ndarray:
        """Return the order in which users are drawn: int64 [users], places in `users`."""
        return run.rng("mix").permutation(len(self.users))

    def draw(self, ratio: float, order: np.ndarray) -> pl.DataFrame:
        """Return the first users of `order` (places in `users`), as many as `ratio` allows; each whole.

        Raises `InputError` where not one fits.
        """
        wanted = self.wanted(ratio)
        drawn = self.users[order].filter(pl.col("len").cum_sum() <= wanted)
        if wanted and len(order) and len(drawn) == 0:
            raise InputError(
                f"ratio={ratio:g} of {self.real.rows('events'):,} real events is {wanted:,}, less than the first "
                "synthetic user drawn has: give a larger ratio, or shorter synthetic users."
            )
        return drawn

    def add(self, drawn: pl.DataFrame, weight: float | pl.Series, head: float = 1.0) -> Shop:
        """Return the real shop with the events of the `drawn` users, and these users, added.

        `weight`: that of each synthetic row, or float [drawn] by user. `head`: factor on the weight of rows on items of
        the head. Columns `since` and `until` of `drawn` say when in a training its rows take part.
        """
        if len(drawn) == 0:
            return self.real
        spans = [name for name in ("since", "until") if name in drawn.columns]
        by_user = drawn.select(OWNER, *spans).with_columns(
            pl.lit(weight, pl.Float32).alias("weight")
        )
        rows = self.events.drop("weight", *(name for name in spans if name in self.events.columns))
        taken = rows.join(by_user, on=OWNER, how="inner", maintain_order="left", nulls_equal=True)
        return self.joined(guarded(taken, self.head, head) if head != 1.0 else taken)

    def joined(self, taken: pl.DataFrame) -> Shop:
        """Return the real shop with some synthetic rows, and their users, added."""
        users, taken = taken[OWNER].unique(), taken.drop(OWNER)
        tables = {
            "events": pl.concat([self.real.scan("events"), taken.lazy()], how="diagonal_relaxed")
        }
        known = self.synthetic.scan("users") if self.synthetic.has("users") else None
        if known is None and "user_id" in taken.columns:
            known = taken.lazy().select("user_id", "origin").drop_nulls("user_id")
        if self.real.has("users") and known is not None:
            own = known.filter(pl.col("user_id").is_in(users.implode()))
            tables["users"] = pl.concat(
                [self.real.scan("users"), own], how="diagonal_relaxed"
            ).unique("user_id", keep="first", maintain_order=True)
        return self.real.with_tables(**tables)


def _check_apart(real: Shop, owners: pl.Series, *, continues: bool) -> None:
    """Raise `InputError` where users of the real shop have ids of synthetic ones, so that histories would be merged."""
    if not real.has("events"):
        return
    events = real.scan("events")
    same = events.select(pl.col("origin") == REAL, owner=user_key(events)).filter(
        pl.col("owner").is_in(owners.implode())
    )
    if continues:
        same = same.filter(~pl.col("origin"))
    found = same.unique().sort("owner").collect(engine="streaming")
    if found.is_empty():
        return
    made = found.filter(~pl.col("origin"))["owner"].unique(maintain_order=True)
    if len(made):
        raise InputError(
            f"{len(made):,} synthetic users are in the shop already ({_some(made)}): mixed in again, their histories "
            "would be joined. Mix into the shop without them, sample with another seed, or give them ids of their own."
        )
    taken = found["owner"]
    raise InputError(
        f"{len(taken):,} synthetic users have ids of real users ({_some(taken)}), whose histories they would join: "
        "give them ids of their own, or set continues=true where they go on with these histories."
    )


def _some(ids: pl.Series) -> str:
    return ", ".join(ids.head(3)) + (", …" if len(ids) > 3 else "")


def guarded(rows: pl.DataFrame, items: pl.Series, factor: float) -> pl.DataFrame:
    """Return `rows` with the weight of those on some items (ids) multiplied by `factor`."""
    if "item_id" not in rows.columns:
        return rows
    weighed = pl.when(pl.col("item_id").is_in(items.implode())).then(pl.col("weight") * factor)
    return rows.with_columns(weighed.otherwise("weight").cast(pl.Float32).alias("weight"))


def in_head(counts: np.ndarray) -> np.ndarray:
    """Mark the most popular items that have a third of all events between them: bool [items]."""
    order = np.argsort(-counts, kind="stable")
    before = (np.cumsum(counts[order]) - counts[order]) / max(1.0, counts.sum())
    marked = np.zeros(len(counts), dtype=bool)
    marked[order] = (before < HEAD) & (counts[order] > 0)
    return marked


@dataclass(kw_only=True, eq=False)
class UserMixer(Mixer):
    """Base of mixers that add whole synthetic users to the real shop."""

    laws: ClassVar[frozenset[str]] = frozenset(
        {"another seed", "amounts", "ratio and weight", "the head", "rows stay", "other columns"}
    )

    ratio: Amount = 1.0
    """Synthetic events for each real one; fewer are added where fewer are given."""
    weight: Amount = 1.0
    """Weight of each synthetic row; a real one weighs 1."""
    head: Amount = 1.0
    """Factor on the weight of synthetic rows whose item is in the head: the most popular items, with a third of the
    real events between them. Below 1 leaves what is popular to the real rows."""

    continues: bool = False
    """Whether synthetic users with ids of real ones go on with their histories, as samples of `--continue` do."""

    def mix(self, real: Shop, synthetic: Shop, run: Run | None = None) -> Shop:
        """Return the real shop with synthetic events, and their users, added."""
        pool = Pool.of(real, synthetic, continues=self.continues)
        if pool.wanted(self.ratio) == 0:
            return real
        return self._mix(pool, run or Run()).keeping(worst_said([real.keeps, synthetic.keeps]))

    @abstractmethod
    def _mix(self, pool: Pool, run: Run) -> Shop:
        """Return the mix; there is something to add here."""
