"""Is anything of a single real user in what was learned, or in a sample of it? Planted users say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import Algorithm
from wareloom.shop import Shop
from wareloom.shop.log import Log
from wareloom.testing.shops import small_shop

PLANTED = 3
"""Users whose timelines, lengths and items are unlike anybody's"""
RUNS = {"times": 4, "items": 8, "lengths": 7}
"""Entries in a row by which one is known: by chance as many are not met"""
QUERY = "zinnwald quoll lamp for aunt mabel 4711"
"""What only one person ever looked for"""
SECOND = 1_000_000


def planted() -> tuple[Shop, dict[str, list[np.ndarray]]]:
    """A small shop with a few unmistakable users, and what each is known by.

    "times": gaps in microseconds, of odd seconds over months. "items": codes of items in a row, which nobody else has
    in that order. "lengths": events of sessions, all different and large.
    """
    shop = small_shop(users=40, items=30)
    rng = np.random.default_rng(5)
    items, events = shop.table("items")["item_id"], shop.table("events")
    begin = events["time"].min()
    parts, known = [events], dict[str, list[np.ndarray]](times=[], items=[], lengths=[])
    for number in range(PLANTED):
        sizes = np.array([11, 17, 5, 13, 7, 19, 9, 15, 21]) + number
        session = np.repeat(np.arange(len(sizes)), sizes)
        gap = rng.integers(11, 997, len(session)) * SECOND + rng.integers(1, SECOND, len(session))
        gap += np.where(np.diff(session, prepend=0) > 0, 86_400 * SECOND * (3 + number), 0)
        item = np.concatenate([rng.permutation(len(items)) for _ in range(5)])[: len(session)]
        at = pl.Series(np.cumsum(gap)).cast(pl.Duration("us"))
        parts.append(
            pl.DataFrame(
                {
                    "user_id": [f"planted-{number}"] * len(session),
                    "item_id": items.gather(item),
                    "event": ["purchase"] * len(session),
                    "time": pl.select(pl.lit(begin) + at).to_series(),
                    "origin": ["real"] * len(session),
                    "weight": [1.0] * len(session),
                },
                schema_overrides={"weight": pl.Float32},
            )
        )
        known["times"].append(gap[1:])
        known["items"].append(item.astype(np.int64))
        known["lengths"].append(sizes)
    whole = pl.concat(parts, how="diagonal")
    return shop.with_tables(events=whole), known


def holds_people(made: Algorithm, sample: Shop, known: dict[str, list[np.ndarray]]) -> str:
    """Where a planted user's row is met, in words; "" where none is."""
    for place, array in arrays(made):
        for what, rows in known.items():
            if _met(array, rows, RUNS[what]):
                return f"{place} has {RUNS[what]} in a row of a planted user's {what}"
    log = Log.of(sample)
    order = np.array(_codes(log, sample), dtype=np.int64)
    inner = np.diff(log.user) == 0
    gaps = np.where(inner, np.diff(log.time), -1)
    starts = np.flatnonzero(np.diff(log.user.astype(np.int64) * 2**31 + log.session, prepend=-1))
    told = {"times": gaps, "items": order, "lengths": np.diff(np.append(starts, len(log)))}
    for what, rows in known.items():
        if _met(told[what], rows, RUNS[what]):
            return f"the sample has {RUNS[what]} in a row of a planted user's {what}"
    return ""


def arrays(made: Algorithm) -> Iterator[tuple[str, np.ndarray]]:
    """Every row of whole numbers in what was learned, and times as their gaps: (where it is, int64)."""
    for part in (made, *_below(made)):
        for name, value in part.state().items():
            for column, array in _columns(value):
                if array.dtype.kind in "iu" and array.ndim == 1 and len(array) > min(RUNS.values()):
                    wide = array.astype(np.int64)
                    yield f"{name}{column}", wide
                    yield f"{name}{column}", np.diff(wide)


def _below(made: Algorithm) -> Iterator[Algorithm]:
    for held in made.parts().values():
        for part in held.values():
            yield part
            yield from _below(part)


def _columns(value: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, np.ndarray):
        yield "", value
    elif hasattr(value, "indices") and hasattr(value, "indptr"):
        yield ".indices", value.indices
    elif isinstance(value, pl.DataFrame):
        for name in value.columns:
            if value[name].dtype.is_integer() or value[name].dtype.is_temporal():
                yield f".{name}", value[name].to_physical().drop_nulls().to_numpy()
    elif isinstance(value, dict):
        for key, inner in value.items():
            for rest, array in _columns(inner):
                yield f"[{key}]{rest}", array


def _codes(log: Log, sample: Shop) -> list[int]:
    """Places of the events' items in the catalogue."""
    place = {name: code for code, name in enumerate(sample.table("items")["item_id"])}
    return [place[name] for name in log.items.ids.gather(log.item)]


def holds_query(made: Algorithm, sample: Shop) -> str:
    """Where the planted query is met, in words; "" where it is not."""
    for part in (made, *_below(made)):
        for name, value in part.state().items():
            if QUERY in _text(value):
                return f"{name} has the planted query"
    told = [t for t in ("judgments", "searches") if sample.has(t)]
    there = any(QUERY in set(sample.table(name)["query"]) for name in told)
    return "the sample has the planted query" if there else ""


def _text(value: Any) -> str:
    """All the texts of a table, a column or plain values, one after the other."""
    if isinstance(value, pl.DataFrame):
        return "\n".join(_text(value[name]) for name in value.columns)
    if isinstance(value, pl.Series):
        return "\n".join(map(str, value.to_list()))
    return str(value) if isinstance(value, str | list | tuple | dict) else ""


def _met(array: np.ndarray, rows: list[np.ndarray], run: int) -> bool:
    """Whether `run` neighbours of one of the rows stand side by side in an array."""
    if len(array) < run:
        return False
    windows = np.lib.stride_tricks.sliding_window_view(array, run)
    for row in rows:
        # By a first entry before all: of the windows that begin alike few are left.
        for at in range(len(row) - run + 1):
            there = windows[windows[:, 0] == row[at]]
            if len(there) and (there == row[at : at + run]).all(axis=1).any():
                return True
    return False
