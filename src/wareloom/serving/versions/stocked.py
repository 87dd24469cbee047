"""What products that changed since publication mean for one version: looked at once each time that one changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wareloom.serving.files.lookup import Lookup
from wareloom.serving.forms.base import NOTHING
from wareloom.serving.versions.stock import Stock, is_gone

FILTERED = ("brand", "category", "price")
"""Fields that filters look at"""


class Stocked:
    """Which items are gone, which are new, and which are no longer of the brand, category or price of before."""

    def __init__(self, ids: Lookup) -> None:
        self._ids = ids
        self._codes: dict[str, int] = {}
        self._gone: set[int] = set()
        self._at, self._epoch = 0, -1
        self._looked, self._due = 0, math.inf
        """When expiry was looked at last, and when the next product expires"""
        self.gone = NOTHING
        """Codes of items that are not to be shown, int32"""
        self.new: dict[str, None] = {}
        """Ids of products that the catalogue lacks and that are to be shown, in the order in which they came"""
        self.edited: dict[int, dict[str, Any]] = {}
        """What was said of catalogued items that filters look at, by code"""
        self.edits: list[int] = []
        """Codes of these in the order of the changes, so that a filter takes over what it has not seen"""
        self.begun = 0
        """Grows where `edits` begins anew"""

    def look(self, stock: Stock, now: int) -> None:
        """Take over what changed, and what expired meanwhile; `now` in microseconds."""
        if self._epoch != stock.epoch:
            self._at, self._epoch, self.edits, self.begun = 0, stock.epoch, [], self.begun + 1
        names = dict.fromkeys(stock.changes[self._at :])
        if now >= self._due or now < self._looked:
            names |= dict.fromkeys(stock.expiring)
        if not names:
            return
        self._at = len(stock.changes)
        before = len(self._gone), sum(self._gone)
        for name in names:
            self._take(name, stock.items[name], now)
        if (len(self._gone), sum(self._gone)) != before:
            self.gone = np.array(sorted(self._gone), dtype=np.int32)
        self._looked = now
        self._due = min((end for end in stock.expiring.values() if end > now), default=math.inf)

    def _take(self, name: str, item: dict[str, Any], now: int) -> None:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = self._ids.code(name)
        gone = is_gone(item, now)
        if code < 0:
            if gone:
                self.new.pop(name, None)
            else:
                self.new.setdefault(name)
            return
        if gone:
            self._gone.add(code)
        else:
            self._gone.discard(code)
        if any(field in item for field in FILTERED) or code in self.edited:
            self.edited[code] = item
            self.edits.append(code)
