"""Is a synthetic user a copy of a real one?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.screening import Screen, Screened, reject_users
from wareloom.shop import Log, Shop
from wareloom.shop.runs import run_codes, whole_codes


@dataclass(kw_only=True, eq=False)
class Copies(Screen):
    """Take whole synthetic users that repeat a run of a real training user's items, in order.

    A short user, of fewer than `length` events, is taken where the whole of it is the whole of a real one.
    """

    length: int = 5
    """Items in a row that make a copy."""
    shortest: int = 3
    """Users with fewer events are too common to be called copies."""

    def screen(
        self, synthetic: Shop, train: Shop, holdout: Shop | None = None, run: Run | None = None
    ) -> Screened:
        """Reject user by user, every event of a copy."""
        if self.length < 2:
            raise SettingError(
                f"copies: length={self.length} would call every user a copy; 4 or more is sensible."
            )
        real, fake = Log.of(train), Log.of(synthetic)
        item = real.items.recode(fake.items)[fake.item] if len(fake) else fake.item
        runs = run_codes(item, fake.offsets, self.length)
        copied = np.isin(runs, run_codes(real.item, real.offsets, self.length)) & (runs != 0)
        taken = np.bincount(fake.user[copied], minlength=len(fake.users)) > 0
        short = (fake.lengths() < self.length) & (fake.lengths() >= self.shortest)
        taken |= short & np.isin(
            whole_codes(item, fake.offsets), whole_codes(real.item, real.offsets)
        )
        named = pl.DataFrame({"owner": fake.users.ids.filter(pl.Series(taken))})
        return reject_users(
            synthetic, named.with_columns(reason=pl.lit("copies a real user")), len(fake.users)
        )
