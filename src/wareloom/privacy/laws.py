"""The law that a question must keep, tried on a shop: what it says of a user hangs on no other user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from wareloom.privacy import bounds
from wareloom.privacy.noise import Seeded
from wareloom.privacy.rows import LOG, Rows
from wareloom.shop import Shop


def local(
    question: Callable[[Rows], Any],
    shop: Shop,
    items: pl.DataFrame | None = None,
    *,
    of: str = LOG,
    most: int = 50,
    tries: int = 5,
) -> bool:
    """Whether `question` says the same of some of a shop's users, half of them or fewer, when the others are not there.

    It finds steps that cross from one user to the next, ranks and shares over all users, cells that are numbered by
    what the log has. `items`: the public catalogue, where there is one. For tests, on made-up shops.
    """
    kept = bounds.bounded(bounds.owned(shop), most, Seeded(0))
    users = bounds.rows_of_users(kept)[bounds.OWNER]
    whole = _said(question, kept, items, of)
    for seed in range(tries):
        some = users.sample(max(1, len(users) >> (seed + 1)), seed=seed)
        rest = _of(kept, some)
        want = whole.filter(pl.col("user").is_in(some.implode())).sort("user", "cell")
        if not _said(question, rest, items, of).sort("user", "cell").equals(want):
            return False
    return True


def _of(shop: Shop, users: pl.Series) -> Shop:
    mine = pl.col(bounds.OWNER).is_in(users.implode())
    return shop.with_tables(
        **{name: shop.scan(name).filter(mine) for name in bounds.OWNED if shop.has(name)}
    )


def _said(
    question: Callable[[Rows], Any], shop: Shop, items: pl.DataFrame | None, of: str
) -> pl.DataFrame:
    with Rows.of(shop, items).shown() as rows:
        row, cell = question(rows)
        owner = rows.owner(of)[np.asarray(row, dtype=np.int64)]
        if of == LOG:
            names = rows.log.users.ids
        else:
            table = rows.table(of).select("user", bounds.OWNER).unique().sort("user")
            codes = pl.Series(np.searchsorted(table["user"].to_numpy(), owner))
            return pl.DataFrame(
                {"user": table[bounds.OWNER].gather(codes), "cell": pl.Series(cell)}
            )
    return pl.DataFrame({"user": names.gather(owner), "cell": pl.Series(cell)})
