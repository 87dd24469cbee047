"""A ranker that was fitted before, as a member of others: so that all of them have the very same one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from wareloom.core.run import Run
from wareloom.rankers.search.base import SearchRanker
from wareloom.shop import Shop

TAUGHT: dict[str, SearchRanker] = {}
"""Rankers that were fitted already, by what they are called"""


@dataclass(kw_only=True, eq=False)
class Taught(SearchRanker):
    """An encoder that was fitted before, so that every system of a shop has the very same one."""

    random: ClassVar[bool] = False

    called: str
    """What it is called among `TAUGHT`."""

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        """Nothing anew."""

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        return TAUGHT[self.called].match_all(queries)
