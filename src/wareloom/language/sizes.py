"""Words as search needs them: sizes, dimensions and model numbers are found however people type them.

A shopper types "36 gas range", "2x6x10" or "dw705" where a title says "36 in.", "2 in. x 6 in. x 10 ft." or "DW705-2".
So dimensions fall into their numbers on both sides, and an item is found by the bare number of each of its sizes and by
the parts of its model numbers, too. A size that a query names with its unit is still looked for with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import polars as pl

from wareloom.language.tokenise import NAMES, NUMBER, tokenise

_NUMBERED = rf"{NUMBER}(?:in|ft|mm|cm|['\"])?"
_BETWEEN = re.compile(r"\s?(?:x|by|\*|×)\s?", re.IGNORECASE)
_DIMENSION = re.compile(rf"(?<![a-z0-9_.])(?:{_NUMBERED}{_BETWEEN.pattern}(?=\d))+", re.IGNORECASE)
"""All of "2x6x10" but its last number"""
_SIZE = re.compile(rf"({NUMBER})(?:{'|'.join(sorted({*NAMES.values()}, key=len, reverse=True))})")
_BARE = re.compile(NUMBER)
_PARTS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Terms:
    """How the texts of queries and items become the terms by which they find each other."""

    stem: bool = True
    """Whether English plurals are taken for their singular"""
    sizes: bool = True
    """Whether dimensions fall apart, and an item is found by bare numbers and parts of model numbers"""
    pairs: bool = False
    """Whether two words side by side are a term, too"""

    def words(self, text: str) -> list[str]:
        """Words of any text: "2x6x10 board" → 2, x, 6, x, 10, board."""
        return tokenise(_DIMENSION.sub(_apart, text) if self.sizes else text, stem=self.stem)

    def asked(self, query: str) -> list[str]:
        """Words, and pairs, that a query looks for."""
        words = self.words(query)
        return [*words, *side_by_side(words)] if self.pairs else words

    def found(self, text: str) -> list[str]:
        """Words by which an item with this text is found; pairs are apart, as they have a weight of their own."""
        return self.read(text)[0]

    def all_asked(self, queries: Iterable[str]) -> pl.Series:
        """What many queries look for: a Series of lists of strings."""
        return _lists(self.asked(query) for query in queries)

    def all_found(self, texts: Iterable[str]) -> pl.Series:
        """What many items are found by: a Series of lists of strings."""
        return _lists(self.found(text) for text in texts)

    def read(self, text: str) -> tuple[list[str], list[str]]:
        """Words by which an item with this text is found, and each two words side by side."""
        words = self.words(text)
        return ([*words, *also(words)] if self.sizes else words), side_by_side(words)

    def all_read(self, texts: Iterable[str]) -> tuple[pl.Series, pl.Series]:
        """What `read` says of many items: two Series of lists of strings."""
        both = [self.read(text) for text in texts]
        return _lists(words for words, _ in both), _lists(pairs for _, pairs in both)


def _apart(dimension: re.Match[str]) -> str:
    return _BETWEEN.sub(" x ", dimension[0])


def also(words: Sequence[str]) -> list[str]:
    """Return what an item with these words is found by, too: 36in → 36; dw705-2 → dw705, 2, dw7052."""
    found: list[str] = []
    for word in words:
        if not any(c.isdigit() for c in word) or _BARE.fullmatch(word):
            continue
        if size := _SIZE.fullmatch(word):
            found.append(size[1])
        elif len(parts := _PARTS.findall(word)) > 1:
            found += [*parts, "".join(parts)]
    return found


def side_by_side(words: Sequence[str]) -> list[str]:
    """Return each two words that follow one another, as one term with a space: gas, range → "gas range"."""
    return [f"{first} {second}" for first, second in pairwise(words)]


def _lists(terms: Iterable[list[str]]) -> pl.Series:
    return pl.Series(list(terms), dtype=pl.List(pl.String))
