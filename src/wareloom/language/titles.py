"""The parts of a title: brand, what the thing is, what describes it, its measures, its finish, its use."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wareloom.language.tokenise import tokenise

ROLES = ("head", "noun", "describes", "finish", "feature", "use", "size", "model", "brand", "more")
"""What a word can be in its title. head: the word that says what the thing is; noun: the words right before it;
describes: others of the main part; finish, feature, use: what follows "in", "with" and "for"; more: all else."""
HEAD, NOUN, DESCRIBES, FINISH, FEATURE, USE, SIZE, MODEL, BRAND, MORE = range(len(ROLES))

LEADS = {
    "in": FINISH,
    "with": FEATURE,
    "for": USE,
    "by": MORE,
    "from": MORE,
    "of": DESCRIBES,
    "适用": USE,
    "用于": USE,
}
SMALL = frozenset((
    "a", "an", "and", "at", "by", "for", "from", "in", "into", "is", "it", "no", "not", "of", "on", "or", "per",
    "plus", "the", "this", "to", "with", "w", "x", "your", "的", "和", "与",
))  # fmt: skip
"""Words that stand between the others"""
TALK = frozenset((
    "包邮", "正品", "新款", "新品", "特价", "促销", "热卖", "热销", "爆款", "现货", "专柜", "直销", "批发",
    "代购", "推荐", "优惠", "限时", "秒杀", "清仓", "旗舰店", "官方", "同款", "免运费", "厂家", "上新", "新上",
))  # fmt: skip
"""Chinese words that sell and that nobody looks for: free of postage, genuine, new, on sale"""
_BREAKS = re.compile(r"\s+[-–—|/]+\s+|[,;:()\[\]{}|，；：（）【】、！!。]+|\s{3,}")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")
BRAND_WORDS = 3
"""Words of the longest brand that is looked for"""
OFTEN, FIRST = 4, 0.8
"""Titles that begin with a brand where no column says so, and the share of all that hold these words."""
PRIOR = 8.0
"""Titles' worth of what all words do that each word's own habit is mixed with"""
RARELY = 0.25
"""How seldom the last word of the main part has to be the last elsewhere for another one to be taken for the head"""
NEARBY = 2
"""Words before the head that belong to its name"""
CHARACTERS = 2_000
"""Characters of a title that are read; nobody looks for what stands behind them"""


@dataclass(frozen=True)
class Title:
    """The words of a title in order, and what each is: `ROLES[roles[i]]`."""

    words: tuple[str, ...]
    roles: tuple[int, ...]


@dataclass(frozen=True)
class TitleReader:
    """Tells the parts of titles apart by what the words of the whole catalogue do."""

    heads: dict[str, float]
    """How often a word ends the main part of the titles that hold it there"""
    brands: frozenset[tuple[str, ...]]
    held: dict[str, int]
    """Titles that hold a word"""

    @classmethod
    def learn(cls, titles: Sequence[str], brands: Sequence[str | None] = ()) -> TitleReader:
        """Read all titles of a catalogue, and the brands where a column has them."""
        return cls._learn([_parted(title) for title in titles], brands)

    @classmethod
    def of_catalogue(
        cls, titles: Sequence[str], brands: Sequence[str | None] = ()
    ) -> tuple[TitleReader, list[Title]]:
        """Learn from all titles of a catalogue, and tell the parts of each."""
        parted = [_parted(title) for title in titles]
        reader = cls._learn(parted, brands)
        return reader, [reader._read(parts) for parts in parted]

    @classmethod
    def _learn(
        cls, parted: list[list[tuple[int, list[str]]]], brands: Sequence[str | None]
    ) -> TitleReader:
        held: Counter[str] = Counter()
        for parts in parted:
            held.update({word for _, words in parts for word in words})
        known = {tuple(tokenise(name)[:BRAND_WORDS]) for name in {*brands} - {None, ""} if name}
        found = frozenset(known or _first_words(parted)) - {()}
        ends, there = Counter[str](), Counter[str]()
        for parts in parted:
            main = [
                word
                for word in _without_brand(parts[0][1] if parts else [], found)[1]
                if _says(word)
            ]
            there.update(set(main))
            ends.update(main[-1:])
        usual = sum(ends.values()) / max(1, sum(there.values()))
        heads = {word: (ends[word] + PRIOR * usual) / (n + PRIOR) for word, n in there.items()}
        return cls(heads, found, dict(held))

    def read(self, title: str) -> Title:
        """Tell the parts of one title; words that say nothing are left out, and a brand is one word."""
        return self._read(_parted(title))

    def _read(self, parted: list[tuple[int, list[str]]]) -> Title:
        words: list[str] = []
        roles: list[int] = []
        for place, (lead, part) in enumerate(parted):
            brand, rest = _without_brand(part, self.brands) if place == 0 else ([], part)
            if brand:
                words.append(" ".join(brand))
                roles.append(BRAND)
            found = self._main(rest) if place == 0 else [_plain_role(word, lead) for word in rest]
            kept = [i for i, word in enumerate(rest) if not _is_small(word)]
            words += [rest[i] for i in kept]
            roles += [found[i] for i in kept]
        return Title(tuple(words), tuple(roles))

    def familiarity(self, word: str) -> float:
        """How well people know a word, by how many titles hold it: ln(1 + titles), 1 in the mean."""
        return math.log1p(self.held.get(word.partition(" ")[0], 0)) / self._mean

    @cached_property
    def _mean(self) -> float:
        return float(np.mean(np.log1p(list(self.held.values())))) if self.held else 1.0

    def _main(self, words: list[str]) -> list[int]:
        """Roles in the main part: the head is the last word that tends to be one."""
        roles = [_plain_role(word, DESCRIBES) for word in words]
        said = [i for i, word in enumerate(words) if _says(word)]
        if not said:
            return roles
        best = said[-1]
        if self.heads.get(words[best], 0.0) < RARELY:
            best = max(said, key=lambda i: (self.heads.get(words[i], 0.0), i))
        roles[best] = HEAD
        for i in [i for i in said if i < best][-NEARBY:]:
            roles[i] = NOUN
        return roles


def _parted(title: str) -> list[tuple[int, list[str]]]:
    """Part a title at its punctuation and at words such as "in" and "with": role and words of each part."""
    found: list[tuple[int, list[str]]] = []
    for place, chunk in enumerate(
        part for part in _BREAKS.split(title[:CHARACTERS]) if part and part.strip()
    ):
        lead: int = DESCRIBES if place == 0 else MORE
        part: list[str] = []
        for word in tokenise(chunk):
            if word in LEADS:
                if part:
                    found.append((lead, part))
                lead, part = LEADS[word], []
            else:
                part.append(word)
        if part:
            found.append((lead, part))
    return found


def _is_small(word: str) -> bool:
    """Whether nobody would look for a word: one that stands between others, sells, or is a single Latin letter."""
    return word in SMALL or word in TALK or (len(word) == 1 and word.isascii() and word.isalpha())


def _says(word: str) -> bool:
    """Whether a word can be the name of a thing."""
    return not _is_small(word) and not _DIGIT.search(word)


def _plain_role(word: str, lead: int) -> int:
    """What a word is by its form, else by where it stands."""
    if not _DIGIT.search(word):
        return lead
    unit = word.lstrip("0123456789./-x")
    return SIZE if len(unit) <= 4 and not _LETTER.match(word) else MODEL


def _without_brand(
    words: list[str], brands: frozenset[tuple[str, ...]]
) -> tuple[list[str], list[str]]:
    """Part the longest brand that a title begins with from the rest, which keeps a word at least."""
    for length in range(min(BRAND_WORDS, len(words) - 1), 0, -1):
        if tuple(words[:length]) in brands:
            return words[:length], words[length:]
    return [], words


def _first_words(parted: list[list[tuple[int, list[str]]]]) -> set[tuple[str, ...]]:
    """Runs of words that stand at the beginning of titles, and hardly anywhere else: the names of makers."""
    starts, all_places = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for parts in parted:
        for place, (_, words) in enumerate(parts):
            for length in range(1, BRAND_WORDS + 1):
                all_places.update(
                    {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}
                )
                if place == 0 and len(words) > length:
                    starts[tuple(words[:length])] += 1
    often = {run for run, n in starts.items() if n >= OFTEN and n >= FIRST * all_places[run]}
    spelt = {run for run in often if all(_says(word) for word in run)}
    # A brand of two words is one where its first word is hardly followed by another.
    return {
        run
        for run in spelt
        if len(run) == 1 or starts[run] >= FIRST * starts[run[:-1]] or run[:-1] not in often
    }
