"""How long queries are, which parts of a title they take and in what order: what is usual, or as a shop's own say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.language.titles import HEAD, ROLES, Title, TitleReader
from wareloom.language.tokenise import tokenise

LENGTHS = (0.07, 0.26, 0.31, 0.19, 0.10, 0.04, 0.02, 0.01)
"""Share of queries of 1, 2 … words where a shop has none of its own"""
RATES = {
    "head": 0.9, "noun": 0.55, "describes": 0.3, "finish": 0.2, "feature": 0.12, "use": 0.25, "size": 0.3,
    "model": 0.1, "brand": 0.25, "more": 0.06,
}  # fmt: skip
"""Share of the titles' words of a role that queries take, likewise"""
IN_ORDER = 0.7
"""Share of queries whose words stand as in the title, likewise"""
PRIOR = 20.0
"""Titles' worth of the usual that what a shop's queries say is mixed with"""
LEAST, MOST = 0.002, 0.98
"""Share of the titles with a word whose queries take it, at least and at most"""


@dataclass(frozen=True)
class Grammar:
    """What queries are made of."""

    lengths: np.ndarray
    """Share of queries of 1, 2 … words; float64"""
    rates: np.ndarray
    """Share of the words of each role that are taken; float64 [ROLES]"""
    habits: dict[str, float]
    """How much oftener than others of its role a word is taken, where real queries say so"""
    in_order: float

    @classmethod
    def usual(cls) -> Grammar:
        """What queries of shops are made of where nothing better is known."""
        lengths = np.array(LENGTHS) / sum(LENGTHS)
        return cls(lengths, np.array([RATES[role] for role in ROLES]), {}, IN_ORDER)

    @classmethod
    def learn(cls, queries: Sequence[str], titles: Sequence[Title]) -> Grammar:
        """Learn from real queries, each with the title of a product that answers it.

        A share is (taken + `PRIOR` × usual) / (offered + `PRIOR`).
        """
        usual = cls.usual()
        lengths, taken, offered = np.zeros(len(LENGTHS)), np.zeros(len(ROLES)), np.zeros(len(ROLES))
        by_word: dict[str, list[float]] = {}
        ordered = told = 0
        for query, title in zip(queries, titles, strict=True):
            words = tokenise(query, stem=True)
            if not words:
                continue
            lengths[min(len(words), len(LENGTHS)) - 1] += 1
            stems = [tokenise(word, stem=True) or [word] for word in title.words]
            hit = [all(part in words for part in stem) for stem in stems]
            for word, role, there in zip(title.words, title.roles, hit, strict=True):
                offered[role] += 1
                taken[role] += there
                seen = by_word.setdefault(word, [0.0, 0.0, float(role)])
                seen[0] += there
                seen[1] += 1
            places = [words.index(stem[0]) for stem, there in zip(stems, hit, strict=True) if there]
            if len(places) > 1:
                told += 1
                ordered += places == sorted(places)
        rates = (taken + PRIOR * usual.rates) / (offered + PRIOR)
        habits = {
            w: (hits + PRIOR * rates[int(r)]) / (n + PRIOR) / rates[int(r)]
            for w, (hits, n, r) in by_word.items()
        }
        shares = (lengths + PRIOR * usual.lengths) / (lengths.sum() + PRIOR)
        return cls(shares, rates, habits, (ordered + PRIOR * IN_ORDER) / (told + PRIOR))

    def weights(self, title: Title, reader: TitleReader) -> np.ndarray:
        """How readily each word of a title is taken, as odds: float64 [words].

        Where no real query says so, words that many titles hold are known to more people; a head is always known.
        """
        shares = []
        for word, role in zip(title.words, title.roles, strict=True):
            habit = self.habits.get(word)
            if habit is None:
                habit = 1.0 if role == HEAD else min(1.5, reader.familiarity(word))
            shares.append(min(MOST, max(LEAST, float(self.rates[role]) * habit)))
        found = np.array(shares)
        return found / (1 - found)
