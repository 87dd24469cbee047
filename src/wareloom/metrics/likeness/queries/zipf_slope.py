"""How fast the frequency of words falls with their rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Ge

from wareloom.metrics.likeness.measure import Counts
from wareloom.metrics.likeness.queries._words import by_word
from wareloom.metrics.likeness.queries.measure import CountedQueries
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio
from wareloom.stats.distances import POINTS, drawn


@dataclass(kw_only=True, eq=False)
class ZipfSlope(CountedQueries):
    """Difference between the slopes of the words' log frequency over their log rank: a tail that is missing is steep.

    Fitted by least squares at ranks that are evenly spread over the logarithm (Zipf 1949; Clauset, Shalizi and Newman
    2009 warn of taking it for a law, which is not needed to compare).
    """

    unit: ClassVar[str] = "slope"
    bounded: ClassVar[bool] = False

    ranks: Annotated[int, Ge(2)] = 5_000
    """Words, the most frequent first, that the line is fitted to, at most."""

    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        if min(sample.flat.n_unique() for sample in samples) < 3:
            return "there are hardly any words"
        return {"": by_word(samples)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return abs(self._slope(a) - self._slope(b))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return self._slope(a)

    def curve(
        self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts
    ) -> dict[str, Any] | None:
        falling = [np.sort(side[side > 0])[::-1] / side.sum() for side in (a, b)]
        ranks = _spread(max(map(len, falling)), POINTS)
        sides = [
            np.append(side, np.zeros(ranks[-1] + 1 - min(len(side), ranks[-1] + 1)))[ranks]
            for side in falling
        ]
        return drawn(
            ranks + 1.0, sides[0], sides[1], "loglog", "rank of a word", "share of all words"
        )

    def _slope(self, counts: np.ndarray) -> float:
        falling = np.sort(counts[counts > 0])[::-1]
        ranks = _spread(min(len(falling), self.ranks), 50)
        if len(ranks) < 2:
            return 0.0
        return float(np.polyfit(np.log(ranks + 1.0), np.log(falling[ranks]), 1)[0])


def _spread(number: int, points: int) -> np.ndarray:
    """Ranks from 0 to `number` - 1, evenly spread over the logarithm, int64."""
    return np.unique(np.geomspace(1, max(1, number), points).round().astype(np.int64)) - 1
