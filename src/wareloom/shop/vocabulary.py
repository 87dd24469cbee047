"""Ids as dense integer codes, so that kernels see arrays and people see ids."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import polars as pl

FEW = 64
"""Ids, for each one that is looked up, beyond which going through all of them beats an index of all"""

Codes = np.ndarray[tuple[int], np.dtype[np.int32]]


class Vocabulary:
    """A fixed list of distinct ids; the code of an id is its place in the list."""

    def __init__(self, ids: pl.Series | Iterable[str], *, lasting: bool = False) -> None:
        """Take `ids` (strings, distinct, none null) in their order.

        One that is `lasting` is asked for a few ids again and again: at the first time it makes an index of 12 bytes an
        id.
        """
        self.ids = (
            (ids if isinstance(ids, pl.Series) else pl.Series(list(ids), dtype=pl.String))
            .cast(pl.String)
            .rename("id")
        )
        self.lasting = lasting

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Vocabulary) and self.ids.equals(other.ids))

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def _table(self) -> pl.DataFrame:
        return pl.DataFrame({"id": self.ids, "code": np.arange(len(self.ids), dtype=np.int32)})

    def encode(self, ids: pl.Series | Iterable[str]) -> Codes:
        """Return the int32 code of each id, -1 for an unknown or null one."""
        series = ids if isinstance(ids, pl.Series) else pl.Series(list(ids), dtype=pl.String)
        if self.lasting and len(series) * FEW < len(self):
            return self._sought(series.cast(pl.String))
        frame = series.cast(pl.String).rename("id").to_frame()
        table = self._table
        if len(frame) * FEW < len(table):
            table = table.filter(pl.col("id").is_in(frame["id"].unique().implode()))
        return (
            frame.join(table, on="id", how="left", maintain_order="left")["code"]
            .fill_null(-1)
            .to_numpy()
        )

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes of the ids in rising order, uint64, and whose they are, int32."""
        hashes = self.ids.hash().to_numpy()
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        return hashes[order], order

    def _sought(self, ids: pl.Series) -> Codes:
        """What `encode` returns, by the index: ids of one hash are compared one after the other."""
        hashes, order = self._index
        found = np.full(len(ids), -1, dtype=np.int32)
        place = np.searchsorted(hashes, ids.hash().to_numpy())
        while (open_ := np.flatnonzero((found < 0) & (place < len(hashes)))).size:
            code = order[place[open_]]
            same = (self.ids.gather(code) == ids.gather(open_)).fill_null(False).to_numpy()
            found[open_[same]] = code[same]
            place[open_] += 1
            ended = place[open_] >= len(hashes)
            other = np.zeros(len(open_), dtype=bool)
            other[~ended] = hashes[place[open_][~ended]] != hashes[place[open_][~ended] - 1]
            place[open_[ended | other]] = len(hashes)
        return found

    def decode(self, codes: np.ndarray) -> pl.Series:
        """Return the id of each code; -1 gives null."""
        where = pl.Series(codes.ravel(), dtype=pl.Int64)
        return self.ids.gather(where.set(where < 0, None))

    def recode(self, other: Vocabulary) -> Codes:
        """Return, for each id of `other`, its code here (-1 where it is unknown)."""
        return np.arange(len(self), dtype=np.int32) if self == other else self.encode(other.ids)
