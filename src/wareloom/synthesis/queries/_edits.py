"""Edits of queries, each a pure function: slips of the hand, words that sound or mean alike, order, number, units.

Each says whether it keeps the label: whether a product that fits the query as it was fits it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wareloom.language.pinyin import sound
from wareloom.language.titles import SMALL
from wareloom.language.tokenise import tokenise
from wareloom.synthesis.queries._forms import ways

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_RUNS = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[^\u3400-\u9fff\uf900-\ufaff]+")

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_PLACE = {key: (row, column) for row, keys in enumerate(ROWS) for column, key in enumerate(keys)}
BESIDE = {
    key: "".join(
        other
        for other, (r, c) in _PLACE.items()
        if other != key and abs(r - row) <= 1 and -1 <= c - column + (r - row) * 0.5 <= 1
    )
    for key, (row, column) in _PLACE.items()
}
"""The keys beside a key"""
SHORTEST = 4
"""Letters of a word in which a slip is made: a shorter one might become another word"""
SLIPS = ("drop", "double", "swap", "beside", "drop", "double")
"""Drop a letter, double it, swap it with the next, hit the key beside; the first two happen oftest"""


def slip(word: str, rng: np.random.Generator) -> str:
    """Return the word with one slip, past its first letter; as it is where it is short or not of Latin letters."""
    if len(word) < SHORTEST or not (word.isascii() and word.isalpha()):
        return word
    place, kind = int(rng.integers(1, len(word))), SLIPS[int(rng.integers(len(SLIPS)))]
    letter = word[place]
    if kind == "drop":
        return word[:place] + word[place + 1 :]
    if kind == "double":
        return word[:place] + letter + word[place:]
    if kind == "swap" and place + 1 < len(word):
        return word[:place] + word[place + 1] + letter + word[place + 2 :]
    keys = BESIDE.get(letter, letter)
    return word[:place] + keys[int(rng.integers(len(keys)))] + word[place + 1 :]


@dataclass(frozen=True)
class Typed:
    """A query as it was typed, in pieces: words, and what stands before each, white space or nothing."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Typed:
        """Part a query at white space, and Chinese into words."""
        words, gaps = list[str](), list[str]()
        for chunk in text.split():
            first = True
            for run in _RUNS.findall(chunk):
                for word in tokenise(run) if _HAN.match(run) else [run]:
                    words.append(word)
                    gaps.append(" " if first and len(words) > 1 else "")
                    first = False
        return cls(tuple(words), tuple(gaps))

    def __str__(self) -> str:
        return "".join(gap + word for gap, word in zip(self.gaps, self.words, strict=True)).strip()

    def put(self, place: int, word: str, number: int = 1) -> Typed:
        """Put a word in the place of `number` words; "" takes them away."""
        middle = (word,) if word else ()
        gaps = (
            *self.gaps[:place],
            *self.gaps[place : place + len(middle)],
            *self.gaps[place + number :],
        )
        return Typed((*self.words[:place], *middle, *self.words[place + number :]), gaps)


@dataclass(frozen=True)
class Known:
    """What a catalogue teaches for edits."""

    sounds: dict[str, tuple[tuple[str, float], ...]]
    """Words and characters by their sound, each with how often it stands in titles"""
    likes: dict[str, tuple[tuple[str, float], ...]]
    """Words that stand where a word does, each with how alike they are"""
    heads: frozenset[str]
    """Words that name things"""
    words: frozenset[str]
    """All words"""

    @classmethod
    def nothing(cls) -> Known:
        """Where there is no catalogue to learn from."""
        return cls({}, {}, frozenset(), frozenset())


Edit = Callable[[Typed, Known, np.random.Generator], Typed | None]


def typo(query: Typed, known: Known, rng: np.random.Generator) -> Typed | None:
    """One slip of the hand in one word of Latin letters."""
    return _somewhere(query, lambda word: tuple(slip(word, rng) for _ in range(3)), rng)


def homophone(query: Typed, known: Known, rng: np.random.Generator) -> Typed | None:
    """A Chinese word, or one character of it, for one of the catalogue that sounds alike but for its tone."""

    def others(word: str) -> tuple[str, ...]:
        if not _HAN.match(word):
            return ()
        alike = _drawn(known.sounds.get(sound(word), ()), word, rng)
        if alike:
            return (alike,)
        place = int(rng.integers(len(word)))
        sign = _drawn(known.sounds.get(sound(word[place]), ()), word[place], rng)
        return (word[:place] + sign + word[place + 1 :],) if sign else ()

    return _somewhere(query, others, rng)


