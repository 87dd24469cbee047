"""The base of synthesizers of queries: which products they write for, and the shop that comes out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, near
from wareloom.shop import Shop, Vocabulary
from wareloom.synthesis import Condition, Counts, GivenItems, Of, Synthesizer

MEANT = 3.0
"""The grade of the product that a query was written for"""
ROUNDS = 5
"""How often what could not be written is written for other products, at most"""


@dataclass(kw_only=True, eq=False)
class QuerySynthesizer(Synthesizer, ABC):
    """Base of synthesizers of queries. One implements `_learn` and `_write`.

    `sample(n)` returns the catalogue and a table judgments of `n` queries, each with the product it was written for at
    the highest grade. The products are taken in turn, in random order, so that the catalogue is covered evenly.
    """

    knows: ClassVar[frozenset[str]] = frozenset({"text"})
    of: ClassVar[Of] = "queries"
    counts: ClassVar[Counts] = "queries"
    takes: ClassVar[type[Condition]] = GivenItems
    conditions: ClassVar[frozenset[str]] = frozenset({"items"})
    lacks: ClassVar[str] = "they have no title"
    """What items have to lack for nothing to be written for them"""

    @abstractmethod
    def _learn(self, shop: Shop, run: Run) -> None:
        """Learn from the items and, where there are any, from real queries."""

    @abstractmethod
    def _write(self, items: np.ndarray, run: Run) -> Sequence[str]:
        """Write a query for each item (codes into `catalogue_`, int64 [n]); "" where there is none to be written."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from a shop's items, and from its searches and judgments where it has any.

        Raises `InputError` where no item has a title.
        """
        self._read(shop)
        self._learn(shop, run or Run())
        return self

    def _read(self, shop: Shop) -> None:
        """Keep the catalogue, and which of its items can be written for."""
        if not shop.has("items", "title"):
            raise InputError(
                f"The synthesizer {self.name!r} writes queries from titles, but the shop's items have none: fill the "
                "column title."
            )
        self.catalogue_, self.meta_ = shop.table("items"), dict(shop.meta)
        there = self.catalogue_["title"].fill_null("").str.contains(r"\w")
        self.writable_ = np.flatnonzero(there.to_numpy())
        if not len(self.writable_):
            raise InputError(
                f"The synthesizer {self.name!r} writes queries from titles, but no item's title has a word."
            )

    def sample(self, n: int, run: Run | None = None, given: GivenItems | None = None) -> Shop:
        """Write `n` queries; `given.items` names the only products they are for.

        Raises `InputError` where products are unknown or without words, and where not one query could be written.
        """
        self._checked(n, given)
        run = run or Run()
        wanted = self._wanted(given or GivenItems())
        parts, missing = list[pl.DataFrame](), n
        for turn in range(ROUNDS):
            if missing <= 0:
                break
            codes = _in_turn(wanted, missing, run.rng(self.name, "items", turn))
            rows = self._rows(codes, run.with_(seed=run.seed_for(self.name, turn))).with_columns(
                item=pl.Series(codes)
            )
            rows = rows.with_columns(
                pl.col("query").str.replace_all(r"\s+", " ").str.strip_chars(" ")
            )
            parts.append(rows.filter(pl.col("query") != ""))
            missing -= len(parts[-1])
        rows = pl.concat(parts)
        if not len(rows):
            raise InputError(
                f"The synthesizer {self.name!r} could write no query for any of {len(wanted)} products."
            )
        return self._shop(rows)

    def _rows(self, items: np.ndarray, run: Run) -> pl.DataFrame:
        """Write a query for each item, as `_write`, with its label: columns query, grade, source."""
        written = pl.DataFrame({"query": self._write(items, run)}, schema={"query": pl.String})
        return written.with_columns(grade=pl.lit(MEANT), source=pl.lit(self.name))

    def _wanted(self, given: GivenItems) -> np.ndarray:
        if not given.items:
            return self.writable_
        codes = (
            Vocabulary(self.catalogue_["item_id"])
            .encode(pl.Series(given.items, dtype=pl.String))
            .astype(np.int64)
        )
        if (codes < 0).any():
            name = given.items[int(np.flatnonzero(codes < 0)[0])]
            raise InputError(
                f"Queries were asked for the item {name!r}, which the fitted shop lacks."
                + near(name, self.catalogue_["item_id"])
            )
        codes = codes[np.isin(codes, self.writable_)]
        if not len(codes):
            raise InputError(
                f"The synthesizer {self.name!r} can write for none of the items asked for: {self.lacks}."
            )
        return np.unique(codes)

    def _shop(self, rows: pl.DataFrame) -> Shop:
        item_id = self.catalogue_["item_id"].gather(rows["item"])
        judgments = rows.select(
            "query", item_id, "grade", "source", origin=pl.lit(self.origin), weight=pl.lit(1.0)
        )
        tables = {"items": self.catalogue_, "judgments": judgments}
        return self._stamped(Shop.trusted(tables, self.meta_))


def _in_turn(items: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Take `n` of the items, each as often as every other to within one, in random order."""
    turns = [rng.permutation(items) for _ in range(-(-n // len(items)))]
    return np.concatenate(turns)[:n].astype(np.int64)


def real_queries(shop: Shop) -> pl.DataFrame:
    """The real queries of a shop with the product each was answered by, where one is known: query, item_id, grade.

    Of a query's judgments the highest grades count, if they are above 1; of a search the item that was
    selected first.
    """
    real, parts = pl.col("origin") == "real", []
    if shop.rows("judgments"):
        best = pl.col("grade") == pl.col("grade").max().over("query")
        judged = shop.scan("judgments").filter(real).filter(best & (pl.col("grade") > 1))
        parts.append(judged.select("query", "item_id", "grade").collect())
    if shop.rows("searches"):
        rows = shop.scan("searches").filter(real).select("search_id", "query").collect()
        if shop.has("events", "search_id"):
            hit = shop.scan("events").filter(
                real, pl.col("item_id").is_not_null(), pl.col("event") != "view_item_list"
            )
            first = (
                hit.group_by("search_id", maintain_order=True)
                .agg(pl.col("item_id").first())
                .collect()
            )
            rows = rows.join(first, on="search_id", how="left", maintain_order="left")
        else:
            rows = rows.with_columns(item_id=pl.lit(None, dtype=pl.String))
        parts.append(rows.select("query", "item_id", grade=pl.lit(MEANT)))
    schema = pl.Schema({"query": pl.String, "item_id": pl.String, "grade": pl.Float64})
    return pl.concat([part.cast(schema) for part in parts]) if parts else schema.to_frame()
