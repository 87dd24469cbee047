"""What of a language model's answer is a query, and what is none."""

from __future__ import annotations

import re
import unicodedata

from wareloom.language.personal import personal_data
from wareloom.language.safety import blocked, injected
from wareloom.language.tokenise import tokenise

LONGEST = 12
"""Words of a query at most; what is longer is no query"""
LETTERS = 120
"""Letters and signs of it at most"""
_LEAD = re.compile(r"^\s*(?:[-*•\d.)]+\s+)?(?:(?:search|query|搜索词?)\s*[:：]\s*)?", re.IGNORECASE)
_BROKEN = ("Cc", "Cn", "Co", "Cs")


def first_query(text: str, title: str, block: tuple[str, ...]) -> str:
    """Return the first line of an answer as a query, "" where it is none.

    It is one if it has a word, at most twelve, is no copy of the title, no broken text, and holds no personal data, no
    word of `block` and no instruction.
    """
    lines = text.strip().splitlines()
    query = _LEAD.sub("", lines[0]).strip(" \t\"'“”‘’「」.。") if lines else ""
    words = tokenise(query)
    if (
        not words
        or len(words) > LONGEST
        or len(query) > LETTERS
        or query.casefold() == title.strip().casefold()
    ):
        return ""
    if any(sign == "\ufffd" or unicodedata.category(sign) in _BROKEN for sign in query):
        return ""
    return "" if personal_data(query) or blocked(query, block) or injected(query) else query


def foreign_numbers(query: str, title: str) -> list[str]:
    """Return the words of a query that hold a digit and that the title lacks."""
    known = {*tokenise(title)}
    return [
        word
        for word in tokenise(query)
        if any(sign.isdigit() for sign in word) and word not in known
    ]


def borrowed(query: str, title: str) -> float:
    """Return the share of a query's words that stand in the title, in singular or plural; 0 for a query without one."""
    words, known = tokenise(query, stem=True), {*tokenise(title, stem=True)}
    return sum(word in known for word in words) / max(1, len(words))
