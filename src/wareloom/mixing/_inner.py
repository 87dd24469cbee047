"""Synthetic data that has not seen the held-back events it is to be judged by."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.mixing._draw import OWNER, Pool
from wareloom.privacy.looks import refuse_unpaid
from wareloom.shop import Log, Shop
from wareloom.shop.log import without_last


def unknowing(
    pool: Pool,
    rest: Log,
    settings: dict[str, dict[str, Any]],
    run: Run,
    *,
    independent: bool = False,
) -> Pool | None:
    """Return a pool like `pool` that does not know the real events missing from `rest`.

    Rows whose origin is one of Wareloom's synthesizers are sampled anew, by one fitted without these events, with
    `settings` by name. Of others, users that take a step from item to item that only these events take are left out,
    unless they are `independent` of the real events; None where nobody is left. Raises `RefusedError` where that
    synthesizer is private: a trial is a look that nobody pays for, and would take from the budget.
    """
    inner, parts = without_last(pool.real, pool.real_log, rest), []
    for (origin,), users in sorted(pool.users.group_by("origin")):
        name = str(origin).partition("@")[0]
        if name in SYNTHESIZERS.names():
            one = SYNTHESIZERS.make(name, **settings.get(name, {}))
            if pool.real.keeps != "private":
                refuse_unpaid(one.kept(), "ratios", one.origin)
            made: Shop = one.fit(inner, run).sample(len(users), run)
            parts.append(made.table("events").with_columns(origin=pl.lit(origin)))
        else:
            mine = pool.synthetic.table("events").with_columns(pool.events[OWNER])
            mine = mine.filter(pl.col("origin") == origin)
            if not independent:
                mine = mine.filter(~pl.col(OWNER).is_in(knowing(pool, rest).implode()))
            parts.append(mine.drop(OWNER))
    events = pl.concat(parts, how="diagonal_relaxed")
    return Pool.of(pool.real, pool.real.with_tables(events=events)) if len(events) else None


def knowing(pool: Pool, rest: Log) -> pl.Series:
    """Owners of synthetic events that take a step from item to item that is in the real log and not in `rest`."""
    made = Log.of(pool.synthetic)
    code = rest.items.recode(made.items)[made.item].astype(np.int64)
    inner = np.flatnonzero(np.diff(made.user, prepend=-1) == 0)
    key = np.where(
        (code[inner] < 0) | (code[inner - 1] < 0),
        -1,
        code[inner - 1] * len(rest.items) + code[inner],
    )
    secret = np.isin(key, np.setdiff1d(_steps(pool.real_log), _steps(rest)))
    return made.users.ids.gather(np.unique(made.user[inner[secret]]))


def _steps(log: Log) -> np.ndarray:
    """Distinct steps from item to item of all users, as one number each."""
    inner = np.flatnonzero(np.diff(log.user, prepend=-1) == 0)
    return np.unique(log.item[inner - 1].astype(np.int64) * len(log.items) + log.item[inner])
