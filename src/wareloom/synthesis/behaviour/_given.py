"""What a sample is given, as arrays: the users' past, and the items they begin with."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from wareloom.errors import InputError
from wareloom.shop import Log, Vocabulary
from wareloom.synthesis import Given


class Continued(NamedTuple):
    """The first users of some histories."""

    log: Log
    item: np.ndarray
    """int32 [events], codes into the fitted catalogue"""


def continued(given: Given, n: int, catalogue: pl.Series) -> Continued | None:
    """The first `n` users of the given histories that have events; None where there are no histories.

    Raises `InputError` where there are fewer, or an item that the catalogue does not have.
    """
    if given.histories is None:
        return None
    log = Log.of(given.histories)
    known = log.lengths() > 0
    if n > known.sum():
        raise InputError(f"Asked to continue {n} users, but the given histories hold {known.sum()} with events.")
    log = log.select(np.flatnonzero(known)[:n])
    return Continued(log, coded(log, catalogue))


def coded(log: Log, catalogue: pl.Series) -> np.ndarray:
    """Codes of a log's items in the fitted catalogue, int32 [events]; raises `InputError` for one that it lacks."""
    code = Vocabulary(catalogue).recode(log.items)[log.item]
    if np.any(code < 0):
        unknown = log.items.decode(log.item[code < 0][:1])[0]
        raise InputError(f"The given histories hold the item {unknown!r}, which the fitted shop does not know.")
    return code.astype(np.int32)


def starts(given: Given, catalogue: pl.Series) -> np.ndarray:
    """Codes of the items to begin with, int32; raises `InputError` for one that the catalogue does not have."""
    if not given.start_items:
        return np.empty(0, dtype=np.int32)
    codes = Vocabulary(catalogue).encode(given.start_items)
    if np.any(codes < 0):
        unknown = given.start_items[int(np.flatnonzero(codes < 0)[0])]
        raise InputError(f"The start item {unknown!r} is not in the fitted shop's catalogue.")
    # A copy can be written to: compiled code is of another type for an array that cannot.
    return np.array(codes)


def check_length(given: Given) -> None:
    """Raise `InputError` for a length that no user can have."""
    if given.length is not None and given.length < 1:
        raise InputError(f"Asked for users of {given.length} events; ask for at least 1.")
