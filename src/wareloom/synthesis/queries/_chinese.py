"""Chinese words as people type them: single characters stay with the word they stand at."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from wareloom.language.titles import BRAND, HEAD, Title

LONGEST = 6
"""Characters of a word with what is put to it"""
_SINGLE = re.compile(r"^[\u3400-\u9fff\uf900-\ufaff]$")
_TAKES = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\d]$")
_SPACE = re.compile(r"(?<=[\u3400-\u9fff\uf900-\ufaff]) | (?=[\u3400-\u9fff\uf900-\ufaff])")
_HAN = re.compile(r"^[\u3400-\u9fff\uf900-\ufaff]")


def whole(title: Title, odds: np.ndarray) -> tuple[Title, np.ndarray, list[int]]:
    """Put single characters to the word before, or else behind, as in 女 + 鞋 and 38 + 码.

    What divides Chinese into words leaves single characters where it knows no word, and nobody looks for one. Returns
    the title, the odds of its words (the largest of what was put together; float64 [words]) and of how many words each
    is made. Titles without single characters come back as they are.
    """
    if not any(map(_SINGLE.match, title.words)):
        return title, odds, [1] * len(title.words)
    groups = list[list[int]]()
    for place, word in enumerate(title.words):
        last = groups[-1] if groups else []
        text = "".join(title.words[i] for i in last)
        alone = len(last) == 1 and _SINGLE.match(text) is not None and _HAN.match(word) is not None
        fits = (
            last
            and (alone or (_SINGLE.match(word) and _TAKES.search(text)))
            and len(text + word) <= LONGEST
        )
        if fits and BRAND not in (title.roles[place], title.roles[last[-1]]):
            last.append(place)
        else:
            groups.append([place])
    words = tuple("".join(title.words[i] for i in group) for group in groups)
    roles = tuple(_role(title, group) for group in groups)
    return (
        Title(words, roles),
        np.array([odds[group].max() for group in groups]),
        [len(group) for group in groups],
    )


def is_han(word: str) -> bool:
    """Whether a word begins with a Chinese character."""
    return _HAN.match(word) is not None


def tidy(words: Sequence[str]) -> list[str]:
    """Leave out a Chinese word that says again what another one says: titles heap up names, queries do not.

    The words of a Chinese brand lose the spaces between them.
    """
    kept: list[str] = []
    for word in (_SPACE.sub("", word) for word in words):
        if is_han(word) and any(word in other for other in kept):
            continue
        kept = [
            other for other in kept if not (is_han(other) and is_han(word) and other in word)
        ] + [word]
    return kept


def _role(title: Title, group: list[int]) -> int:
    """The head's where it is there, else that of the longest word."""
    roles = [title.roles[i] for i in group]
    return (
        HEAD
        if HEAD in roles
        else max(zip(map(len, (title.words[i] for i in group)), roles, strict=True))[1]
    )
