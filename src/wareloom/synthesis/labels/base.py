"""The base of synthesizers of labels: which products are graded for which queries, and which rows are kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import Count, ShareBelowOne, Size
from wareloom.core.top import best_columns
from wareloom.errors import InputError, SettingError, require
from wareloom.rankers.search.base import SearchRanker
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.keeps import Keeps
from wareloom.shop.queries import normal_query
from wareloom.synthesis import Condition, Counts, GivenItems, GivenQueries, Of, Synthesizer
from wareloom.synthesis.queries.base import QuerySynthesizer

HIGHEST = 3.0
BLOCK = 256
"""Queries that are retrieved for at once"""
ROUNDS = 5
"""How often queries that did not stay are written anew, at most"""


@dataclass(kw_only=True, eq=False)
class LabelSynthesizer(Synthesizer, ABC):
    """Base of synthesizers of labels. One implements `_learn` and `_grade`.

    `sample(n)` writes `n` queries by the synthesizer `queries`, finds products for each with the ranker `retriever`,
    and grades the product that was meant and `graded` others: half of them among the first `near` found, half among the
    first `far`, so that the hard cases are there. A query stays only if its own product is among the first `round_trip`
    found (Dai et al. 2023 call it round-trip consistency); other queries take the place of those that go. A label of a
    confidence below `min_confidence` is not given.
    """

    keeps: ClassVar[Keeps] = "counts"
    knows: ClassVar[frozenset[str]] = frozenset({"text"})
    of: ClassVar[Of] = "labels"
    counts: ClassVar[Counts] = "queries"
    takes: ClassVar[type[Condition]] = GivenItems
    conditions: ClassVar[frozenset[str]] = frozenset({"items", "queries"})
    quick: ClassVar[Mapping[str, Any]] = {"graded": 6, "near": 3, "far": 12, "round_trip": 12}
    renamed: ClassVar[Mapping[str, str]] = {"least": "min_confidence"}

    queries: str = "attributes"
    """The synthesizer that writes the queries."""
    query_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    retriever: str = "bm25"
    """The ranker of search that finds products for a query."""
    retriever_settings: dict[str, Any] = field(default_factory=dict)
    """Its settings."""
    round_trip: Count = 50
    """Place at which the product that was meant has to be found; 0 keeps every query."""
    graded: Count = 8
    """Products graded for each query beside the one that was meant."""
    near: Size = 10
    """Half of them are drawn among so many first found …"""
    far: Size = 100
    """… and half among the others of so many."""
    min_confidence: ShareBelowOne = 0.0
    """Confidence, from 0 to 1, below which no label is given."""

    def _check(self) -> None:
        require(self.name, "far", self.far, self.far >= self.near, "no less than near")
        if not issubclass(SYNTHESIZERS.load(self.queries), QuerySynthesizer):
            raise SettingError(
                f"{self.name}: queries is {self.queries!r}, which writes no queries: take attributes, say."
            )
        if not issubclass(RANKERS.load(self.retriever), SearchRanker):
            raise SettingError(
                f"{self.name}: the retriever {self.retriever!r} reads no queries: take bm25, say."
            )

    @abstractmethod
    def _learn(self, shop: Shop, run: Run) -> None:
        """Learn from the items and, where it wants any, from human judgments."""

    @abstractmethod
    def _grade(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray, run: Run
    ) -> tuple[np.ndarray, np.ndarray]:
        """Grade pairs of `queries[query[i]]` and item code `item[i]`: grades 0–3 and confidences 0–1, float64
        [pairs]."""

    def fit(self, shop: Shop, run: Run | None = None) -> Self:
        """Learn from a shop's items, and from its judgments where the synthesizer wants them."""
        run = run or Run()
        self.catalogue_, self.meta_ = shop.table("items"), dict(shop.meta)
        self.writers_ = {
            "queries": SYNTHESIZERS.make(self.queries, **self.query_settings).fit(shop, run)
        }
        self.retrievers_ = {
            "retriever": RANKERS.make(self.retriever, **self.retriever_settings).fit(shop, run)
        }
        self._learn(shop, run)
        return self

    def label(
        self,
        queries: Sequence[str],
        query: Sequence[int] | np.ndarray,
        items: Sequence[str],
        run: Run | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Grade given pairs of `queries[query[i]]` and the item `items[i]`: grades and confidences, float64 [pairs].

        Raises `InputError` for an unknown item.
        """
        self.check_fitted()
        code = (
            Vocabulary(self.catalogue_["item_id"])
            .encode(pl.Series(items, dtype=pl.String))
            .astype(np.int64)
        )
        if (code < 0).any():
            unknown = items[int(np.flatnonzero(code < 0)[0])]
            raise InputError(
                f"A label was asked for the item {unknown!r}, which the fitted shop lacks."
            )
        return self._grade(list(queries), np.asarray(query, dtype=np.int64), code, run or Run())

    def sample(self, n: int, run: Run | None = None, given: GivenItems | None = None) -> Shop:
        """Grade products for `n` synthetic queries, or for the queries of a `GivenQueries`."""
        self._checked(n, given)
        run, given = run or Run(), given or GivenItems()
        if isinstance(given, GivenQueries) and given.queries:
            if given.items:
                raise InputError(
                    f"The synthesizer {self.name!r} labels given queries as they are: give nothing else."
                )
            asked = [
                given.queries[i % len(given.queries)] for i in range(min(n, len(given.queries)))
            ]
            query, own, found = (
                asked,
                np.full(len(asked), -1, dtype=np.int64),
                self._retrieve(asked),
            )
        else:
            query, own, found = self._write(n, run, GivenItems(given.items))
        return self._shop(query, own, found, run)

    def _write(
        self, n: int, run: Run, given: GivenItems
    ) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Write queries until `n` have come back: the queries, the items meant and the items found, best first."""
        writer: QuerySynthesizer = self.writers_["queries"]
        known = Vocabulary(self.catalogue_["item_id"])
        seen: set[tuple[str, int]] = set()
        query, own, found = list[str](), list[int](), list[np.ndarray]()
        for turn in range(ROUNDS):
            missing = n - len(query)
            if missing <= 0:
                break
            made = writer.sample(
                missing + missing // 5 + 1, run.with_(seed=run.seed_for(self.name, turn)), given
            )
            rows = made.scan("judgments").with_columns(key=normal_query()).collect()
            said, meant = rows["query"].to_list(), known.encode(rows["item_id"]).astype(np.int64)
            retrieved = self._retrieve(said)
            back = (retrieved[:, : self.round_trip] == meant[:, None]).any(axis=1) | (
                self.round_trip == 0
            )
            for row, key in enumerate(rows["key"].to_list()):
                if back[row] and (key, int(meant[row])) not in seen and len(query) < n:
                    seen.add((key, int(meant[row])))
                    query.append(said[row])
                    own.append(int(meant[row]))
                    found.append(retrieved[row])
        if not query:
            raise InputError(
                f"The synthesizer {self.name!r}: no query brought its product back among the first {self.round_trip}. "
                "Raise round_trip, or set it to 0."
            )
        return query, np.array(own), np.stack(found)

    def _retrieve(self, queries: Sequence[str]) -> np.ndarray:
        """The items found for each query, best first: int64 [queries, far], -1 behind those that matched nothing."""
        ranker: SearchRanker = self.retrievers_["retriever"]
        depth = min(max(self.far, self.round_trip), len(self.catalogue_))
        tie, found = np.arange(len(self.catalogue_), dtype=np.int32), []
        for start in range(0, len(queries), BLOCK):
            scores = ranker._match(queries[start : start + BLOCK])
            best = best_columns(scores, tie, depth).astype(np.int64)
            nothing = np.take_along_axis(scores, np.maximum(best, 0), axis=1) <= scores.min(
                axis=1, keepdims=True
            )
            found.append(np.where(nothing | (best < 0), -1, best))
        return np.concatenate(found) if found else np.zeros((0, depth), dtype=np.int64)

    def _shop(self, queries: list[str], own: np.ndarray, found: np.ndarray, run: Run) -> Shop:
        query, item = self._pairs(own, found, run.rng(self.name, "windows"))
        grade, sure = self._grade(queries, query, item, run)
        kept = sure >= self.min_confidence
        judgments = pl.DataFrame(
            {
                "query": pl.Series(queries, dtype=pl.String).gather(query[kept]),
                "item_id": self.catalogue_["item_id"].gather(item[kept]),
                "grade": np.clip(grade[kept], 0.0, HIGHEST),
            }
        ).with_columns(source=pl.lit(self.name), origin=pl.lit(self.origin), weight=pl.lit(1.0))
        # The same words may have been written for several products: the grades are of the words, and are one.
        merged = judgments.with_columns(key=normal_query()).group_by(
            "key", "item_id", maintain_order=True
        )
        rows = merged.agg(
            pl.col("query").first(), pl.col("grade").mean(), *(pl.col(c).first() for c in REST)
        )
        tables = {"items": self.catalogue_, "judgments": rows.drop("key")}
        return self._stamped(Shop.trusted(tables, self.meta_))

    def _pairs(
        self, own: np.ndarray, found: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Choose the products that are graded: query and item of each pair, int64."""
        others = np.where(found == own[:, None], -1, found)
        key = rng.random(others.shape)
        key[others < 0] = np.inf
        near = others.shape[1] if self.near >= others.shape[1] else self.near
        half = self.graded - self.graded // 2
        parts = [own[:, None]]
        for window, take in ((slice(0, near), half), (slice(near, None), self.graded // 2)):
            order = np.argsort(key[:, window], axis=1)[:, :take]
            picked = np.take_along_axis(others[:, window], order, axis=1)
            parts.append(picked)
        item = np.concatenate(parts, axis=1)
        query = np.repeat(np.arange(len(own)), item.shape[1])
        flat = item.ravel()
        return query[flat >= 0], flat[flat >= 0].astype(np.int64)


REST = ("source", "origin", "weight")
