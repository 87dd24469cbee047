"""Lexical: grades by rules on the words of query and product, without a model and without a human label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.core.settings import Positive, Share
from wareloom.language.titles import HEAD, NOUN, TitleReader
from wareloom.language.tokenise import tokenise, tokenise_all
from wareloom.rankers.search.index import at_pairs, counted, idf, learn_terms
from wareloom.shop import Shop
from wareloom.shop.texts import field_texts, parse_fields, present
from wareloom.synthesis.labels.base import HIGHEST, LabelSynthesizer


@dataclass(kw_only=True, eq=False)
class Lexical(LabelSynthesizer):
    """Grade by how much of the query the product's text holds, and by whether it is the thing that is looked for.

    grade = 3 × share^`strictness` × thing: share is the part of the query's words in the text, each weighed by how few
    products hold it (idf); thing is 1 where the query's head noun is among the words that say what the product is, 1 -
    `elsewhere` where it stands elsewhere in the text, `absent` where it is missing. The head of a query is its word
    that ends most titles, as `attributes` reads them. The confidence is |2 × share - 1| where the thing is clear, half
    of it where the head stands elsewhere.
    """

    strictness: Positive = 1.0
    """Above 1 a missing word costs more."""
    elsewhere: Share = 0.35
    """What is taken off where the head noun stands elsewhere in the text."""
    absent: Share = 0.3
    """What is left where the head noun is missing."""
    fields: str = "title category brand"
    """Columns of items that are read; those a shop lacks are passed over."""

    def _check(self) -> None:
        super()._check()
        parse_fields(self.fields, self.name)

    def _learn(self, shop: Shop, run: Run) -> None:
        self.__dict__.pop("_codes", None)
        columns = [
            field_texts(shop, name) for name in present(shop, parse_fields(self.fields, self.name))
        ]
        titles = self.catalogue_["title"].fill_null("").to_list()
        brands = self.catalogue_["brand"].to_list() if "brand" in self.catalogue_.columns else []
        reader, read = TitleReader.of_catalogue(titles, brands)
        words = tokenise_all(
            [" \n ".join(parts) for parts in zip(*columns, strict=True)], stem=True
        )
        named = [
            [w for w, role in zip(t.words, t.roles, strict=True) if role in (HEAD, NOUN)]
            for t in read
        ]
        things = pl.Series(
            [[s for w in t for s in tokenise(w, stem=True)] for t in named],
            dtype=pl.List(pl.String),
        )
        self.terms_ = learn_terms([words])
        self.there_ = counted(words, self.terms_)
        self.there_.data[:] = 1.0
        self.thing_ = counted(things, self.terms_)
        nobody = np.log1p((len(words) + 0.5) / 0.5)
        self.rarity_ = np.append(idf(self.there_), nobody).astype(np.float64)
        ends = pl.DataFrame({"word": list(reader.heads), "share": list(reader.heads.values())})
        stems = [(tokenise(word, stem=True) or [word])[-1] for word in ends["word"]]
        self.heads_ = (
            ends.with_columns(word=pl.Series(stems, dtype=pl.String))
            .group_by("word")
            .max()
            .sort("word")
        )

    def _grade(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray, run: Run
    ) -> tuple[np.ndarray, np.ndarray]:
        share, thing, elsewhere = self._measured(queries, query, item)
        kind = np.where(thing, 1.0, np.where(elsewhere, 1.0 - self.elsewhere, self.absent))
        sure = np.abs(2 * share - 1) * np.where(thing | ~elsewhere, 1.0, 0.5)
        return HIGHEST * share**self.strictness * kind, sure

    def _measured(
        self, queries: Sequence[str], query: np.ndarray, item: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Share of each query's rarity that the item holds, and whether its head is the thing, or stands elsewhere."""
        words = [list(dict.fromkeys(tokenise(text, stem=True))) for text in queries]
        head = np.array([self._head(each) for each in words], dtype=np.int64)
        flat = pl.Series(words, dtype=pl.List(pl.String))
        asked = counted(flat, self.terms_)
        weighed = asked.multiply(self.rarity_[None, :-1]).tocsr()
        lacking = flat.list.len().to_numpy() - np.diff(asked.indptr)
        all_of = np.asarray(weighed.sum(axis=1)).ravel() + lacking * self.rarity_[-1]
        held = at_pairs(weighed, self.there_, query, item)
        share = np.minimum(1.0, held / np.maximum(all_of[query], 1e-9))
        known = head[query] >= 0
        # Where nobody can say what is looked for, its name may stand anywhere.
        thing, there = np.zeros(len(query), dtype=bool), ~known
        if known.any():
            place = item[known], head[query[known]]
            thing[known] = np.asarray(self.thing_[place]).ravel() > 0
            there[known] = np.asarray(self.there_[place]).ravel() > 0
        return share, thing, there

    def _head(self, words: list[str]) -> int:
        """The word of a query that says what is looked for, as a code of `terms_`; -1 where no item has such a word."""
        codes, shares = self._codes
        known = [
            (shares.get(word, 0.0) + (0.1 if word == words[-1] else 0.0), place, word)
            for place, word in enumerate(words)
        ]
        known = [entry for entry in known if entry[2] in shares]
        return codes.get(max(known)[2], -1) if known else -1

    @cached_property
    def _codes(self) -> tuple[dict[str, int], dict[str, float]]:
        codes = {word: code for code, word in enumerate(self.terms_.to_list())}
        return codes, dict(self.heads_.iter_rows())
