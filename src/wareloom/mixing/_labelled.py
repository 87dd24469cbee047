"""What mixers of soft labels share: their shares, and the table that holds them."""

from __future__ import annotations

import numpy as np
import polars as pl

from wareloom.shop import Log, Shop


def shares(item: np.ndarray, score: np.ndarray, power: float) -> np.ndarray:
    """Return shares of 1 by event, ∝ score^`power`: float32 [events, labels], 0 where `item` is -1."""
    share = (
        np.where(item >= 0, score / np.maximum(score.max(axis=1, keepdims=True), 1e-30), 0.0)
        ** power
    )
    share[item < 0] = 0.0
    total = share.sum(axis=1, keepdims=True)
    found: np.ndarray = (share / np.where(total > 0, total, 1.0)).astype(np.float32)
    return found


def label_table(
    real: Shop, log: Log, item: np.ndarray, share: np.ndarray, origin: str
) -> pl.DataFrame:
    """Return the labels of the shop's events as rows of the table soft_labels, those of one event together.

    `item`: int32 [events of `log`, labels], codes, -1 for none; `share`: what each weighs.
    """
    event, column = np.nonzero((item >= 0) & (share > 0))
    user = log.user[event]
    owner = log.users.ids.gather(user)
    known = real.table("events")["user_id"].unique() if real.has("events", "user_id") else None
    mine = pl.lit(False) if known is None else pl.col("owner").is_in(known.implode())
    return pl.DataFrame({"owner": owner}).select(
        pl.when(mine).then("owner").alias("user_id"),
        pl.when(~mine).then("owner").alias("session_id"),
        place=pl.Series(event - log.offsets[user], dtype=pl.Int32),
        item_id=log.items.ids.gather(item[event, column]),
        origin=pl.lit(origin),
        weight=pl.Series(share[event, column], dtype=pl.Float32),
    )
