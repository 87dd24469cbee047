"""Words as search needs them: sizes, dimensions and model numbers are found however people type them.

A shopper types "36 gas range", "2x6x10" or "dw705" where a title says "36 in.", "2 in. x 6 in. x 10 ft." or "DW705-2".
So dimensions fall into their numbers on both sides, and an item is found by the bare number of each of its sizes and by
the parts of its model numbers, too. A size that a query names with its unit is still looked for with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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


def search_words(text: str, *, stem: bool = True) -> list[str]:
    """Return the words of a query or of an item's text, dimensions apart: "2x6x10 board" → 2, x, 6, x, 10, board."""
    return tokenise(_DIMENSION.sub(_apart, text), stem=stem)


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


def found_terms(texts: Iterable[str], *, stem: bool = True) -> pl.Series:
    """Return the words that items' texts are found by: a Series of lists of strings, one a text."""
    words = (search_words(text, stem=stem) for text in texts)
    return pl.Series([[*each, *also(each)] for each in words], dtype=pl.List(pl.String))


def asked_terms(queries: Iterable[str], *, stem: bool = True, pairs: bool = False) -> pl.Series:
    """Return the terms that queries look for: a Series of lists of strings, words and, where asked for, pairs."""
    words = [search_words(query, stem=stem) for query in queries]
    if pairs:
        words = [[*each, *side_by_side(each)] for each in words]
    return pl.Series(words, dtype=pl.List(pl.String))
