"""A small shop with judged queries, and a synthesizer of queries from outside the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.shop import Shop
from wareloom.synthesis import Given, Synthesizer
from wareloom.synthesis.queries.base import QuerySynthesizer
from wareloom.testing.search_shops import search_shop

__all__ = ["Elsewhere", "TitleQueries", "search_shop"]


@dataclass(kw_only=True, eq=False)
class TitleQueries(Synthesizer):
    """Two words of a title, graded by how many of them other titles hold; `noise` draws the grades instead."""

    noise: bool = False
    """Whether grades know nothing."""
    cheat: str = "no"
    """What is done wrong, for tests."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        self.items_ = shop.table("items").select("item_id", "title")
        self.known_ = shop.table("judgments")["query"]
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
