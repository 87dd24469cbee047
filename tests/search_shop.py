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


def search_shop(queries: int = 150, seed: int = 0) -> Shop:
    """Titles of colour, size and thing; people grade half a point for each shared word, and mostly the thing."""
    rng = np.random.default_rng(seed)
    colours, things = ["red", "blue", "green", "black"], [f"thing{i}" for i in range(10)]
    titles = [f"{a} {b}" for a in colours for b in things]
    ids = [f"i{i}" for i in range(len(titles))]
    rows = []
    for q in range(queries):
        wanted = titles[rng.integers(len(titles))].split()
        for place in rng.choice(len(titles), 6, replace=False):
            held = [word in titles[place].split() for word in wanted]
            rows.append((f"{' '.join(wanted)} {q}q", ids[place], 1.0 * held[0] + 2.0 * held[1]))
    judgments = pl.DataFrame(rows, schema=["query", "item_id", "grade"], orient="row")
    return Shop(
        {"items": pl.DataFrame({"item_id": ids, "title": titles}), "judgments": judgments},
        {"name": "words"},
    )


@dataclass(kw_only=True, eq=False)
class Elsewhere(QuerySynthesizer):
    """Queries that have nothing to do with their product."""

    def _learn(self, shop: Shop, run: Run) -> None:
        pass

    def _write(self, items: np.ndarray, run: Run) -> list[str]:
        return ["zzz"] * len(items)
