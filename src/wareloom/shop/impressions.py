"""What a shop showed, one row an impression, with whether it was clicked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.shop.log import NO_TIME, Log
from wareloom.shop.schema import IMPRESSION, MAP
from wareloom.shop.shop import Shop

CLICK = "select_item"
_COLUMNS: dict[str, Any] = {
    "user_id": pl.String(),
    "session_id": pl.String(),
    "time": pl.Datetime("us"),
    "position": pl.Int32(),
    "propensity": pl.Float64(),
    "context": MAP,
    "since": pl.Float32(),
    "until": pl.Float32(),
}


def has_impressions(shop: Shop) -> bool:
    """Whether the shop has an event that shows an item."""
    if not shop.has("events", "item_id"):
        return False
    shown = (pl.col("event") == IMPRESSION) & pl.col("item_id").is_not_null()
    return bool(shop.scan("events").select(shown.any()).collect().item())


def impressions(shop: Shop, kinds: Sequence[str] = (CLICK,)) -> pl.DataFrame:
    """Return the impressions of items in the order of the events.

    Columns row (place among the events), owner (its user, else its session), item_id, user_id, session_id, time,
    position, propensity, context, since, until, weight, origin, clicked, click_row. What the shop does not know is
    null.

    A click (select_item) belongs to the last impression of its item in its session before it, or in its user's events
    where there are no sessions. Impressions come before clicks of the same time; without times the order of the file
    counts. Further clicks on the same impression add nothing. `kinds`: the events that count as clicks. Raises
    `InputError` where the shop shows nothing.
    """
    if not has_impressions(shop):
        raise InputError(
            f"The shop has no impressions: events of the kind {IMPRESSION} with an item. Exposure logs such as "
            "open_bandit have them; a model of clicks can be fitted on interactions, but not judged on them."
        )
    scan = shop.scan("events")
    names = scan.collect_schema().names()
    missing = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in _COLUMNS.items()
        if name not in names
    ]
    frame = (
        scan.with_row_index("row")
        .with_columns(missing)
        .filter(pl.col("event").is_in([IMPRESSION, *kinds]) & pl.col("item_id").is_not_null())
        .with_columns(
            owner=pl.coalesce("user_id", "session_id"),
            visit=pl.coalesce("session_id", "user_id"),
            click=pl.col("event") != IMPRESSION,
        )
        .sort("visit", "item_id", "time", "click", "row", nulls_last=False)
    )
    follows = pl.col("click").shift(-1).over("visit", "item_id").fill_null(False)
    following = pl.col("row").shift(-1).over("visit", "item_id")
    wanted = (
        "row",
        "owner",
        "user_id",
        "session_id",
        "item_id",
        *[name for name in _COLUMNS if name[-3:] != "_id"],
    )
    shown = frame.with_columns(clicked=follows, click_row=pl.when(follows).then(following)).filter(
        ~pl.col("click")
    )
    return shown.select(*wanted, "weight", "origin", "clicked", "click_row").sort("row").collect()


def before(log: Log, owner: pl.Series, time: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (starts, ends) of the events in `log` of each owner that are earlier than `time`: int64 [rows].

    An owner whom the log does not know has none, nor has anybody where the log or the row has no time.
    """
    code = log.users.encode(owner)
    known = (code >= 0) & (time != NO_TIME) & log.timed
    starts = np.where(known, log.offsets[np.maximum(code, 0)], 0)
    clock = np.unique(log.time)
    key = log.user.astype(np.int64) * (len(clock) + 1) + np.searchsorted(clock, log.time)
    asked = np.maximum(code, 0).astype(np.int64) * (len(clock) + 1) + np.searchsorted(clock, time)
    ends = np.where(known, np.searchsorted(key, asked), 0)
    return starts, ends
