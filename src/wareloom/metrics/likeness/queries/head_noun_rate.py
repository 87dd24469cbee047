"""How many queries name a thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Gt

from wareloom.metrics.likeness.measure import Counts
from wareloom.metrics.likeness.queries._words import by_trait
from wareloom.metrics.likeness.queries.measure import CountedQueries
from wareloom.metrics.likeness.queries.samples import QuerySample, QueryTrio
from wareloom.stats.distances import shares


@dataclass(kw_only=True, eq=False)
class HeadNounRate(CountedQueries):
    """Difference between shares of queries with a head noun: a word that tends to end titles.

    Head nouns are learned from the catalogue of REAL, see `wareloom.language.titles`.
    """

    times: Annotated[float, Gt(1)] = 2.0
    """How many times as often as words do in the mean it has to be the last of the main part."""

    def count(self, samples: Sequence[QuerySample], trio: QueryTrio) -> dict[str, Counts] | str:
        if trio.reader is None:
            return "no catalogue has titles"
        often, held = trio.reader.heads, trio.reader.held
        mean = sum(share * held[word] for word, share in often.items()) / max(
            1, sum(held[word] for word in often)
        )
        heads = {word for word, share in often.items() if share >= self.times * mean}
        if not heads:
            return "no word ends titles oftener than others"
        traits = [
            np.array([not heads.isdisjoint(words) for words in s.words.to_list()]) for s in samples
        ]
        return {"": by_trait(traits, samples)}

    def distance(self, figure: str, a: np.ndarray, b: np.ndarray, counts: Counts) -> float:
        return float(abs(shares(a)[1] - shares(b)[1]))

    def single(self, figure: str, a: np.ndarray, counts: Counts) -> float | None:
        return float(shares(a)[1])
