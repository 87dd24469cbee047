"""How many queries name a brand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.language.titles import BRAND_WORDS
from wareloom.metrics.likeness.measure import Counts
from wareloom.metrics.likeness.queries._words import by_trait
from wareloom.metrics.likeness.queries.measure import CountedQueries
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio
from wareloom.stats.distances import shares


@dataclass(kw_only=True, eq=False)
class BrandRate(CountedQueries):
    """Difference between shares of queries with a brand of the catalogue, anywhere in the query.

    Brands are those of the items of REAL; where no column says them, runs of words with which titles begin and that
    stand hardly anywhere else, see `wareloom.language.titles`.
    """

    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        if trio.reader is None:
            return "no catalogue has titles"
        if not trio.reader.brands:
            return "the catalogue names no brand"
        brands = trio.reader.brands
        traits = [np.array([_holds(words, brands) for words in s.words.to_list()]) for s in samples]
        return {"": by_trait(traits, samples)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return float(abs(shares(a)[1] - shares(b)[1]))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return float(shares(a)[1])


def _holds(words: list[str], brands: frozenset[tuple[str, ...]]) -> bool:
    """Whether a run of the words is a brand."""
    return any(
        tuple(words[i : i + length]) in brands
        for length in range(1, BRAND_WORDS + 1)
        for i in range(len(words) - length + 1)
    )
