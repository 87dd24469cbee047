"""Categories of items as numbers, at a level where they tell items apart."""

from __future__ import annotations

import numpy as np
import polars as pl

ONE = 0.9
"""Where a category has this share of the events, categories are told apart one level deeper."""


def path_codes(paths: pl.Series, depth: int | None = None) -> np.ndarray:
    """Code of each category path, or of its first `depth` names: int32 [items] in order of the names, -1 for none."""
    names = (paths if depth is None else paths.list.head(depth)).list.join("\x1f")
    names = names.set(paths.list.len() == 0, None)
    codes: np.ndarray = (
        (names.rank("dense").cast(pl.Int32) - 1).fill_null(-1).to_numpy().astype(np.int32)
    )
    return codes


def telling_codes(paths: pl.Series, counts: np.ndarray) -> np.ndarray | None:
    """Codes at the first level at which no category has nearly all events: int32 [items], -1 unknown; None if none.

    `paths`: lists of names from the top down; `counts` [items]: events of each item.
    """
    for depth in range(1, 1 + int(paths.list.len().fill_null(0).to_numpy().max(initial=0))):
        codes = path_codes(paths, depth)
        events = np.bincount(codes + 1, weights=counts, minlength=2)[1:]
        if events.max() < ONE * events.sum():
            return codes
    return None
