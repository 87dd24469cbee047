"""What a sample is given, as arrays: the users' past, and the items they begin with."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import polars as pl

from wareloom.errors import InputError, near
from wareloom.shop import Log, Vocabulary
from wareloom.synthesis import Given


class HasCatalogue(Protocol):
    """A fitted synthesizer."""

    catalogue_: pl.DataFrame


def known_items(fitted: HasCatalogue) -> Vocabulary:
    """The ids of a fitted catalogue, made once: a live session has no time for it."""
    catalogue, kept = fitted.catalogue_, vars(fitted).get("_known_items")
    if kept is None or kept[0] is not catalogue:
        kept = vars(fitted)["_known_items"] = (
            catalogue,
            Vocabulary(catalogue["item_id"], lasting=True),
        )
    found: Vocabulary = kept[1]
    return found


def continued(given: Given, n: int, items: Vocabulary) -> Log | None:
    """The first `n` users of the given histories that have events, in codes of `items`; None without histories.

    Raises `InputError` where there are fewer, or an item that `items` does not have.
    """
    if given.histories is None:
        return None
    log = Log.of(given.histories, items=items)
    known = log.lengths() > 0
    if n > known.sum():
        raise InputError(
            f"Asked to continue {n} users, but the given histories hold {known.sum()} with events."
        )
    return log.select(np.flatnonzero(known)[:n])


def coded(log: Log, catalogue: pl.Series) -> np.ndarray:
    """Codes of a log's items in the fitted catalogue, int32 [events]; raises `InputError` for one that it lacks."""
    code = Vocabulary(catalogue).recode(log.items)[log.item]
    if np.any(code < 0):
        unknown = log.items.decode(log.item[code < 0][:1])[0]
        raise InputError(
            f"The given histories hold the item {unknown!r}, which the fitted shop does not know."
        )
    return code.astype(np.int32)


def starts(given: Given, items: Vocabulary) -> np.ndarray:
    """Codes of the items to begin with, int32; raises `InputError` for one that `items` does not have."""
    if not given.start_items:
        return np.empty(0, dtype=np.int32)
    codes = items.encode(given.start_items)
    if np.any(codes < 0):
        unknown = given.start_items[int(np.flatnonzero(codes < 0)[0])]
        close = near(unknown, items.ids)
        raise InputError(
            f"The start item {unknown!r} is not in the fitted shop's catalogue.{close}"
        )
    # A copy can be written to: compiled code is of another type for an array that cannot.
    return np.array(codes)


def check_length(given: Given) -> None:
    """Raise `InputError` for a length that no user can have."""
    if given.length is not None and given.length < 1:
        raise InputError(f"Asked for users of {given.length} events; ask for at least 1.")
