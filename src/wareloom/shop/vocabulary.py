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

    def __init__(self, ids: pl.Series | Iterable[str]) -> None:
        """Take `ids` (strings, distinct, none null) in their order."""
        self.ids = (
            (ids if isinstance(ids, pl.Series) else pl.Series(list(ids), dtype=pl.String)).cast(pl.String).rename("id")
        )

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
        frame = series.cast(pl.String).rename("id").to_frame()
        table = self._table
        if len(frame) * FEW < len(table):
            table = table.filter(pl.col("id").is_in(frame["id"].unique().implode()))
        return frame.join(table, on="id", how="left", maintain_order="left")["code"].fill_null(-1).to_numpy()

    def decode(self, codes: np.ndarray) -> pl.Series:
        """Return the id of each code; -1 gives null."""
        where = pl.Series(codes.ravel(), dtype=pl.Int64)
        return self.ids.gather(where.set(where < 0, None))

    def recode(self, other: Vocabulary) -> Codes:
        """Return, for each id of `other`, its code here (-1 where it is unknown)."""
        return np.arange(len(self), dtype=np.int32) if self == other else self.encode(other.ids)
