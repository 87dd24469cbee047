"""A small shop with judged queries, a synthesizer of queries and a ranker from outside the package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.rankers.search.base import SearchRanker
from wareloom.rankers.search.members import Members
from wareloom.shop import Shop
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.queries.base import QuerySynthesizer
from wareloom.testing.search_shops import search_shop

__all__ = ["Elsewhere", "TitleQueries", "Told", "search_shop"]


@dataclass(kw_only=True, eq=False)
class TitleQueries(Synthesizer):
    """Two words of a title, graded by how many of them other titles hold; `noise` draws the grades instead."""

    noise: bool = False
    """Whether grades know nothing."""
    cheat: str = "no"
    """What is done wrong, for tests."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        self.items_ = shop.table("items").select("item_id", "title")
        self.known_ = shop.table("judgments")["query"] if shop.rows("judgments") else pl.Series()
        return self

    def sample(self, n: int, run: Run | None = None, given: Given | None = None) -> Shop:
        rng = (run or Run()).rng("titles")
        ids, titles = self.items_["item_id"].to_list(), self.items_["title"].to_list()
        rows = []
        for number in range(n):
            words = titles[rng.integers(len(titles))].split()
            query = " ".join(words) + (f" {number}s" if self.cheat == "no" else "")
            for place in rng.choice(len(ids), 6, replace=False):
                shared = len(set(words) & set(titles[place].split()))
                grade = float(rng.integers(4)) if self.noise else 1.5 * min(shared, 2)
                rows.append(
                    (query, ids[place], grade, "real" if self.cheat == "real" else self.origin)
                )
        frame = pl.DataFrame(rows, schema=["query", "item_id", "grade", "origin"], orient="row")
        return Shop(
            {"items": self.items_, "judgments": frame.head(0) if self.cheat == "none" else frame}
        )


@dataclass(kw_only=True, eq=False)
class Elsewhere(QuerySynthesizer):
    """Queries that have nothing to do with their product."""

    def _learn(self, shop: Shop, run: Run) -> None:
        pass

    def _write(self, items: np.ndarray, run: Run) -> list[str]:
        return ["zzz"] * len(items)


@dataclass(kw_only=True, eq=False)
class Told(Members, SearchRanker):
    """What its member says; it learns nothing and remembers what it was given to learn from, in order."""

    seen: ClassVar[list[pl.DataFrame]] = []

    members: tuple[str, ...] = ("bm25",)
    """The rankers of search that are asked."""

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        Told.seen.append(shop.table("judgments") if shop.rows("judgments") else pl.DataFrame())

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        return self._asked(queries)[0]
