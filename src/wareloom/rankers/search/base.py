"""The base of rankers of search: what they learn from, and what they do where nothing is looked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS
from wareloom.core.run import Run
from wareloom.core.settings import NonNegative
from wareloom.errors import InputError
from wareloom.language.spelling import Speller
from wareloom.language.tokenise import tokenise
from wareloom.language.typed import Corrected, as_typed
from wareloom.language.wishes import Wishes, read_wishes
from wareloom.rankers import BLOCK_BYTES, Ranker
from wareloom.rankers.held import Held
from wareloom.rankers.history import popularity
from wareloom.shop import Log, Requests, Shop, Vocabulary
from wareloom.shop.keeps import Keeps
from wareloom.shop.texts import DEFAULT, field_texts, parse_fields, present

NO_EVENTS = {"user_id": pl.String, "item_id": pl.String, "event": pl.String}
"""The columns of a log of nothing, for shops that have a catalogue alone"""
NOBODY = Requests()
"""Requests of which nothing is known"""
PAIRS = {"first": pl.String, "second": pl.String, "texts": pl.Int64}
"""The columns of the pairs of words that a speller knows"""


@dataclass(kw_only=True, eq=False)
class SearchRanker(Ranker, ABC):
    """Base of rankers that answer a query. A ranker implements `_learn` and `_match`, and `_match_pairs` to be quick.

        @dataclass(kw_only=True, eq=False)
        class Mentions(SearchRanker):
            '''Count the items' texts that hold the query as it stands.'''

            def _learn(self, texts, weights, shop, run):
                self.texts_ = pl.Series([" ".join(parts) for parts in zip(*texts.values(), strict=True)])

            def _match(self, queries):
                held = [self.texts_.str.count_matches(query, literal=True) for query in queries]
                return np.stack([column.to_numpy() for column in held]).astype(np.float32)

    Judgments to learn from are read by `judged`; rankers made of others take `Members`, too.

    A request without a query is answered by popularity. A shop needs no events: its items' texts are enough.
    """

    keeps: ClassVar[Keeps] = "counts"
    laws: ClassVar[frozenset[str]] = frozenset(
        {"strangers get the popular", "events of no weight teach nothing"}
    )

    fields: str = DEFAULT
    """Columns of items that are read, some of title, category, brand, attributes and description; those that are
    missing are passed over. With weights, as in "title^2 brand", a word there counts so often."""
    spelling: bool = False
    """Whether words of a query that hardly an item has are taken for slips and corrected by those items have. Needs the
    extra `text`."""
    wishes: bool = False
    """Whether "under $50" and "给女儿" are read as what it may cost and for whom it is: items of another price stand
    below all others, those without a price stay."""
    personal: NonNegative = 0.0
    """Weight of the history's items beside the query, both in units of their spread; 0 answers everybody alike."""
    behaviour: str = "item_knn"
    """The ranker that says what goes with a history, where there is a weight."""

    def _check(self) -> None:
        parse_fields(self.fields, self.name)
        if self.personal:
            RANKERS.load(self.behaviour)

    @abstractmethod
    def _learn(
        self, texts: dict[str, list[str]], weights: dict[str, float], shop: Shop, run: Run
    ) -> None:
        """Learn from the texts of the items by field, and from the shop's judgments where it wants any."""

    @abstractmethod
    def _match(self, queries: Sequence[str]) -> np.ndarray:
        """Score all items for each query: float32 [queries, items]."""

    def fit(
        self,
        shop: Shop | Log,
        run: Run | None = None,
        *,
        log: Log | None = None,
        held: Held | None = None,
    ) -> Self:
        """Learn from a shop's items, judgments and events; of the three only items are needed.

        Raises `InputError` where there is a table of events without one on an item, and no judgments either.
        """
        if isinstance(shop, Log):
            raise InputError(
                f"The ranker {self.name!r} reads the text of the items, but it was given a log alone: fit it on a shop."
            )
        run = run or Run()
        if shop.has("events") and not shop.rows("judgments"):
            return super().fit(shop, run, log=log, held=held)
        other = log is not None or held is not None
        if log is None:
            log = Log.of(
                shop
                if shop.has("events")
                else shop.with_tables(events=pl.DataFrame(schema=NO_EVENTS))
            )
        self._fit_within(log, shop, run, held)
        self._fitted_on(None if other else shop)
        return self

    def by_updates(self) -> bool:
        """Whether it, or what it is made of, is taught by gradient updates."""
        return self.gradient

    def untaught(self) -> Self:
        """Return the same ranker as it is where a shop has no judgments: itself, unless it could learn nothing then."""
        return self

    def match(self, queries: Sequence[str], query: np.ndarray, items: Sequence[str]) -> np.ndarray:
        """Score pairs of `queries[query[i]]` and `items[i]`: float64 [pairs]; an unknown item scores -inf."""
        self.check_fitted()
        code = Vocabulary(self.items_).encode(pl.Series(items, dtype=pl.String))
        known = code >= 0
        scores = np.full(len(code), -np.inf)
        scores[known] = self._match_pairs(
            self._read(queries), np.asarray(query)[known], code[known]
        )
        return scores

    def match_all(self, queries: Sequence[str]) -> np.ndarray:
        """Score all fitted items for each query: float32 [queries, items]."""
        self.check_fitted()
        return self._match(self._read(queries))

    def _read(self, queries: Sequence[str]) -> Sequence[str]:
        """The queries as they are looked for: with their slips corrected where that is wanted."""
        if not self.spelling:
            return queries
        return [
            Corrected.of(" ".join(self._speller.correct(tokenise(query))), as_typed(query))
            for query in queries
        ]

    @cached_property
    def _speller(self) -> Speller:
        pairs = {(first, second): texts for first, second, texts in self.spelt_pairs_.iter_rows()}
        return Speller(dict(self.spelt_words_.iter_rows()), pairs)

    def _blocks(self, queries: int) -> Iterator[tuple[int, int]]:
        """Parts of so many queries whose scores of all items are held at once."""
        size = max(1, BLOCK_BYTES // (4 * max(1, len(self.items_))))
        for start in range(0, queries, size):
            yield start, min(queries, start + size)

    def _match_pairs(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        return self._match(queries)[query, item].astype(np.float64)

    def _fit(self, log: Log, shop: Shop | None, run: Run) -> None:
        assert shop is not None
        self.popularity_ = popularity(log)
        weights = present(shop, parse_fields(self.fields, self.name))
        texts = {name: field_texts(shop, name) for name in weights}
        if self.spelling:
            learned = Speller.learn(
                " \n ".join(parts) for parts in zip(*texts.values(), strict=True)
            )
            self.spelt_words_ = pl.DataFrame(
                sorted(learned.held.items()), ["word", "texts"], orient="row"
            )
            rows = sorted((*pair, texts) for pair, texts in learned.pairs.items())
            self.spelt_pairs_ = pl.DataFrame(rows, PAIRS, orient="row")
        self.behaviours_ = self._behaviour(log, shop, run)
        prices = shop.has("items", "price") and self.wishes
        self.price_ = (
            shop.table("items")["price"].to_numpy().astype(np.float64) if prices else np.zeros(0)
        )
        self._learn(texts, weights, shop, run)

    def _behaviour(self, log: Log, shop: Shop, run: Run) -> dict[str, Ranker]:
        """The ranker that knows what goes with a history, where there is a weight and an event."""
        return (
            {"behaviour": RANKERS.make(self.behaviour).fit(shop, run, log=log)}
            if self.personal and len(log)
            else {}
        )

    def _score(self, requests: Requests) -> np.ndarray:
        asked = self._texts_of(requests)
        scores = np.tile(self.popularity_.astype(np.float32), (len(requests), 1))
        rows = np.flatnonzero([bool(query) for query in asked])
        if len(rows):
            scores[rows] = self._answered([asked[row] for row in rows], requests, rows)
        return scores

    def _texts_of(self, requests: Requests) -> list[str]:
        """What each request looks for, "" where it is nothing."""
        return [query.strip() if query else "" for query in requests.queries] or [""] * len(
            requests
        )

    def _answered(self, asked: list[str], requests: Requests, rows: np.ndarray) -> np.ndarray:
        """Score all items for the queries `asked` in some rows of the requests: float32 [rows, items]."""
        assert requests.histories is not None
        wishes = [read_wishes(query) if self.wishes else Wishes(query) for query in asked]
        scores = self.match_all([wish.text for wish in wishes])
        if self.behaviours_:
            histories = requests.histories.select(rows)
            known = np.flatnonzero(histories.lengths() > 0)
            if len(known):
                likes = self.behaviours_["behaviour"]._score(
                    replace(NOBODY, histories=histories.select(known))
                )
                scores[known] = scaled(scores[known]) + np.float32(self.personal) * scaled(likes)
        for row, wish in enumerate(wishes if len(self.price_) else ()):
            dear, cheap = self.price_ > (wish.most or np.inf), self.price_ < (wish.least or 0.0)
            if (wrong := dear | cheap).any():
                scores[row, wrong] -= np.ptp(scores[row]) + 1.0
        return scores


def scaled(scores: np.ndarray) -> np.ndarray:
    """Scores in units of each row's spread, float32 [rows, columns]; 0 where all are alike."""
    deviation = scores.std(axis=1, keepdims=True, dtype=np.float64)
    centred = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64)
    return (centred / np.where(deviation > 1e-9, deviation, 1.0)).astype(np.float32)


def lifted(scores: np.ndarray, row: np.ndarray, item: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Put the pairs that were looked at more closely above all others of their row, by what was said of them.

    Changes `scores` [queries, items] at (row[i], item[i]) in place, and returns them; `said`: float64 [pairs].
    """
    floor, lowest = scores.max(axis=1) + 1.0, np.full(len(scores), np.inf)
    np.minimum.at(lowest, row, said)
    scores[row, item] = (floor[row] + said - lowest[row]).astype(np.float32)
    return scores


def without_history(queries: Sequence[str]) -> Requests:
    """One request for each query, of somebody unknown."""
    return replace(Requests.sessions([[] for _ in queries]), queries=list(queries))
