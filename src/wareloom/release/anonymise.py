"""Logs without names: keyed pseudonyms, coarser times and places, texts without personal data, and who stands out.

It is no anonymity by itself: who knows four purchases of somebody finds the rest. What leaves is a release.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from wareloom.core.keys import read_key
from wareloom.core.settings import Settings, Size
from wareloom.core.state import write_whole
from wareloom.errors import RefusedError
from wareloom.release.attributes import (
    EVERY,
    Offender,
    Unit,
    cheapest,
    coarsened,
    offenders,
)
from wareloom.release.places import inside_of
from wareloom.release.texts import replaced, with_personal_data, without
from wareloom.shop import Shop
from wareloom.shop.schema import CATALOGUE

IDS = ("user_id", "session_id", "search_id", "dialogue_id", "order_id")
DIGITS = 32
"""Hexadecimal digits of a pseudonym: 128 bits"""
NAMED = 20
"""Offenders that a message names"""


@dataclass(frozen=True, kw_only=True)
class AnonymiseSettings(Settings):
    """How much of who and when is left."""

    time: Unit = "day"
    """The unit that times are cut to: hour, day, week, or kept. The order of a user's events stays."""
    place: Literal["region", "dropped"] = "region"
    """Whether countries, states and the first digits of postcodes stay, or no place at all."""
    text: Literal["replaced", "rejected"] = "replaced"
    """Whether personal data in texts is replaced by its kind, or takes its row along."""
    k: Size = 5
    """Users that share all values of their attributes, at least."""
    diversity: Size = 1
    """Different values of each sensitive attribute among users who share all others, at least."""
    sensitive: tuple[str, ...] = ()
    """Names of attributes that nobody knows of a user beforehand, such as income."""
    drop: tuple[str, ...] = ()
    """Names of attributes that are taken out."""
    offenders: Literal["refused", "blanked"] = "refused"
    """Whether users who stand out stop the work, or lose their attributes."""


def pseudonym(key: bytes, column: str, value: str) -> str:
    """The pseudonym of an id: HMAC-SHA256 (RFC 2104) over the kind of id and the id, 128 bits of it."""
    told = hmac.new(key, f"{column}\x1f{value}".encode(), hashlib.sha256).hexdigest()
    return f"{column[0]}{told[:DIGITS]}"


def anonymise(
    shop: Shop, to: str | Path, key: Path, settings: AnonymiseSettings | None = None
) -> dict[str, Any]:
    """Write `shop` without names to the folder `to`, and return what was done; it lies beside in TO.inside.json.

    Raises `RefusedError` where users stand out by their attributes, and writes nothing then.
    """
    settings, to = settings or AnonymiseSettings(), Path(to)
    folders = [shop.path] if shop.path else []
    secret = read_key(key, to, *folders, why="pseudonyms are to be the same")
    tables = {name: _renamed(shop.table(name), secret) for name in shop.names}
    done: dict[str, Any] = {"settings": asdict(settings), "coarser": {}}
    for name, column in (("users", "attributes"), ("events", "context")):
        if name in tables and column in tables[name].columns:
            series, changed = coarsened(
                tables[name][column],
                region=settings.place == "region",
                unit=settings.time,
                drop=settings.drop,
            )
            tables[name] = tables[name].with_columns(series)
            done["coarser"][f"{name}.{column}"] = changed
    cut = Shop.trusted(tables, _meta(shop, secret, settings)).keeping("people")
    cut, done["texts"] = _clean(cut, settings)
    cut, done["checks"] = _checked(cut, settings)
    ordered = {name: _ordered(cut.table(name), name, settings.time) for name in cut.names}
    made = cut.with_tables(**ordered).save(to)
    done["rows"] = {name: [shop.rows(name), made.rows(name)] for name in made.names}
    done["stays_inside"] = "measured on real users: not private itself"
    write_whole(inside_of(to), done)
    return done


def _meta(shop: Shop, key: bytes, settings: AnonymiseSettings) -> dict[str, Any]:
    kept = {name: shop.meta[name] for name in ("currency", "language") if name in shop.meta}
    # Two folders with one mark were made with one key; it says nothing of the key.
    mark = hmac.new(key, b"wareloom key", hashlib.sha256).hexdigest()[:8]
    return kept | {"anonymised": {"time": settings.time, "place": settings.place, "key": mark}}


