"""A speller that knows the words of a catalogue and no others: what nobody sells is taken for a slip of the hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from wareloom.errors import needed
from wareloom.language.encoder import encoder_folder
from wareloom.language.pinyin import HAN, sound
from wareloom.language.tokenise import in_dictionary, tokenise

SHORTEST = 4
"""Letters a word needs so that it is corrected: in shorter ones one letter makes another word."""
EDGES = 2
"""Letters at least on each side of where two words are parted"""
CHOICES = 30
"""Words within reach among which the likeliest is looked for"""
WIDEST = 4
"""Chinese words side by side, at most, that are heard as one: what is written wrong is divided wrong"""


@dataclass(frozen=True)
class Speller:
    """Replaces words of a query that the catalogue lacks, and joins or parts those it writes the other way.

    A word is kept where `enough` texts hold it, in singular or plural, where it has fewer than four letters, or
    anything but letters. A word of English that nobody sells is a wish and no slip, as "couch" is none of "coach": it
    may be parted, no more. Else a word becomes the likeliest of: the words within one edit (Damerau-Levenshtein; two
    from six letters on), by ln(texts that hold it) less `cost` for the second edit and for another first letter; and
    the two words it falls into that stand side by side in `enough` texts. Where there is none it stays. Kernighan,
    Church and Gale (1990) give the reasoning: how often a word is meant times how likely the slip is.

    Chinese words that neither the catalogue nor the language has, and characters that nowhere stand side by side in it,
    become the word most texts hold of those that sound the same (pinyin without tones); so does pinyin that was sent
    off as Latin letters. A word of the language stays: it is a wish, if not for what is sold here. Characters stay
    beside the word that they were heard as.
    """

    held: dict[str, int]
    """Texts that hold a word"""
    pairs: dict[tuple[str, str], int]
    """Texts in which two words stand side by side, those of two texts or more"""
    enough: int = 2
    cost: float = 2.5
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    _words: list[str] = field(default_factory=list, compare=False, repr=False)
    _heard: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

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
        for word in self._as_heard(words):
            found += self._corrected(word)
        joined = [a + b for a, b in pairwise(found) if self._is_known(a + b)]
        return found + joined

    def _as_heard(self, words: Sequence[str]) -> list[str]:
        """Put in the catalogue's words for Chinese ones that it lacks and that sound like them."""
        found, place = list[str](), 0
        while place < len(words):
            for width in range(min(WIDEST, len(words) - place), 0, -1):
                if meant := self._meant(words[place : place + width]):
                    found += [meant, *(words[place : place + width] if width > 1 else ())]
                    place += width
                    break
            else:
                found.append(words[place])
                place += 1
        return found

    def _meant(self, words: Sequence[str]) -> str:
        """The word that is meant by Chinese words side by side; "" where they may be meant as they are."""
        joined = "".join(words)
        if (
            len(joined) < 2
            or not HAN.fullmatch(joined)
            or self._holds(joined)
            or in_dictionary(joined)
        ):
            return ""
        if len(words) > 1 and (
            len(words) < len(joined) or any(pair in self.pairs for pair in pairwise(words))
        ):
            return ""
        return self._sounds().get(sound(joined), "")

    def _sounds(self) -> dict[str, str]:
        """The word that most texts hold of each sound: "kou hong", and "kouhong" as it is typed."""
        if not self._heard:
            self._heard[""] = ""
            known = sorted(
                (-n, word) for word, n in self.held.items() if n >= self.enough and len(word) > 1
            )
            for _, word in known:
                if HAN.fullmatch(word):
                    said = sound(word)
                    for key in (said, said.replace(" ", "")):
                        self._heard.setdefault(key, word)
        return self._heard

    def _holds(self, word: str) -> bool:
        return self.held.get(word, 0) >= self.enough

    def _corrected(self, word: str) -> tuple[str, ...]:
        if word not in self._known:
            self._known[word] = self._look_up(word)
        return self._known[word]

    def _is_known(self, word: str) -> bool:
        return any(self._holds(form) for form in (word, f"{word}s", word.removesuffix("s")))

    def _look_up(self, word: str) -> tuple[str, ...]:
        if len(word) < SHORTEST or not (word.isascii() and word.isalpha()) or self._is_known(word):
            return (word,)
        if meant := self._sounds().get(word):
            return (meant,)
        best, choice = -math.inf, tuple[str, ...]((word,))
        reach = 0 if is_english(word) else 1 if len(word) < SHORTEST + 2 else 2
        for near, edits in self._near(word, reach) if reach else ():
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
                sorted(
                    w
                    for w, n in self.held.items()
                    if n >= self.enough and w.isalpha() and len(w) > 2
                )
            )
        near = process.extract(
            word, self._words, scorer=DamerauLevenshtein.distance, score_cutoff=reach, limit=CHOICES
        )
        return [(known, int(edits)) for known, edits, _ in near]


def is_english(word: str) -> bool:
    """Whether a word, in small letters, or what it is the plural of, is one that English texts have often.

    Those are what MiniLM's vocabulary holds whole: slips fall into pieces there. `MissingExtraError` without "text".
    """
    words = _english()
    singular = (word.removesuffix("s"), word.removesuffix("es"))
    return word in words or any(one in words for one in singular if len(one) >= SHORTEST)


@cache
def _english() -> frozenset[str]:
    held = (encoder_folder("", "speller") / "vocab.txt").read_text(encoding="utf-8").split()
    return frozenset(word for word in held if word.isalpha() and len(word) >= SHORTEST)
