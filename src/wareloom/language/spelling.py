"""A speller that knows the words of a catalogue and no others: what nobody sells is taken for a slip of the hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from wareloom.errors import needed
from wareloom.language.tokenise import tokenise

SHORTEST = 4
"""Letters a word needs so that it is corrected: in shorter ones one letter makes another word."""
EDGES = 2
"""Letters at least on each side of where two words are parted"""
CHOICES = 30
"""Words within reach among which the likeliest is looked for"""


@dataclass(frozen=True)
class Speller:
    """Replaces words of a query that the catalogue lacks, and joins or parts those it writes the other way.

    A word is kept where `enough` texts hold it, in singular or plural, where it has fewer than four letters, or
    anything but letters. Else it becomes the likeliest of: the words within one edit (Damerau-Levenshtein; two from six
    letters on), by ln(texts that hold it) less `cost` for the second edit and for another first letter; and the two
    words it falls into that stand side by side in `enough` texts. Where there is none it stays. Kernighan, Church and
    Gale (1990) give the reasoning: how often a word is meant times how likely the slip is.
    """

    held: dict[str, int]
    """Texts that hold a word"""
    pairs: dict[tuple[str, str], int]
    """Texts in which two words stand side by side, those of two texts or more"""
    enough: int = 2
    cost: float = 2.5
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    _words: list[str] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def learn(cls, texts: Iterable[str], *, enough: int = 2, cost: float = 2.5) -> Speller:
        """Read the words of a catalogue's texts, such as its titles."""
        held: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for text in texts:
            words = tokenise(text)
            held.update(set(words))
            pairs.update(set(pairwise(words)))
        return cls(dict(held), {pair: n for pair, n in pairs.items() if n >= 2}, enough, cost)

    def correct(self, words: Sequence[str]) -> list[str]:
        """Return the words as the catalogue writes them; two that it writes as one are followed by that one."""
        found: list[str] = []
        for word in words:
            found += self._corrected(word)
        joined = [a + b for a, b in pairwise(found) if self._is_known(a + b)]
        return found + joined

    def _corrected(self, word: str) -> tuple[str, ...]:
        if word not in self._known:
            self._known[word] = self._look_up(word)
        return self._known[word]

    def _is_known(self, word: str) -> bool:
        return any(self.held.get(form, 0) >= self.enough for form in (word, f"{word}s", word.removesuffix("s")))

    def _look_up(self, word: str) -> tuple[str, ...]:
        if len(word) < SHORTEST or not (word.isascii() and word.isalpha()) or self._is_known(word):
            return (word,)
        best, choice = -math.inf, tuple[str, ...]((word,))
        for near, edits in self._near(word, 1 if len(word) < SHORTEST + 2 else 2):
            chance = math.log(self.held[near]) - self.cost * (edits - 1 + (near[0] != word[0]))
            if chance > best:
                best, choice = chance, (near,)
        for place in range(EDGES, len(word) - EDGES + 1):
            two = word[:place], word[place:]
            chance = math.log(self.pairs.get(two, 0) or 1e-9)
            if self.pairs.get(two, 0) >= self.enough and chance > best - self.cost:
                best, choice = chance + self.cost, two
        return choice

    def _near(self, word: str, reach: int) -> list[tuple[str, int]]:
        """Known words within `reach` edits, with their edits; ties stand in order of the alphabet."""
        needed("rapidfuzz", "text", "Correcting the spelling of queries")
        from rapidfuzz import process
        from rapidfuzz.distance import DamerauLevenshtein

        if not self._words:
            self._words.extend(
                sorted(w for w, n in self.held.items() if n >= self.enough and w.isalpha() and len(w) > 2)
            )
        near = process.extract(word, self._words, scorer=DamerauLevenshtein.distance, score_cutoff=reach, limit=CHOICES)
        return [(known, int(edits)) for known, edits, _ in near]