def _renamed(frame: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """A table with pseudonyms for its ids."""
    for column in IDS:
        if column in frame.columns:
            old = frame[column].drop_nulls().unique()
            new = pl.Series([pseudonym(key, column, value) for value in old], dtype=pl.String)
            frame = frame.with_columns(
                pl.col(column).replace_strict(old, new, default=None, return_dtype=pl.String)
            )
    return frame


def _clean(shop: Shop, settings: AnonymiseSettings) -> tuple[Shop, dict[str, Any]]:
    """The shop without personal data in its texts, and how much there was."""
    brands = (
        tuple(shop.table("items")["brand"].drop_nulls().unique())
        if shop.has("items", "brand")
        else ()
    )
    if settings.text == "replaced":
        made, counts = replaced(shop, brands)
        return made, {"replaced": counts}
    bad = with_personal_data(shop, brands)
    rows = {name: int(mask.sum()) for name, mask in bad.rows.items()}
    return without(shop, bad), {"rejected": rows, "kinds": bad.kinds}


def _checked(shop: Shop, settings: AnonymiseSettings) -> tuple[Shop, dict[str, Any]]:
    """The shop as the checks of who stands out leave it, and what they found."""
    if not shop.has("users", "attributes"):
        return shop, {"users": 0, "offenders": []}
    users = shop.table("users")
    found = offenders(users, settings.k, settings.diversity, settings.sensitive)
    told = {
        "users": len(users),
        "k": settings.k,
        "diversity": settings.diversity,
        "offenders": [one.to_json() for one in found],
        "blanked": 0,
    }
    if not found:
        return shop, told
    if settings.offenders == "refused":
        raise RefusedError(_stand_out(users, found, settings))
    blanked = _blanked(users, [one.attributes for one in found], settings.sensitive)
    told["blanked"] = int((blanked["attributes"].list.len() < users["attributes"].list.len()).sum())
    again = offenders(blanked, settings.k, settings.diversity, settings.sensitive)
    if again:
        raise RefusedError(
            "Without their attributes the users who stood out are too few themselves: "
            f"{again[0].said}. Take out an attribute of all: --set drop=NAME."
        )
    return shop.with_tables(users=blanked), told


def _blanked(
    users: pl.DataFrame, groups: list[Mapping[str, str]], sensitive: tuple[str, ...]
) -> pl.DataFrame:
    """Users without the attributes of those who are in one of some groups."""
    wanted = {tuple(sorted(group.items())) for group in groups}
    out = [
        tuple(sorted((o["name"], o["value"]) for o in own or () if o["name"] not in sensitive))
        in wanted
        for own in users["attributes"].to_list()
    ]
    empty = pl.Series([[]], dtype=users.schema["attributes"])
    return users.with_columns(
        pl.when(pl.Series(out))
        .then(pl.lit(empty))
        .otherwise(pl.col("attributes"))
        .alias("attributes")
    )


def _stand_out(users: pl.DataFrame, found: list[Offender], settings: AnonymiseSettings) -> str:
    number = sum(one.users for one in found)
    lines = [f"  {one.said} ({', '.join(one.who)})" for one in found[:NAMED]]
    more = [f"  and {len(found) - NAMED:,} more"] if len(found) > NAMED else []
    best = cheapest(users, settings.k, settings.sensitive)
    first = f"--set drop={best[0]} leaves {best[1]:,} who stand out by k; " if best else ""
    return "\n".join(
        [
            f"Nothing was written: {number:,} of {len(users):,} users stand out by their attributes.",
            *lines,
            *more,
            f"  Remedy: {first}--set offenders=blanked takes the attributes of these users alone.",
        ]
    )


def _ordered(frame: pl.DataFrame, name: str, unit: Unit) -> pl.DataFrame:
    """Rows by pseudonym, then as they were in time, so that their order says nothing of who came first; times are cut.

    Within a user the order of events stays, also where their times are now the same.
    """
    if name in CATALOGUE:
        return frame
    owners = [
        c
        for c in ("user_id", "session_id", "dialogue_id", "search_id", "query")
        if c in frame.columns
    ]
    within = [pl.col(c) for c in ("time", "turn", "place") if c in frame.columns]
    if owners:
        frame = frame.sort([pl.coalesce(owners), *within], nulls_last=True, maintain_order=True)
    if "time" in frame.columns and unit != "kept":
        frame = frame.with_columns(pl.col("time").dt.truncate(EVERY[unit]))
    return frame
