"""Runs of tokens: what of a real dialogue may not stand in a synthetic one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

LEAST = 5
"""Dialogues from which on a run of tokens is a template, and nobody's own words"""
RUN = {"en": 12, "zh": 20}
"""Tokens of a run: twelve words; in Chinese, where a token is a sign, twenty signs are twelve words at the mean"""
_TOKEN = re.compile(r"[a-z0-9]+|[\u3400-\u9fff]")


def tokens(text: str, language: str) -> list[str]:
    """Return words and figures of a text without capitals, and Chinese sign by sign."""
    return _TOKEN.findall(text.lower())


def window(language: str) -> int:
    """Return how many tokens a run has."""
    return RUN.get(language, RUN["en"])


def hashes(words: Sequence[str], size: int) -> list[int]:
    """Return a hash of 63 bits for each run of so many tokens."""
    return [
        int.from_bytes(
            blake2b(" ".join(words[i : i + size]).encode(), digest_size=8).digest(), "little"
        )
        >> 1
        for i in range(len(words) - size + 1)
    ]


def runs_of(dialogues: Iterable[tuple[str, Sequence[str]]]) -> np.ndarray:
    """Return the hashes of runs that fewer than `LEAST` dialogues have: int64, sorted.

    `dialogues`: language and texts of each. Runs do not go beyond a turn.
    """
    parts = []
    for language, texts in dialogues:
        size = window(language)
        own = {h for text in texts for h in hashes(tokens(text, language), size)}
        parts.append(np.array(sorted(own), dtype=np.int64))
    if not parts:
        return np.array([], dtype=np.int64)
    values, counts = np.unique(np.concatenate(parts), return_counts=True)
    rare: np.ndarray = values[counts < LEAST]
    return rare


def copied(text: str, language: str, runs: np.ndarray) -> bool:
    """Return whether a text has a run that is some real dialogue's own."""
    words = tokens(text, language)
    size = window(language)
    if len(words) < size or not len(runs):
        return False
    own = np.array(hashes(words, size), dtype=np.int64)
    place = np.minimum(np.searchsorted(runs, own), len(runs) - 1)
    return bool((runs[place] == own).any())
