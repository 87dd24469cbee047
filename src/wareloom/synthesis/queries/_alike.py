"""Which words of a catalogue sound alike, and which stand in the same places."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import polars as pl
from scipy import sparse

from wareloom.language.pinyin import sound
from wareloom.language.titles import SMALL
from wareloom.shop import Vocabulary

OFTEN = 10
"""Titles that must hold a word before its places say something"""
SHARED = 4
"""Places that two words must share at least"""
CROWD = 40
"""Words that may share a place; where more stand, the place says nothing"""
NEAREST = 3
"""Words that are kept for each"""
LIKE = 0.2
"""Cosine of their places above which two words are taken to be alike"""
_HAN_WORD = re.compile(r"^[\u3400-\u9fff\uf900-\ufaff]+$")


def by_sound(words: pl.Series) -> pl.DataFrame:
    """Return Chinese words, and characters, that share their sound with others: columns sound, word, times.

    `words`: the words of each title, lists of strings.
    """
    flat = words.explode(empty_as_null=False)
    han = flat.filter(flat.str.contains(_HAN_WORD.pattern))
    held = Counter(han.to_list())
    signs = Counter[str]()
    for word, times in held.items():
        for sign in word:
            signs[sign] += times
    rows = [(sound(word), word, float(times)) for word, times in sorted((signs | held).items())]
    frame = pl.DataFrame(
        rows, schema={"sound": pl.String, "word": pl.String, "times": pl.Float64}, orient="row"
    )
    return frame.filter(pl.len().over("sound") > 1)


def by_place(words: pl.Series, without: frozenset[str] = frozenset()) -> pl.DataFrame:
    """Return the nearest words by the places they stand at: columns word, other, likeness.

    A place is the pair of the word before and the word behind; words are as alike as the cosine of what they have at
    places, weighed by how few words stand there (distributional similarity: Lin 1998), and each has to be among the
    nearest of the other. `words`: the words of each title, lists of strings. Words with figures, small words and those
    of `without`, such as brands, have no likes.
    """
    seen = Counter[tuple[str, str, str]]()
    for title in words.to_list():
        around = ["^", *title, "$"]
        for before, word, behind in zip(around, title, around[2:], strict=False):
            if (
                word not in SMALL
                and word not in without
                and not any(sign.isdigit() for sign in word)
                and len(word) > 1
            ):
                seen[word, before, behind] += 1
    held = Counter[str]()
    for (word, _, _), times in seen.items():
        held[word] += times
    rows = [(w, f"{b}\t{a}", float(n)) for (w, b, a), n in sorted(seen.items()) if held[w] >= OFTEN]
    none = pl.DataFrame(schema={"word": pl.String, "other": pl.String, "likeness": pl.Float64})
    frame = pl.DataFrame(rows, schema=["word", "place", "times"], orient="row") if rows else None
    frame = (
        frame.filter((pl.len().over("place") > 1) & (pl.len().over("place") <= CROWD))
        if frame is not None
        else None
    )
    if frame is None or not len(frame):
        return none
    known, places = (Vocabulary(frame[name].unique().sort()) for name in ("word", "place"))
    column = places.encode(frame["place"])
    rare = np.log(1 + len(known) / np.bincount(column))
    value = np.log1p(frame["times"].to_numpy()) * rare[column]
    table = sparse.csr_matrix(
        (value, (known.encode(frame["word"]), column)), shape=(len(known), len(places))
    )
    norm = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    table = sparse.csr_matrix(sparse.diags(1 / np.maximum(norm, 1e-12)) @ table)
    there = sparse.csr_matrix(table > 0, dtype=np.int32)
    return _nearest(sparse.coo_matrix((table @ table.T).multiply(there @ there.T >= SHARED)), known)


def _nearest(alike: sparse.coo_matrix, known: Vocabulary) -> pl.DataFrame:
    """The `NEAREST` words of each that are as alike as `LIKE`, the nearest first."""
    kept = (alike.row != alike.col) & (alike.data >= LIKE)
    frame = pl.DataFrame(
        {
            "word": known.decode(alike.row[kept].astype(np.int64)),
            "other": known.decode(alike.col[kept].astype(np.int64)),
            "likeness": alike.data[kept].round(9),
        },
        schema_overrides={"word": pl.String, "other": pl.String},
    )
    # A plural is no synonym: the edit of number makes it.
    same = pl.col("word").str.strip_suffix("s") == pl.col("other").str.strip_suffix("s")
    near = (
        frame.filter(~same)
        .sort("word", "likeness", "other", descending=[False, True, False])
        .group_by("word", maintain_order=True)
        .head(NEAREST)
    )
    back = near.select(word="other", other="word")
    return near.join(back, on=["word", "other"], how="semi", maintain_order="left")
