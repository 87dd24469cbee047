"""What one user may add: its rows in all tables together are found, and at most so many of them kept.

The unit of privacy is a user with all rows in all tables. Rows without a user id belong to the user of their session.
Tables whose rows are nobody's (judgments, dialogues) cannot be bounded and are left out.
"""

from __future__ import annotations

import polars as pl

from wareloom.privacy.noise import Noise
from wareloom.shop import Shop

OWNED = ("events", "searches", "soft_labels", "users")
"""Tables whose rows belong to a user"""
OWNER = "user_id"


def owned(shop: Shop) -> Shop:
    """Return `shop` with the tables whose rows are a user's, each row with its user.

    A row without a user id goes by its session: to the session's user, to the session itself where it has none.
    Where it has several, the first by id owns the row: then whose a row is does not change when another user leaves.
    """
    sessions = _users_of_sessions(shop)
    tables: dict[str, pl.LazyFrame | pl.DataFrame | None] = {
        name: None for name in shop.names if name not in (*OWNED, "items")
    }
    for name in OWNED:
        if shop.has(name):
            tables[name] = _with_owner(shop.scan(name), sessions)
    return shop.with_tables(**tables)


def rows_of_users(shop: Shop) -> pl.DataFrame:
    """Rows of each user over all tables of an `owned` shop: a frame (user_id, rows)."""
    parts = [shop.scan(name).select(OWNER) for name in OWNED if shop.has(name)]
    if not parts:
        return pl.DataFrame(schema={OWNER: pl.String, "rows": pl.UInt32})
    return pl.concat(parts).group_by(OWNER).agg(rows=pl.len()).sort(OWNER).collect()


def bounded(shop: Shop, most: int, noise: Noise) -> Shop:
    """Return an `owned` shop with at most `most` rows of a user over all tables together.

    Kept is a run of rows by time, from a place that chance says, so that steps from one to the next stay. A user's
    attributes are one row, and stay as long as there is room.
    """
    names = [name for name in OWNED if shop.has(name)]
    held = {name: shop.table(name).with_row_index("row") for name in names}
    every = pl.concat(
        [
            frame.select(
                OWNER,
                pl.col("row").cast(pl.Int64),
                table=pl.lit(place, dtype=pl.Int8),
                first=pl.lit(name == "users"),
                time=pl.col("time")
                if "time" in frame.columns
                else pl.lit(None, dtype=pl.Datetime("us")),
            )
            for place, (name, frame) in enumerate(held.items())
        ]
    ).sort([OWNER, "first", "time", "table", "row"], descending=[False, True, False, False, False])
    users = every[OWNER].unique(maintain_order=True)
    draws = pl.DataFrame({OWNER: users, "draw": noise.words(len(users))})
    every = every.join(draws, on=OWNER, how="left", maintain_order="left").with_columns(
        place=pl.int_range(pl.len()).over(OWNER),
        rows=pl.len().over(OWNER).cast(pl.Int64),
        attributes=pl.col("first").sum().over(OWNER).cast(pl.Int64),
    )
    # Attributes come first and stay; of the rest a run is kept that begins anywhere.
    room = (most - pl.col("attributes")).clip(lower_bound=0)
    spare = (pl.col("rows") - pl.col("attributes") - room).clip(lower_bound=0)
    start = (pl.col("draw") % (spare + 1).cast(pl.UInt64)).cast(pl.Int64)
    place = pl.col("place") - pl.col("attributes")
    kept = every.filter(
        pl.when(pl.col("first"))
        .then(pl.col("place") < most)
        .otherwise((place >= start) & (place < start + room))
    )
    tables = {}
    for number, (name, frame) in enumerate(held.items()):
        rows = kept.filter(pl.col("table") == number)["row"].sort()
        tables[name] = frame[rows.to_numpy()].drop("row")
    return shop.with_tables(**tables)


def _users_of_sessions(shop: Shop) -> pl.LazyFrame:
    """The user who owns each session: a frame (session_id, owner)."""
    parts = [
        shop.scan(name).select("session_id", OWNER)
        for name in OWNED
        if shop.has(name, "session_id") and shop.has(name, OWNER)
    ]
    if not parts:
        return pl.LazyFrame(schema={"session_id": pl.String, "owner": pl.String})
    return pl.concat(parts).drop_nulls().group_by("session_id").agg(owner=pl.col(OWNER).min())


def _with_owner(frame: pl.LazyFrame, sessions: pl.LazyFrame) -> pl.LazyFrame:
    names = frame.collect_schema().names()
    if "session_id" not in names:
        return frame.filter(pl.col(OWNER).is_not_null())
    if OWNER not in names:
        frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(OWNER))
    joined = frame.join(sessions, on="session_id", how="left", maintain_order="left")
    own = pl.coalesce(OWNER, "owner", pl.lit("session/") + pl.col("session_id"))
    joined = joined.with_columns(own.alias(OWNER)).filter(pl.col(OWNER).is_not_null())
    return joined.select(OWNER, *(name for name in names if name != OWNER))
