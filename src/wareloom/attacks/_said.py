"""What turns of dialogues have in common: the longest run of tokens, and how likely one text makes another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from wareloom.language.runs import tokens

LONGEST = 40
"""Tokens up to which a common run is measured"""
ORDER = 4
"""Tokens of the longest run by which a token is foretold, itself counted"""
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(frozen=True)
class Said:
    """Tokens of turns, one turn after the other."""

    codes: np.ndarray
    """uint64 [tokens]: a hash of each token"""
    left: np.ndarray
    """int64 [tokens]: tokens of the turn from here on, this one counted"""
    owner: np.ndarray
    """int64 [tokens]: whose turn it is"""

    def __len__(self) -> int:
        return len(self.codes)


def said_of(turns: pl.DataFrame) -> Said:
    """Return the tokens of turns: columns user and text. Chinese counts sign by sign."""
    words = [tokens(text, "") for text in turns["text"].to_list()]
    lengths = np.array([len(own) for own in words], dtype=np.int64)
    flat = pl.Series([w for own in words for w in own], dtype=pl.String)
    codes = flat.hash(seed=11).to_numpy() | np.uint64(1)
    ends = np.repeat(np.cumsum(lengths), lengths)
    owner = np.repeat(turns["user"].to_numpy().astype(np.int64), lengths)
    return Said(codes, ends - np.arange(len(flat), dtype=np.int64), owner)


def runs(said: Said, longest: int) -> list[np.ndarray]:
    """Hashes of all runs of 1 … `longest` tokens by where they begin: uint64 [tokens], 0 where a turn ends."""
    found, own = [said.codes], said.codes
    for size in range(2, longest + 1):
        there = said.left >= size
        if not there.any():
            break
        following = np.concatenate([said.codes[size - 1 :], np.zeros(size - 1, np.uint64)])
        own = np.where(there, _mixed(own * _FACTOR + following), np.uint64(0))
        found.append(own)
    return found


def _mixed(code: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = ((code ^ (code >> np.uint64(29))) * _MIX) | np.uint64(1)
    return mixed


def common(mine: Said, others: Said) -> np.ndarray:
    """The longest run of tokens from each token of `mine` on that `others` say within a turn: int64 [tokens]."""
    reach = np.zeros(len(mine), dtype=np.int64)
    for size, (own, theirs) in enumerate(
        zip(runs(mine, LONGEST), runs(others, LONGEST), strict=False), 1
    ):
        # A run of a size is one only where the shorter one is.
        there = (reach == size - 1) & (own != 0)
        if not there.any():
            break
        found = np.zeros(len(mine), dtype=bool)
        found[there] = np.isin(own[there], theirs[theirs != 0])
        reach[found] = size
    return reach


class Likelihood:
    """How likely each token is after those before it, by what others say, in runs of up to `ORDER`.

    Witten and Bell 1991: a token after a context has (c(context token) + t(context) · p(shorter)) / (c(context) +
    t(context)), with t(context) the number of different tokens seen after it.
    """

    def __init__(self, said: Said) -> None:
        self.total = max(1, len(said))
        self.tables = []
        every = runs(said, ORDER)
        for size, own in enumerate(every, 1):
            there = own != 0
            before = every[size - 2][there] if size > 1 else np.zeros(there.sum(), np.uint64)
            kinds, counts = np.unique(own[there], return_counts=True)
            context, times = np.unique(before, return_counts=True)
            first = np.unique(own[there], return_index=True)[1]
            whose, different = np.unique(before[first], return_counts=True)
            after = np.zeros(len(context))
            after[np.searchsorted(context, whose)] = different
            self.tables.append((kinds, counts, context, times, after))

    def of(self, said: Said) -> np.ndarray:
        """Natural logarithm of the probability of each token: float64 [tokens]."""
        every = runs(said, ORDER)
        likely = np.full(len(said), 1.0 / (self.total + 1))
        size_at = np.arange(len(said))
        for size, table in enumerate(self.tables[: len(every)], 1):
            kinds, counts, context, times, after = table
            # The run of this size that ends at a token begins `size` - 1 before it.
            start = size_at - (size - 1)
            there = start >= 0
            there[there] &= said.left[start[there]] >= size
            at, begin = size_at[there], start[there]
            own = every[size - 1][begin]
            before = every[size - 2][begin] if size > 1 else np.zeros(len(own), np.uint64)
            hit, seen = _looked(kinds, counts, own), _looked(context, times, before)
            new = _looked(context, after, before)
            known = seen > 0
            values = (hit + new * likely[at]) / np.maximum(seen + new, 1e-12)
            likely[at[known]] = values[known]
        return np.log(likely)


def _looked(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Values by sorted keys, 0 where there is none: float64."""
    if not len(keys):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0.0)
