"""Is a synthetic user a copy of a real one?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit

from wareloom.errors import SettingError
from wareloom.run import Run
from wareloom.screening import Screen, Screened, reject
from wareloom.shop import Log, Shop


@dataclass(kw_only=True, eq=False)
class Copies(Screen):
    """Take whole synthetic users that repeat a run of a real training user's items, in order.

    A short user, of fewer than `length` events, is taken where the whole of it is the whole of a real one.
    """

    length: int = 5
    """Items in a row that make a copy."""
    shortest: int = 3
    """Users with fewer events are too common to be called copies."""

    def screen(self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None) -> Screened:
        """Reject user by user, every event of a copy."""
        if self.length < 2:
            raise SettingError(f"copies: length={self.length} would call every user a copy; 4 or more is sensible.")
        real, fake = Log.of(train), Log.of(synthetic)
        item = real.items.recode(fake.items)[fake.item] if len(fake) else fake.item
        runs = _codes(item, fake.offsets, self.length)
        copied = np.isin(runs, _codes(real.item, real.offsets, self.length)) & (runs != 0)
        taken = np.bincount(fake.user[copied], minlength=len(fake.users)) > 0
        short = (fake.lengths() < self.length) & (fake.lengths() >= self.shortest)
        taken |= short & np.isin(_whole(item, fake.offsets), _whole(real.item, real.offsets))
        names = fake.users.ids.filter(pl.Series(taken))
        keys = [pl.col(c) for c in ("user_id", "session_id") if c in synthetic.columns("events")]
        screened = reject(synthetic, {"copies a real user": pl.coalesce(keys).is_in(names.implode())})
        screened.report["users"] = int(taken.sum())
        screened.report["share of users"] = float(taken.mean()) if len(taken) else 0.0
        return screened


@njit(cache=True)
def _mix(code: np.uint64, item: int) -> np.uint64:
    """Fold one more item into the 64-bit code of a sequence."""
    z = (code + np.uint64(item + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return (z ^ (z >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)


@njit(cache=True)
def _codes(item: np.ndarray, offsets: np.ndarray, run: int) -> np.ndarray:
    """Code of the run of items that begins at each event, 0 where the user has no such run left."""
    codes = np.zeros(len(item), dtype=np.uint64)
    for u in range(len(offsets) - 1):
        for a in range(offsets[u], offsets[u + 1] - run + 1):
            code = np.uint64(run)
            for i in range(a, a + run):
                code = _mix(code, item[i])
            codes[a] = code | np.uint64(1)
    return codes


@njit(cache=True)
def _whole(item: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Code of the whole sequence of each user."""
    codes = np.zeros(len(offsets) - 1, dtype=np.uint64)
    for u in range(len(offsets) - 1):
        code = np.uint64(offsets[u + 1] - offsets[u])
        for i in range(offsets[u], offsets[u + 1]):
            code = _mix(code, item[i])
        codes[u] = code | np.uint64(1)
    return codes
