"""Attributes: queries put together from what titles say a product is, without a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import NonNegative, Positive, Share
from wareloom.errors import require
from wareloom.language.titles import BRAND, DESCRIBES, HEAD, MODEL, NOUN, SIZE, Title, TitleReader
from wareloom.shop import Shop, Vocabulary
from wareloom.shop.keeps import Keeps
from wareloom.synthesis.queries._chinese import is_han, tidy, whole
from wareloom.synthesis.queries._edits import slip
from wareloom.synthesis.queries._forms import joined, ways
from wareloom.synthesis.queries._grammar import Grammar
from wareloom.synthesis.queries.base import QuerySynthesizer, real_queries

NAMES = (HEAD, NOUN, DESCRIBES, MODEL, BRAND)
"""Roles of words that can be looked for alone"""
ALONE = 6.0
"""What the log odds of others are lowered by in queries of one word"""
SETTLING, FEW = 6, 200
"""Rounds in which odds are moved towards real queries, and words of a role below which they stay"""


@dataclass(kw_only=True, eq=False)
class Attributes(QuerySynthesizer):
    """Take some words of a product's title, the sooner the more they say what it is, in an order people type them.

    Titles are parted at their punctuation and at words such as "in", "with" and "for"; brand, head noun, measures,
    finish and use are told apart by where the words of the whole catalogue stand. How many words a query has, how
    often it takes each part, and which words, is learned from the shop's real queries where it has any (those with a
    product that answered them), else what is usual in shops. `k` words are drawn without replacement with
    probabilities that go by odds (Gumbel top-k: Kool et al. 2019). English and Chinese.
    """

    keeps: ClassVar[Keeps] = "counts"

    length: NonNegative = 0.0
    """Words of a query in the mean; 0 as the shop's own queries, or as usual."""
    typos: Share = 0.05
    """Share of the queries with one slip of the hand."""
    variants: Share = 0.4
    """Share of the measures that are not written in the commonest way: '3 ft' as "3'"."""
    learn_queries: bool = True
    """Whether real queries are learned from where there are any: what is written is more like them, and teaches no
    more."""
    temperature: Positive = 1.0
    """Above 1 the choice of words is freer, below 1 stricter."""

    def _check(self) -> None:
        fits = self.length == 0 or self.length >= 1
        require(self.name, "length", self.length, fits, "0, or 1 or more")

    def _learn(self, shop: Shop, run: Run) -> None:
        for kept in ("_ways", "_spelt"):
            self.__dict__.pop(kept, None)
        titles = self.catalogue_["title"].fill_null("").to_list()
        brands = self.catalogue_["brand"].to_list() if "brand" in self.catalogue_.columns else []
        reader, read = TitleReader.of_catalogue(titles, brands)
        grammar, asked = self._grammar(shop, read)
        self.lengths_, self.in_order_ = _stretched(grammar.lengths, self.length), grammar.in_order
        made = [whole(title, grammar.weights(title, reader)) for title in read]
        read = [title for title, _, _ in made]
        words = pl.Series([title.words for title in read], dtype=pl.List(pl.String))
        flat = words.explode(empty_as_null=False)
        self.words_ = flat.unique().sort()
        self.offsets_ = np.concatenate([[0], np.cumsum(words.list.len().to_numpy())]).astype(
            np.int64
        )
        self.word_ = Vocabulary(self.words_).encode(flat).astype(np.int32)
        self.role_ = np.array([role for title in read for role in title.roles], dtype=np.int8)
        self.log_odds_ = np.log(
            np.concatenate([*(odds for _, odds, _ in made), np.zeros(0)])
        ).astype(np.float32)
        self.made_of_ = np.array(
            [number for _, _, numbers in made for number in numbers], dtype=np.int8
        )
        if len(asked):
            self._settle(
                np.clip(grammar.rates, 0.001, 0.999), asked, run.rng("attributes", "settling")
            )

    def _grammar(self, shop: Shop, read: list[Title]) -> tuple[Grammar, np.ndarray]:
        """What queries are made of, and the items that real ones are of, int64 [real queries with an item]."""
        real = real_queries(shop) if self.learn_queries else pl.DataFrame()
        if not len(real):
            return Grammar.usual(), np.zeros(0, dtype=np.int64)
        code = Vocabulary(self.catalogue_["item_id"]).encode(real["item_id"]).astype(np.int64)
        none = Title((), ())
        grammar = Grammar.learn(
            real["query"].to_list(), [read[c] if c >= 0 else none for c in code]
        )
        return grammar, code[code >= 0]

    def _write(self, items: np.ndarray, run: Run) -> Sequence[str]:
        rng = run.rng("attributes", "words")
        row, place, at, taken = self._taken(items, rng)
        moved = self._order(row, place, at, rng)
        taken = taken[np.lexsort((moved[taken], row[taken]))]
        varied, slips = rng.random(len(taken)) < self.variants, rng.random(len(items)) < self.typos
        which = rng.random(len(taken))
        said = self._said(
            row[taken], self.word_[at[taken]], np.where(varied, which, -1.0), len(items)
        )
        for r in np.flatnonzero(slips):
            if said[r]:
                chosen = int(rng.integers(len(said[r])))
                said[r][chosen] = slip(said[r][chosen], rng)
        return [joined(words) for words in said]

    def _taken(self, items: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Draw the words of a query for each item: the words offered as rows, places in their title and codes of the
        titles' words, int64 [offered] each, and which of them are taken, int64.
        """
        start, count = self.offsets_[items], np.diff(self.offsets_)[items]
        asked = 1 + rng.choice(len(self.lengths_), size=len(items), p=self.lengths_)
        row = np.repeat(np.arange(len(items)), count)
        place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        at = np.repeat(start, count) + place
        key = self.log_odds_[at] / self.temperature + rng.gumbel(size=len(at))
        # A word alone has to name the thing, its make or its model.
        key = np.where((asked[row] == 1) & ~np.isin(self.role_[at], NAMES), key - ALONE, key)
        best = np.lexsort((-key, row))
        # A word that was put together counts for as many as it is made of, and is taken where most of it fits.
        made_of, full = self.made_of_[at[best]].astype(np.int64), count[count > 0]
        before = np.cumsum(made_of) - made_of
        before -= np.repeat(before[np.cumsum(full) - full], full)
        return (
            row,
            place,
            at,
            best[(before == 0) | (before + (made_of - 1) / 2 < np.repeat(asked, count))],
        )

    def _settle(self, rates: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> None:
        """Move the odds until words of each role are taken as often as real queries take them.

        Each query has its number of words whatever its title offers, so that odds alone take too many of some roles.
        `items`: those real queries are of.
        """
        for _ in range(SETTLING):
            _, _, at, taken = self._taken(items, rng)
            offered = np.bincount(self.role_[at], minlength=len(rates))
            hits = np.bincount(self.role_[at[taken]], minlength=len(rates))
            share = np.clip((hits + rates) / (offered + 1), 0.001, 0.999)
            move = np.log(rates / (1 - rates)) - np.log(share / (1 - share))
            self.log_odds_ = (
                self.log_odds_ + np.where(offered > FEW, move, 0.0)[self.role_]
            ).astype(np.float32)

    def _said(
        self, row: np.ndarray, word: np.ndarray, choice: np.ndarray, number: int
    ) -> list[list[str]]:
        """The words of each of `number` queries as they are typed; `choice`: -1, or which of the rarer ways it is."""
        typed: list[list[str]] = [[] for _ in range(number)]
        plain: list[list[str]] = [[] for _ in range(number)]
        for r, code, other in zip(row.tolist(), word.tolist(), choice.tolist(), strict=True):
            forms = self._ways[code]
            form = (
                forms[1 + int(other * (len(forms) - 1))]
                if other >= 0 and len(forms) > 1
                else forms[0]
            )
            if not typed[r] or typed[r][-1] != form:
                typed[r].append(form)
                plain[r].append(self._spelt[code])
        return [
            tidy(bare) if any(map(is_han, bare)) else words
            for words, bare in zip(typed, plain, strict=True)
        ]

    def _order(
        self, row: np.ndarray, place: np.ndarray, at: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Where each word goes: as in the title, or with measures or the brand moved behind: float64 [words]."""
        kind = rng.random(row[-1] + 1 if len(row) else 0)[row]
        role, off = self.role_[at], 1 - self.in_order_
        behind = ((kind < off / 2) & (role == SIZE)) | (
            (kind < off) & (kind >= off / 2) & (role == BRAND)
        )
        return place + np.where(behind, 1e6, 0.0)

    @cached_property
    def _ways(self) -> list[tuple[str, ...]]:
        return [ways(word) for word in self._spelt]

    @cached_property
    def _spelt(self) -> list[str]:
        return self.words_.to_list()


def _stretched(shares: np.ndarray, mean: float) -> np.ndarray:
    """Tilt shares of 1, 2 … words exponentially until their mean is `mean`; 0 leaves them."""
    if not mean:
        return shares
    words, low, high = np.arange(1, len(shares) + 1), -20.0, 20.0
    for _ in range(60):
        tilt = (low + high) / 2
        tilted = (shares + 1e-12) * np.exp(tilt * (words - words.mean()))
        tilted /= tilted.sum()
        low, high = (tilt, high) if tilted @ words < mean else (low, tilt)
    return tilted
