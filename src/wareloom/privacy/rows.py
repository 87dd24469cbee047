"""The bounded rows that a question may look at while it is asked, and not after."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from wareloom.errors import RefusedError
from wareloom.privacy.bounds import OWNER
from wareloom.shop import Log, Shop
from wareloom.shop.schema import INTERACTIONS

Answer = tuple[np.ndarray, np.ndarray]
"""(row, cell): places of rows, and a cell of each"""
LOG = "log"
"""The rows of the log, where a table may be named"""


class Rows:
    """Bounded rows of a shop: `log` (events on public items), and tables whose rows are users'.

    They are open while a question is asked. Anything asked of them later raises `RefusedError`.
    """

    def __init__(self, tables: dict[str, pl.DataFrame], log: Log | None) -> None:
        self._tables, self._log, self._open = tables, log, False

    @classmethod
    def of(cls, shop: Shop, items: pl.DataFrame | None) -> Rows:
        """Take a bounded shop. `items`: the public catalogue; without one the log has the items of its events."""
        names = [name for name in shop.names if name != "items"]
        tables = {name: shop.table(name) for name in names}
        log = None
        if "events" in tables:
            events = tables["events"]
            known = items
            if known is None:
                ids = (
                    events["item_id"]
                    if "item_id" in events.columns
                    else pl.Series([], dtype=pl.String)
                )
                known = pl.DataFrame({"item_id": ids.drop_nulls().unique().sort()})
            log = Log.of(Shop.trusted({"items": known, "events": events}), kinds=INTERACTIONS)
        every = [frame[OWNER] for frame in tables.values()]
        users = pl.concat(every).unique().sort() if every else pl.Series(OWNER, [], dtype=pl.String)
        codes = pl.DataFrame({OWNER: users}).with_row_index("user")
        coded = {
            name: frame.join(codes, on=OWNER, how="left", maintain_order="left")
            for name, frame in tables.items()
        }
        return cls(coded, log)

    @contextlib.contextmanager
    def shown(self) -> Iterator[Rows]:
        """Open them for the length of a block. For `Private` and tests: a generator has no `Rows` to open."""
        shown = Rows(self._tables, self._log)
        shown._open = True
        try:
            yield shown
        finally:
            shown._open = False

    @property
    def log(self) -> Log:
        """Events that count as interactions on the items there are, user after user, in order of time."""
        self._check()
        if self._log is None:
            raise RefusedError("The shop has no events of users.")
        return self._log

    @property
    def all(self) -> np.ndarray:
        """Places of all rows of the log, int64 [events]."""
        return np.arange(len(self.log))

    @property
    def first(self) -> np.ndarray:
        """Places of the first row of each user with events, int64 [users]: where one number is said of a user."""
        log = self.log
        return log.offsets[:-1][log.lengths() > 0]

    def owner(self, of: str = LOG) -> np.ndarray:
        """The user of each row of the log or of a table: int64 codes, over all users of the shop's tables."""
        if of != LOG:
            return self.table(of)["user"].to_numpy().astype(np.int64)
        return self.log.user.astype(np.int64)

    def table(self, name: str) -> pl.DataFrame:
        """A table whose rows are users', with the column `user`: a code over all tables."""
        self._check()
        if name not in self._tables:
            raise RefusedError(
                f"No table {name!r} whose rows are users': there are {', '.join(self._tables)}."
            )
        return self._tables[name]

    def _check(self) -> None:
        if not self._open:
            raise RefusedError(
                "The rows of real users are shut: a question looks at them while it is asked, and returns users and "
                "cells."
            )

    def __getstate__(self) -> Any:
        raise RefusedError("The rows of real users are not saved.")
