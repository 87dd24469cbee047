"""Items drawn one by one from popularity: the naive synthesizer that every other must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy import sparse

from wareloom.errors import SettingError
from wareloom.shop import Log
from wareloom.shop.keeps import Keeps
from wareloom.synthesis.behaviour.markov import Markov


@dataclass(kw_only=True, eq=False)
class Independent(Markov):
    """Shoppers with real activity and real clocks whose items know nothing of one another: a control arm."""

    keeps: ClassVar[Keeps] = "counts"
    conditions: ClassVar[frozenset[str]] = frozenset({"histories", "start_items", "length"})
    laws: ClassVar[frozenset[str]] = frozenset()

    structure: Literal["outline", "chain"] = "chain"
    """Drawn one by one: an outline would keep categories together."""

    def _check(self) -> None:
        if self.structure != "chain":
            raise SettingError(
                "independent: items know nothing of one another, so that structure is always 'chain'."
            )

    def _follow(self, log: Log, weight: np.ndarray) -> sparse.csr_matrix:
        return sparse.csr_matrix((len(log.items), len(log.items)), dtype=np.float32)
