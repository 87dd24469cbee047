"""Sequences of numbers that a folder stores, of whatever tool, and the runs they have in common with users."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from wareloom.errors import SourceError
from wareloom.shop.item_sets import distinct
from wareloom.shop.runs import run_codes

FEWEST = 2
"""Numbers below which a sequence is not looked at"""


class Stored(NamedTuple):
    """What lies in a folder."""

    numbers: list[np.ndarray]
    """int64, one after the other; rows of a matrix one after the other"""
    texts: list[pl.Series]
    """Columns and lists of text"""


def stored(folder: Path) -> Stored:
    """Read every npz, npy, safetensors, Parquet and JSON file below a folder; raises `SourceError` for what is broken.

    Numbers with a fraction are no codes and no times, and are left out; dates are microseconds since 1970.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder: give the one that the generator was saved to.")
    numbers, texts = list[np.ndarray](), list[pl.Series]()
    for path in sorted(folder.rglob("*")):
        try:
            for found in _read(path):
                if isinstance(found, pl.Series):
                    texts.append(found)
                elif (whole := _whole(found)) is not None:
                    numbers.append(whole)
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise SourceError(f"{path} cannot be read: {error}. Save the model again.") from error
    return Stored(numbers, texts)


def _read(path: Path) -> Iterator[np.ndarray | pl.Series]:
    kind = path.suffix
    if kind == ".npz":
        with np.load(path, allow_pickle=False) as held:
            yield from (held[name] for name in held.files)
    elif kind == ".npy":
        yield np.load(path, allow_pickle=False)
    elif kind == ".safetensors":
        from safetensors.numpy import load_file

        yield from load_file(path).values()
    elif kind == ".parquet":
        for column in pl.read_parquet(path, glob=False):
            yield from _column(column)
    elif kind == ".json":
        found = list(_lists(json.loads(path.read_text(encoding="utf-8"))))
        yield from (one for one in found if isinstance(one, pl.Series))
        lists = [one for one in found if isinstance(one, np.ndarray)]
        if lists:
            # A number that is nobody's between two lists.
            yield np.concatenate([np.append(one, -(2.0**61)) for one in lists])


def _column(column: pl.Series) -> Iterator[np.ndarray | pl.Series]:
    if isinstance(column.dtype, pl.List):
        column = column.explode()
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        yield column.cast(pl.String)
    elif column.dtype.is_temporal():
        yield column.cast(pl.Datetime("us")).cast(pl.Int64).drop_nulls().to_numpy()
    elif column.dtype.is_numeric():
        yield column.drop_nulls().to_numpy()


def _lists(value: Any) -> Iterator[np.ndarray | pl.Series]:
    """Lists of numbers, or of texts, anywhere in what JSON holds."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _lists(one)
    elif isinstance(value, list) and value:
        if all(isinstance(one, str) for one in value):
            yield pl.Series(value)
        elif all(isinstance(one, int | float) for one in value):
            yield np.asarray(value, dtype=np.float64)
        else:
            for one in value:
                yield from _lists(one)


def _whole(values: np.ndarray) -> np.ndarray | None:
    if values.dtype.kind not in "iuf" or values.size < FEWEST:
        return None
    flat = values.ravel()
    if values.dtype.kind == "f":
        flat = flat[np.isfinite(flat)]
        if len(flat) < FEWEST or (flat != np.round(flat)).any() or np.abs(flat).max() > 2**62:
            return None
    whole: np.ndarray = flat.astype(np.int64)
    return whole


class Runs(NamedTuple):
    """What users have in common with what is stored."""

    surprise: np.ndarray
    """float64 [users], how surprising the most surprising common run is"""
    length: np.ndarray
    """int64 [users], numbers in the longest one"""


def in_common(
    values: np.ndarray,
    offsets: np.ndarray,
    surprise: np.ndarray,
    among: Sequence[np.ndarray],
    longest: int,
) -> Runs:
    """The runs of users' values, int64 [events], that stand in one of some sequences.

    `surprise` [events]: what a value adds. Runs have two values at least and `longest` at most.
    """
    users, sums = len(offsets) - 1, np.concatenate([[0.0], np.cumsum(surprise)])
    whose = np.repeat(np.arange(users), np.diff(offsets))
    found = Runs(np.zeros(users), np.zeros(users, dtype=np.int64))
    mine = {}
    for sequence in among:
        still, ends = np.arange(len(values)), np.array([0, len(sequence)])
        for length in range(2, longest + 1):
            if length not in mine:
                mine[length] = run_codes(values, offsets, length)
            codes = mine[length][still]
            still, codes = still[codes != 0], codes[codes != 0]
            theirs = run_codes(sequence, ends, length)
            known = distinct(theirs[theirs != 0])
            if not len(still) or not len(known):
                break
            place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
            still = still[known[place] == codes]
            np.maximum.at(found.surprise, whose[still], sums[still + length] - sums[still])
            np.maximum.at(found.length, whose[still], length)
    return found
