"""Items drawn one by one from popularity: the naive synthesizer that every other must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from wareloom.shop import Log
from wareloom.synthesis.behaviour.markov import Markov


@dataclass(kw_only=True, eq=False)
class Independent(Markov):
    """Shoppers with real activity and real clocks whose items know nothing of one another: a control arm."""

    def _follow(self, log: Log, weight: np.ndarray) -> sparse.csr_matrix:
        return sparse.csr_matrix((len(log.items), len(log.items)), dtype=np.float32)
