"""Slips of the hand: what happens to a word that is typed in a hurry."""

from __future__ import annotations

import numpy as np

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
