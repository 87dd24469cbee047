"""The contract kit holds synthesizers of queries from outside to its laws, and names what they break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest

from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.synthesis import GivenItems
from wareloom.synthesis.queries.base import QuerySynthesizer
from wareloom.testing import check


@dataclass(kw_only=True, eq=False)
class OwnQueries(QuerySynthesizer):
    """Two words of a title that stand beside one another, by somebody else's synthesizer."""

    words: int = 2
    """Words of a query."""

    def _learn(self, shop: Shop, run: Run) -> None:
        """Everything is in the titles."""

    def _write(self, items: np.ndarray, run: Run) -> Sequence[str]:
        rng, queries = run.rng("own queries"), []
        for title in self.catalogue_["title"].gather(items).to_list():
            words = [word for word in title.lower().split() if any(s.isalnum() for s in word)]
            first = int(rng.integers(max(1, len(words) - self.words + 1)))
            queries.append(
                " ".join(word.strip("<>&") for word in words[first : first + self.words])
            )
        return queries


@dataclass(kw_only=True, eq=False)
class Fixed(OwnQueries):
    """Ignores the seed."""

    def sample(self, n: int, run: Run | None = None, given: GivenItems | None = None) -> Shop:
        return super().sample(n, Run(), given)


@dataclass(kw_only=True, eq=False)
class Pretending(OwnQueries):
    """Says that people asked so."""

    def sample(self, n: int, run: Run | None = None, given: GivenItems | None = None) -> Shop:
        made = super().sample(n, run, given)
        rows = made.table("judgments").with_columns(origin=pl.lit("real"))
        return made.with_tables(judgments=rows)


@dataclass(kw_only=True, eq=False)
class Forgetful(OwnQueries):
    """Keeps what it learned where nobody saves it."""

    def _learn(self, shop: Shop, run: Run) -> None:
        self.said = "cheap"

    def _write(self, items: np.ndarray, run: Run) -> Sequence[str]:
        said = vars(self).get("said", "")
        return [f"{said} {query}".strip() for query in super()._write(items, run)]


@dataclass(kw_only=True, eq=False)
class Elsewhere(OwnQueries):
    """Writes for products that nobody sells."""

    def sample(self, n: int, run: Run | None = None, given: GivenItems | None = None) -> Shop:
        made = super().sample(n, run, given)
        ids = pl.format("{}-x", "item_id").alias("item_id")
        return made.with_tables(judgments=made.table("judgments").with_columns(ids))


BROKEN = {
    Fixed: "another seed",
    Pretending: "provenance",
    Forgetful: "saved and restored",
    Elsewhere: "known items",
}


def test_a_synthesizer_of_queries_from_outside_can_keep_the_contract() -> None:
    check(OwnQueries)


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_one_is_told_which_law_it_breaks(cls: type[QuerySynthesizer]) -> None:
    with pytest.raises(AssertionError, match=f"{cls.__name__} breaks the law '{BROKEN[cls]}"):
        check(cls)