def synonym(query: Typed, known: Known, rng: np.random.Generator) -> Typed | None:
    """A word for one that stands in the same places of titles: often a synonym, sometimes a sister (red, blue)."""

    def others(word: str) -> tuple[str, ...]:
        alike = _drawn(known.likes.get(word.lower(), ()), word, rng)
        return (alike,) if alike else ()

    return _somewhere(query, others, rng)


def drop(query: Typed, known: Known, rng: np.random.Generator) -> Typed | None:
    """One word fewer; what names the thing stays where another word can go."""
    if len(query.words) < 2:
        return None
    places = [
        i
        for i in range(len(query.words))
        if any(map(_says, query.words[:i] + query.words[i + 1 :]))
    ]
    places = [i for i in places if query.words[i].lower() not in known.heads] or places
    return query.put(places[int(rng.integers(len(places)))], "") if places else None


def swap(query: Typed, known: Known, rng: np.random.Generator) -> Typed | None:
    """Two neighbouring words in the other order; figures and small words stay where they are."""
    free = [_says(word) for word in query.words]
    places = [
        i
        for i in range(len(free) - 1)
        if free[i] and free[i + 1] and query.words[i] != query.words[i + 1]
    ]
    if not places:
        return None
    place = places[int(rng.integers(len(places)))]
    words = query.words
    return Typed((*words[:place], words[place + 1], words[place], *words[place + 2 :]), query.gaps)


def number(query: Typed, known: Known, rng: np.random.Generator) -> Typed | None:
    """The plural for the singular of the last English word that names a thing, or the other way."""
    for place in range(len(query.words) - 1, -1, -1):
        word = query.words[place]
        if len(word) < 3 or not (word.isascii() and word.isalpha()):
            continue
        one = next((each for each in singulars(word) if each.lower() in known.words), "")
        if one:
            return query.put(place, one)
        if word.lower() in known.heads:
            return query.put(place, plural(word))
    return None


def units(query: Typed, known: Known, rng: np.random.Generator) -> Typed | None:
    """A measure written in another way: '3 ft' for "3 foot"."""
    found: list[tuple[int, int, list[str]]] = []
    for place in range(len(query.words)):
        for length in (2, 1):
            part = query.words[place : place + length]
            said = "".join(
                g + w for g, w in zip(("", *query.gaps[place + 1 :]), part, strict=False)
            )
            read = tokenise(said)
            if len(part) == length and len(read) == 1 and len(forms := ways(read[0])) > 1:
                found.append((place, length, [form for form in forms if form != said.lower()]))
                break
    if not found:
        return None
    place, length, others = found[int(rng.integers(len(found)))]
    return query.put(place, others[int(rng.integers(len(others)))], length)


@dataclass(frozen=True)
class Kind:
    """One kind of edit."""

    edit: Edit | None
    """None where a model makes it"""
    keeps: bool
    """Whether what fits the query as it was fits it as it is"""


KINDS = {
    "typo": Kind(typo, True),
    "homophone": Kind(homophone, True),
    "swap": Kind(swap, True),
    "number": Kind(number, True),
    "units": Kind(units, True),
    "synonym": Kind(synonym, False),
    "drop": Kind(drop, False),
    "masked": Kind(None, False),
    "translated": Kind(None, False),
}


def plural(word: str) -> str:
    """Return the regular plural of an English word."""
    low = word.lower()
    if low.endswith("y") and low[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if low.endswith(("s", "x", "z", "ch", "sh")) else f"{word}s"


def singulars(word: str) -> tuple[str, ...]:
    """Return what an English word may be the regular plural of, nothing where it does not look like one."""
    low = word.lower()
    if len(word) < 4 or not low.endswith("s") or low.endswith(("ss", "us", "is")):
        return ()
    if low.endswith("ies"):
        return (f"{word[:-3]}y", word[:-1])
    return (word[:-1], word[:-2]) if low.endswith("es") else (word[:-1],)


def _says(word: str) -> bool:
    """Whether a word says something by itself: no figure, no small word, no single Latin letter."""
    return word.isalpha() and word.lower() not in SMALL and (len(word) > 1 or not word.isascii())


def _somewhere(
    query: Typed, others: Callable[[str], tuple[str, ...]], rng: np.random.Generator
) -> Typed | None:
    """Replace the first word, in random order, for which there is another one."""
    for place in rng.permutation(len(query.words)).tolist():
        word = query.words[place]
        found = [other for other in others(word) if other and other != word]
        if found:
            return query.put(place, found[int(rng.integers(len(found)))])
    return None


def _drawn(weighed: Sequence[tuple[str, float]], word: str, rng: np.random.Generator) -> str:
    """Draw one of the words other than `word` by their weights; "" where there is none."""
    others = [(other, weight) for other, weight in weighed if other != word]
    if not others:
        return ""
    shares = np.array([weight for _, weight in others])
    return others[int(rng.choice(len(others), p=shares / shares.sum()))][0]
