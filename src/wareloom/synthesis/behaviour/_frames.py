"""From sampled arrays to a shop's tables, with the columns that were fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from wareloom.shop import Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS
from wareloom.synthesis.draws import numbered

MARGINALS = ("quantity", "rating")
"""Columns of an event that are drawn on their own, from the values that the shop has."""
MOST_VALUES = 1_000


@dataclass(frozen=True)
class Walked:
    """Sampled events, one a row, user after user."""

    user: np.ndarray
    """int32, codes into `users`"""
    item: np.ndarray
    event: np.ndarray
    time: np.ndarray
    """int64, microseconds"""
    session: np.ndarray
    """int64, running over all users"""


def fit_columns(shop: Shop, items: Vocabulary, min_users: int = 1) -> dict[str, Any]:
    """Learn which columns events have, the values of `MARGINALS`, and each item's mean value a unit.

    What fewer than `min_users` users had is left out: a value, and what an item cost.
    """
    present = shop.columns("events")
    who = user_key(shop.scan("events"))
    learned: dict[str, Any] = {
        "columns_": [
            c for c in ("session_id", "time", "quantity", "value", "rating") if c in present
        ]
    }
    for name in MARGINALS:
        if name in present:
            counts = (
                shop.scan("events")
                .drop_nulls(name)
                .group_by(name)
                .agg(pl.len(), users=who.n_unique())
                .filter(pl.col("users") >= min_users)
                .sort("len", name, descending=True)
                .head(MOST_VALUES)
            )
            table = counts.collect()
            learned[f"{name}_values_"] = table[name].to_numpy()
            learned[f"{name}_share_"] = table["len"].to_numpy() / max(1, table["len"].sum())
    if "value" in present:
        quantity = (
            pl.col("quantity").fill_null(1.0)
            if "quantity" in present
            else pl.col("value").is_not_null()
        )
        per_item = (
            shop.scan("events")
            .drop_nulls("value")
            .filter(quantity > 0)
            .group_by("item_id")
            .agg(unit=pl.col("value").sum() / quantity.sum(), users=who.n_unique())
            .filter(pl.col("users") >= min_users)
            .sort("item_id")
            .collect()
        )
        unit = np.full(len(items), np.nan)
        code = items.encode(per_item["item_id"])
        unit[code[code >= 0]] = per_item["unit"].to_numpy()[code >= 0]
        learned["unit_value_"] = unit
    return learned


def build(
    learned: dict[str, Any],
    catalogue: pl.DataFrame,
    walked: Walked,
    users: pl.Series,
    origin: str,
    mark: str,
    rng: np.random.Generator,
) -> Shop:
    """Assemble the shop of what was walked; `learned` is the state that `fit_columns` made, `mark` that of the draw."""
    n = len(walked.item)
    columns: dict[str, Any] = {
        "user_id": users.gather(walked.user),
        "item_id": catalogue["item_id"].gather(walked.item),
        "event": pl.Series(EVENTS).gather(walked.event),
    }
    wanted = learned["columns_"]
    if "session_id" in wanted:
        session = numbered(origin, pl.Series(walked.session), mark)
        columns["session_id"] = pl.select(session.alias("id")).to_series()
    if "time" in wanted:
        columns["time"] = pl.Series(walked.time).replace(int(NO_TIME), None).cast(pl.Datetime("us"))
    for name in MARGINALS:
        if name in wanted and len(learned[f"{name}_values_"]):
            columns[name] = rng.choice(
                learned[f"{name}_values_"], size=n, p=learned[f"{name}_share_"]
            )
    if "value" in wanted:
        unit = learned["unit_value_"][walked.item]
        columns["value"] = pl.Series(unit * columns.get("quantity", 1.0)).fill_nan(None)
    events = pl.DataFrame(columns).with_columns(origin=pl.lit(origin))
    return Shop.trusted(
        {
            "items": catalogue,
            "users": pl.DataFrame({"user_id": users, "origin": [origin] * len(users)}),
            "events": events,
        }
    )
