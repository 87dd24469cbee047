"""Two stages: several rankers find what might answer a query, and trees put it in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import Count, NonNegative, Size
from wareloom.core.top import top_k
from wareloom.errors import require
from wareloom.rankers.search.base import SearchRanker, lifted, scaled
from wareloom.rankers.search.judged import RIGHT, UNCHECKED, Mining, any_real, judged, with_lower
from wareloom.rankers.search.lists import LearnsOrder, Lists, of_grades
from wareloom.rankers.search.match import Matcher
from wareloom.rankers.search.members import Members
from wareloom.rankers.search.trees import Trees, taught
from wareloom.shop import Shop, Vocabulary


@dataclass(kw_only=True, eq=False)
class TwoStage(Trees, Members, SearchRanker):
    """Take the `candidates` best items of every member, and order them by LambdaMART and by the members' own scores.

    The trees see each member's score in units of the query's spread over the catalogue, their sum, and how query and
    text match word by word (as `lambdamart`). What orders the candidates is the sum of the members plus `trust` × what
    the trees say, both in units of their spread among a query's candidates; all other items stand below, by the sum.
    The `reads` best of these are read by a cross-encoder, too, and ordered by both. Without judgments, or where each
    query has one grade alone and `hard_negatives` is 0, it is the sum: the plain fusion of its members by z-scores.
    Needs the extra `learned`. Burges (2010); Ke et al. (2017).
    """

    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing", "weighted users"}
    )
    quick: ClassVar[Mapping[str, Any]] = {"members": ("bm25", "lambdamart")}
    renamed: ClassVar[Mapping[str, str]] = {**Trees.renamed, "heed": "reader_weight"}

    spelling: bool = True
    """Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the
    extra `text`."""
    trees: Size = 150
    """Trees that are added up."""
    candidates: Size = 100
    """Best items of each member that are put in order."""
    trust: NonNegative = 0.5
    """Weight of the trees beside the sum of the members; three tenths of it where no person gave a judgment, as nothing
    says then whether they serve this shop."""
    reads: Count = 0
    """Best items of a query that a cross-encoder reads beside it; 0 none. Twenty take a tenth of a second on one core
    where it computes in bf16, and minutes to be taught. Needs the extra `text`."""
    reader: dict[str, Any] = field(default_factory=dict)
    """Settings of the cross-encoder, where they are not its defaults."""
    distils: Count = 0
    """Updates by which members that are encoders learn the order that the cross-encoder gives items found for its
    training queries; 0 none. Needs `reads`."""
    reader_weight: NonNegative = 0.5
    """Weight of what it says (a logit) beside the order so far, in units of the spread of what is read."""

    def _check(self) -> None:
        super()._check()
        self._reader()
        fits = not self.distils or self.reads > 0
        require(self.name, "distils", self.distils, fits, "0 where reads is 0: no reader is taught")

    def _reader(self) -> Any:
        return RANKERS.make("cross_encoder", **self.reader) if self.reads or self.reader else None

    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        self.trees_, self.readers_ = "", dict[str, Any]()
        rows = judged(shop, Vocabulary(self.items_))
        self.trust_ = self.trust * (1.0 if any_real(rows) else UNCHECKED)
        if len(rows) and (self.trust or self.reads):
            rows = with_lower(
                rows,
                Mining(self._found, self.hard_negatives, self.training_queries),
                run.rng("two_stage", "mined"),
            )
        if len(rows) and self.reads:
            self._teach_reader(texts, rows, run)
        if len(rows) and self.distils:
            self._teach_members(shop, rows, run)
        if len(rows) and self.trust:
            self._grow(texts, rows, run)

    def _grow(self, texts: dict[str, list[str]], rows: pl.DataFrame, run: Run) -> None:
        for name, value in Matcher.learn(texts, 1.2, 0.75).state().items():
            setattr(self, name, value)
        query = rows["query"].rank("dense").to_numpy().astype(np.int64) - 1
        said = rows.group_by("query").first().sort("query")["said"].to_list()
        table = self._table(self._read(said), query, rows["item"].to_numpy().astype(np.int64))
        self.trees_ = taught(self, table, rows, lambda grade: 2.0**grade - 1, run)

    def _teach_reader(self, texts: dict[str, list[str]], rows: pl.DataFrame, run: Run) -> None:
        """Teach the cross-encoder by as many updates as all its training queries take, however few there are.

        So the arms of a proof, which have more or fewer queries, are equal.
        """
        reader = self._reader()
        updates = reader.epochs * -(-reader.training_queries // reader.batch_size)
        reader.teach(texts, rows, run.with_(updates=updates))
        self.readers_ = {"reader": reader}

    def _teach_members(self, shop: Shop, rows: pl.DataFrame, run: Run) -> None:
        """Teach the encoders among the members the order that the cross-encoder gives items of several grades."""
        encoders = [each for each in self.members_.values() if isinstance(each, LearnsOrder)]
        reader, rng = self.readers_["reader"], run.rng("two_stage", "order")
        heads = rows.group_by("query", maintain_order=True).agg(
            pl.col("said").first(), pl.col("item").filter(pl.col("grade") >= RIGHT)
        )
        heads = heads[np.sort(rng.permutation(len(heads))[: reader.training_queries])]
        queries = list(self._read(heads["said"].to_list()))
        best = self._best(queries)
        lists = [
            of_grades(found, np.array(right, dtype=np.int64), reader.listed, rng)
            for found, right in zip(best, heads["item"].to_list(), strict=True)
        ]
        full = [place for place, chosen in enumerate(lists) if len(chosen) == reader.listed]
        if not encoders or not full:
            return
        queries, item = [queries[place] for place in full], np.stack([lists[p] for p in full])
        said = reader._match_pairs(
            queries, np.repeat(np.arange(len(full)), item.shape[1]), item.ravel()
        )
        for each in encoders:
            each.learn_order(
                shop, Lists(queries, item, said.reshape(item.shape)), self.distils, run
            )

    def _best(self, queries: Sequence[str]) -> np.ndarray:
        """The best items by the sum of the members, best first: int64 [queries, up to candidates]."""
        parts = [
            top_k(
                np.sum(self._said(queries[start:stop]), axis=0),
                min(self.candidates, len(self.items_)),
            )
            for start, stop in self._blocks(len(queries))
        ]
        return np.concatenate(parts)

    def _found(self, queries: list[str]) -> Iterator[np.ndarray]:
        """The members' best items of each query."""
        said = self._read(queries)
        for start, stop in self._blocks(len(said)):
            parts = [
                top_k(s, min(self.candidates, s.shape[1])) for s in self._said(said[start:stop])
            ]
            yield from np.concatenate(parts, axis=1)

    @cached_property
    def _matcher(self) -> Matcher:
        return Matcher.of(self, 1.2, 0.75)

    @cached_property
    def _matrices(self) -> dict[str, Any]:
        return self._matcher.weighted()

    def _table(self, queries: Sequence[str], query: np.ndarray, item: np.ndarray) -> np.ndarray:
        """What the trees see of pairs: float32 [pairs, members + 1 + words]."""
        parts = np.zeros((len(query), len(self.members) + 1), dtype=np.float32)
        for start, stop in self._blocks(len(queries)):
            rows = np.flatnonzero((query >= start) & (query < stop))
            for member, found in enumerate(self._said(queries[start:stop])):
                parts[rows, member] = found[query[rows] - start, item[rows]]
        parts[:, -1] = parts[:, :-1].sum(axis=1)
        words = self._matcher.pairs(self._matrices, self._matcher.ask(queries), query, item)
        return np.concatenate([parts, words], axis=1)

    def _said(self, queries: Sequence[str]) -> list[np.ndarray]:
        return [scaled(scores) for scores in self._asked(queries)]

    def _match(self, queries: Sequence[str]) -> np.ndarray:
        if not queries:
            return np.zeros((0, len(self.items_)), dtype=np.float32)
        parts = [queries[start:stop] for start, stop in self._blocks(len(queries))]
        return np.concatenate([self._ordered(part, self._said(part)) for part in parts])

    def _ordered(self, queries: Sequence[str], said: list[np.ndarray]) -> np.ndarray:
        """Scores of all items for some queries, given what the members say of all."""
        return self._read_again(queries, self._mixed_with_trees(queries, said))

    def _read_again(self, queries: Sequence[str], scores: np.ndarray) -> np.ndarray:
        """Put the best items in order by what the cross-encoder says of them, too; changes `scores` in place."""
        if not self.readers_:
            return scores
        best = top_k(scores, min(self.reads, scores.shape[1]))
        row, item = np.repeat(np.arange(len(best)), best.shape[1]), best.ravel()
        heard = self.readers_["reader"]._match_pairs(queries, row, item)
        before = scores[row, item].astype(np.float64)
        return lifted(scores, row, item, _unit(before, row) + self.reader_weight * heard)

    def _mixed_with_trees(self, queries: Sequence[str], said: list[np.ndarray]) -> np.ndarray:
        total: np.ndarray = np.sum(said, axis=0)
        if not self.trees_:
            return total
        chosen = np.zeros(total.shape, dtype=bool)
        for scores in said:
            np.put_along_axis(
                chosen, top_k(scores, min(self.candidates, scores.shape[1])), True, axis=1
            )
        row, item = np.nonzero(chosen)
        mixed = self._mixed(
            queries, row, item, total[row, item], [scores[row, item] for scores in said]
        )
        return lifted(total, row, item, mixed)

    def _mixed(
        self,
        queries: Sequence[str],
        row: np.ndarray,
        item: np.ndarray,
        total: np.ndarray,
        parts: list[np.ndarray],
    ) -> np.ndarray:
        words = self._matcher.pairs(self._matrices, self._matcher.ask(queries), row, item)
        table = np.concatenate(
            [np.stack([*parts, total], axis=1).astype(np.float32), words], axis=1
        )
        return _unit(total.astype(np.float64), row) + self.trust_ * _unit(self._grown(table), row)


def _unit(values: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Values in units of their spread within each row; `row` ascends."""
    count = np.maximum(np.bincount(row), 1)
    centred = values - (np.bincount(row, weights=values) / count)[row]
    deviation = np.sqrt(np.bincount(row, weights=centred**2) / count)
    return centred / np.where(deviation > 1e-9, deviation, 1.0)[row]
