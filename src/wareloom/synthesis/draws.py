"""Which draw an id is of: ORIGIN/7-3f9a2c1b is user 7 of one draw, and of no other.

The mark of a draw is a digest of all that decides its rows: the synthesizer, its settings, what it learned, the seed,
how many were asked for, and what was given. So the same recipe gives the same ids, and two draws share none.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from wareloom.core.family import Algorithm
from wareloom.core.run import Run
from wareloom.core.state import json_text
from wareloom.shop import Shop

if TYPE_CHECKING:
    from wareloom.synthesis import Condition

DIGITS = 8
"""Hexadecimal digits of a mark: two of a thousand draws share one with a chance of 1 in 10,000."""


def mark(drawer: Algorithm, n: int, run: Run | None = None, given: Condition | None = None) -> str:
    """Return the mark of one draw of `n` by a fitted synthesizer."""
    digest = hashlib.sha256(_learned(drawer))
    digest.update(json_text([n, (run or Run()).seed]).encode())
    for field in fields(given) if given is not None else ():
        value = getattr(given, field.name)
        if value not in (None, ()):
            digest.update(field.name.encode())
            _add(digest, _behaviour(value) if isinstance(value, Shop) else value)
    return digest.hexdigest()[:DIGITS]


def numbered(origin: str, number: pl.Expr | pl.Series | str, mark: str) -> pl.Expr:
    """Ids ORIGIN/NUMBER-MARK; `number` is a series, or a column's name.

    The number comes first, so that the ids of one draw sort as their numbers, as text, do.
    """
    return pl.format("{}/{}-{}", pl.lit(origin), number, pl.lit(mark))


def new_ids(origin: str, n: int, mark: str) -> pl.Series:
    """Return ORIGIN/0-MARK, ORIGIN/1-MARK, …"""
    return pl.select(numbered(origin, pl.Series(np.arange(n)), mark).alias("id")).to_series()


def _learned(algorithm: Algorithm) -> bytes:
    """A digest of an algorithm's name, settings and state, kept for as long as the state is the same objects."""
    state, parts = algorithm.state(), algorithm.parts()
    kept = vars(algorithm).get("_learned_digest")
    if kept is not None and not parts and _same(kept[0], state):
        found: bytes = kept[1]
        return found
    digest = hashlib.sha256(json_text([algorithm.name, algorithm.settings()]).encode())
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        _add(digest, value)
    for attribute, held in sorted(parts.items()):
        for key, part in held.items():
            digest.update(f"{attribute}/{key}".encode())
            digest.update(_learned(part))
    vars(algorithm)["_learned_digest"] = (state, digest.digest())
    return digest.digest()


def _same(before: dict[str, Any], now: dict[str, Any]) -> bool:
    return before.keys() == now.keys() and all(now[name] is value for name, value in before.items())


def _add(digest: Any, value: Any) -> None:
    """Take a value in by what it holds, not by how it lies in memory: it may have been saved and read again."""
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif hasattr(value, "tocsr"):
        matrix = value.tocsr()
        for part in (matrix.data, *(a.astype(np.int64) for a in (matrix.indices, matrix.indptr))):
            _add(digest, part)
    elif isinstance(value, pl.DataFrame):
        for column in value:
            digest.update(column.name.encode())
            _add(digest, column)
    elif isinstance(value, pl.Series):
        digest.update(str(value.dtype).encode())
        _add(digest, value.hash().to_numpy())
    elif isinstance(value, dict) and any(isinstance(one, np.ndarray) for one in value.values()):
        for name, one in sorted(value.items()):
            digest.update(str(name).encode())
            _add(digest, one)
    else:
        digest.update(_text(value))


def _text(value: Any) -> bytes:
    """A plain value as JSON; what cannot be written so is taken by its type alone."""
    try:
        return json_text(value).encode()
    except (TypeError, ValueError):
        return type(value).__qualname__.encode()


def _behaviour(shop: Shop) -> pl.DataFrame:
    """What a sample reads of a shop that it is given."""
    columns = [name for name in shop.columns("events") if name not in ("context", "weight")]
    return shop.scan("events").select(columns).collect()
