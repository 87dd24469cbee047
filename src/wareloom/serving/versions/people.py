"""Which two items at least five people had, so that an explanation may say what others did.

A version keeps these pairs and no count. Pairs that fewer people had are left out while it is written: no file of it
ever holds them. People are users of real rows with an id. A visit without one is nobody's, as one person makes many.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.serving.files.arrays import Arrays
from wareloom.shop import Shop
from wareloom.shop.schema import INTERACTIONS, REAL

LEAST = 5
"""People, at least, of whom it may be said that others did so"""
MOST = 1000
"""Items of one user, at most: who has more is a machine or a reseller, and nobody's neighbour"""
BLOCK = 1024
"""Items whose pairs are counted at once"""
DID = {"bought": ("purchase",), "viewed": INTERACTIONS}
"""What others did, by the kinds of events that say so; the strongest first"""


def write_people(shop: Shop, ids: pl.Series, folder: Path) -> dict[str, int]:
    """Write the pairs of a shop's own log over a catalogue's ids; returns how many there are of each kind."""
    arrays, told = Arrays(folder), {"at_least": LEAST}
    for did, kinds in DID.items():
        pairs = pairs_of(shop, ids, kinds)
        arrays.put(did, pairs)
        told[did] = len(pairs)
    return told


def pairs_of(shop: Shop, ids: pl.Series, kinds: tuple[str, ...]) -> np.ndarray:
    """Pairs of items that `LEAST` people or more had by events of some kinds: int64, lower × items + higher, sorted.

    Real rows of users with an id alone. Catalogue codes are places in `ids`.
    """
    n = len(ids)
    codes = pl.LazyFrame({"item_id": ids, "code": np.arange(n, dtype=np.int64)})
    rows = (
        shop.scan("events")
        .filter(
            pl.col("event").cast(pl.String).is_in(kinds),
            pl.col("origin").cast(pl.String) == REAL,
            pl.col("user_id").is_not_null(),
        )
        .select(pl.col("user_id").cast(pl.String), pl.col("item_id").cast(pl.String))
        .join(codes.with_columns(pl.col("item_id").cast(pl.String)), on="item_id")
        .select("user_id", "code")
        .unique()
        .filter(pl.len().over("user_id").is_between(2, MOST))
        .select(pl.col("user_id").rank("dense").cast(pl.Int64) - 1, "code")
        .collect()
    )
    user, code = rows["user_id"].to_numpy(), rows["code"].to_numpy()
    shape = (int(user.max()) + 1 if len(user) else 0, n)
    had = sparse.csc_matrix((np.ones(len(user), np.int32), (user, code)), shape=shape)
    found = [np.zeros(0, np.int64)]
    for start in range(0, n, BLOCK):
        met = (had[:, start : start + BLOCK].T @ had).tocoo()
        low, high = met.row.astype(np.int64) + start, met.col.astype(np.int64)
        kept = (met.data >= LEAST) & (low < high)
        found.append(low[kept] * n + high[kept])
    return np.sort(np.concatenate(found))


class People:
    """The pairs of a version."""

    def __init__(self, folder: Path, items: int) -> None:
        arrays = Arrays(folder)
        self.items = items
        self.pairs = {did: arrays.get(did) for did in DID}

    def did(self, one: int, other: int) -> str:
        """What at least `LEAST` people did with both of two items (codes): "bought", "viewed", or "" for neither."""
        key = min(one, other) * self.items + max(one, other)
        for did, pairs in self.pairs.items():
            at = int(np.searchsorted(pairs, key))
            if at < len(pairs) and pairs[at] == key:
                return did
        return ""
