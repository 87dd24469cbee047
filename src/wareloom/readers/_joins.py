"""From the frames of many files to one frame a table: parts one after the other, columns side by side, items from what
judges or logs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from wareloom.preparing.door import ITEM, guarded
from wareloom.preparing.values import EMPTY
from wareloom.readers import Intake
from wareloom.readers._scan import TRACE
from wareloom.shop.schema import TABLES

LOOKED = 100_000
"""Rows in which repeated ids are looked for first"""
JOINED = {"items": "item_id", "users": "user_id"}
"""Tables whose files may hold other columns of the same rows, and the column they are joined on"""


class Part(NamedTuple):
    """One file's frame of a table."""

    file: str
    frame: pl.LazyFrame
    mapped: bool = False
    columns: frozenset[str] = frozenset()
    """Columns of the source that it was made of"""


def joined(parts: Mapping[str, Sequence[Part]], intake: Intake) -> dict[str, pl.LazyFrame]:
    """One frame a table.

    Files of items (or users) with other columns are joined on the id; with the same columns they are parts, one after
    the other. Where there is a table of items, what logs and judgments say of them is not used, and noted so.
    """
    tables = {}
    for table, found in parts.items():
        if table in JOINED and len(found) > 1:
            tables[table] = _of_ids(table, list(found), intake)
        else:
            tables[table] = pl.concat([p.frame for p in found], how="diagonal_relaxed")
    if "items" in tables:
        for name, about in intake.items_from_log.items():
            used = intake.value_from.get(name, "").partition(" × ")[0]
            left = [*intake.not_recognised.get(name, []), *(c for c in about.values() if c != used)]
            if left:
                intake.not_recognised[name] = left
        intake.items_from_log.clear()
    elif "judgments" in tables and (items := _judged(tables)) is not None:
        tables["items"] = items
    if "judgments" in tables:
        there = tables["judgments"].collect_schema().names()
        tables["judgments"] = tables["judgments"].drop([c for c in there if c.startswith(ITEM)])
    return tables


def _of_ids(table: str, parts: list[Part], intake: Intake) -> pl.LazyFrame:
    """One frame of several files about the same things."""
    key = JOINED[table]
    repeat = [_repeats(p, key) for p in parts]
    if any(repeat) and not all(repeat):
        for part in (p for p, again in zip(parts, repeat, strict=True) if again and not p.mapped):
            intake.say(
                f"{part.file} repeats its {table} and is no list of them: it is not read. A map can say what it is."
            )
            intake.not_recognised[part.file] = sorted(part.columns)
        parts = [p for p, again in zip(parts, repeat, strict=True) if not again or p.mapped]
    elif any(repeat):
        # Rows of which none is one of a kind are not to be joined: the door says what is wrong with them.
        return pl.concat([p.frame for p in parts], how="diagonal_relaxed")
    groups: list[list[Part]] = []
    for part in parts:
        like = next((g for g in groups if g[0].columns == part.columns or not part.columns), None)
        if like is None:
            groups.append([part])
        else:
            like.append(part)
    frames = [pl.concat([p.frame for p in g], how="diagonal_relaxed") for g in groups]
    if len(frames) == 1:
        return frames[0]
    names = [", ".join(p.file for p in g) for g in groups]
    whole = frames[0]
    for frame, name in zip(frames[1:], names[1:], strict=True):
        whole = _side_by_side(whole, frame, key)
        intake.say(f"{name} is joined to {names[0]} on {key}: both tell of the same {table}.")
        intake.joined.setdefault(names[0], []).append(name)
    return whole


def _repeats(part: Part, key: str) -> bool:
    """Whether a file names one id several times."""
    if key not in part.frame.collect_schema():
        return False
    ids = part.frame.select(pl.col(key).cast(pl.String)).drop_nulls()
    with guarded(part.file):
        first = ids.head(LOOKED).collect()
        if first[key].n_unique() < len(first):
            return True
        if len(first) < LOOKED:
            return False
        counts = ids.select(n=pl.len(), kinds=pl.col(key).n_unique()).collect(engine="streaming")
    return bool(counts["kinds"][0] < counts["n"][0])


def _side_by_side(left: pl.LazyFrame, right: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """Two frames about the same ids as one; where both have a column, the left one goes first."""
    id_ = pl.col(key).cast(pl.String).str.strip_chars()
    left, right = left.with_columns(id_.alias(key)), right.with_columns(id_.alias(key))
    there, more = left.collect_schema(), right.collect_schema()
    both = left.join(
        right, on=key, how="full", coalesce=True, suffix=" (right)", maintain_order="left_right"
    )
    made = []
    for name in dict.fromkeys((*there.names(), *more.names())):
        if name in there and name in more and name != key:
            one, other = pl.col(name), pl.col(f"{name} (right)")
            if name == "attributes":
                whole = pl.concat_list([one.fill_null([]), other.fill_null([])])
                made.append(pl.when(whole.list.len() > 0).then(whole).alias(name))
            elif there[name] == more[name]:
                made.append(pl.coalesce(one, other).alias(name))
            else:
                made.append(pl.coalesce(one.cast(pl.String), other.cast(pl.String)).alias(name))
        else:
            made.append(pl.col(name))
    return both.select(made)


def _judged(tables: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame | None:
    """The items of judgments that tell of them, and of the log beside them: of each the first cell that is filled."""
    told = []
    for name in ("judgments", "events"):
        if name not in tables:
            continue
        there = tables[name].collect_schema().names()
        about = [c for c in TABLES["items"].columns if ITEM + c in there]
        if name == "judgments" and not about:
            return None
        told.append(
            tables[name].select(
                _filled("item_id").alias("item_id"),
                *(_filled(ITEM + c).alias(c) for c in about),
                *(c for c in TRACE if c in there and c != "source_defect"),
            )
        )
    return first_of_each(pl.concat(told, how="diagonal_relaxed"), "item_id")


def first_of_each(frame: pl.LazyFrame, key: str) -> pl.LazyFrame:
    """One row an id, in the order in which they come: of each column the first cell that is filled."""
    rows = frame.drop_nulls(key)
    return rows.group_by(key, maintain_order=True).agg(pl.all().first(ignore_nulls=True))


def _filled(column: str) -> pl.Expr:
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return pl.when(~text.is_in(EMPTY)).then(text)
