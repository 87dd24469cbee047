"""Ids that are one thing written in several ways: brought to one form, and never two things made one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import polars as pl

from wareloom.preparing.staged import FILE, GUESTS, ROW, TRANSACTION, Admitted, Staged
from wareloom.preparing.values import IDS

_INTEGER = r"^-?\d+(?:\.0+)?$"
_SCIENTIFIC = r"^\d(?:[.,]\d+)?[eE]\+?\d+$"
GUEST_SHARE = 0.03
"""Share of a table's rows above which a guest's id is no user."""
_TIMES_MORE = 3
"""How many times the next user's rows a user called 0 or -1 must have to be a guest."""


def one_form(staged: Mapping[str, Staged], told: Admitted) -> dict[str, Staged]:
    """Take the end .0 from ids that a program took for numbers, over all tables that hold the id.

    Only where every id of the kind is a number: then 1001 and 1001.0 cannot be two things. Numbers such as 1.001E+03
    are written out where all their digits are there; where a spreadsheet has rounded them, that is said.
    """
    out = dict(staged)
    if not any(s.has("_formed") and _any(s, "_formed") for s in staged.values()):
        return out
    for column in IDS:
        holders = [s for s in staged.values() if column in s.columns]
        if not holders:
            continue
        ids = pl.concat([s.scan().select(pl.col(column).alias("id")).drop_nulls() for s in holders])
        whole, science = (pl.col("id").str.contains(form) for form in (_INTEGER, _SCIENTIFIC))
        tidy = pl.col("id").filter(pl.col("id").str.contains(r"\.0+$")).first()
        numbers, example = (
            ids.select((whole | science).all().alias("all"), tidy.alias("first"))
            .collect(engine="streaming")
            .row(0)
        )
        if not numbers:
            continue
        powers = ids.filter(science).unique().collect(engine="streaming")["id"].sort()
        exact = {v: made for v in powers if (made := _written_out(v))}
        if rounded := [v for v in powers if v not in exact]:
            told.warnings.append(
                f"{len(rounded):,} different ids in {column} look rounded by a spreadsheet ({rounded[0]!r}): different "
                "ids may have become one. Export the column as text, and read again."
            )
        if rounded or not (example or exact):
            continue
        edit = pl.col(column).str.replace(r"\.0+$", "").replace(exact).alias(column)
        for one in holders:
            out[one.name] = out[one.name].edited(edit)
        example = example or next(iter(exact))
        became = re.sub(r"\.0+$", "", exact.get(example, example))
        told.notes.append(
            f"The ids in {column} are numbers, some of them written as {example!r}: they were read as {became!r}, "
            "in all tables."
        )
    return out


def _any(staged: Staged, flag: str) -> bool:
    return bool(
        pl.scan_parquet(staged.path, glob=False).select(pl.col(flag).any()).collect().item()
    )


def _written_out(number: str) -> str:
    """A number such as 1.001E+03 with all its digits; empty where it was rounded."""
    body, _, power = re.sub(r"[eE]\+?", "e", number).partition("e")
    whole, _, part = body.replace(",", ".").partition(".")
    places = int(power)
    return whole + part.ljust(places, "0") if part and len(part) == places else ""


def no_guests(staged: Mapping[str, Staged], told: Admitted) -> dict[str, Staged]:
    """Take the user from rows of guests, who are nobody in particular, where a session still says who belongs together.

    A guest is an id such as 0 or guest with more than 3 % of the rows; 0 and -1 must have three times those of the next
    user, since ids may be numbered from 0.
    """
    out = dict(staged)
    for name, one in staged.items():
        if not {"user_id", "session_id"} <= set(one.columns) or not _any(one, "_guest"):
            continue
        counts = one.scan().select("user_id").drop_nulls().group_by("user_id").len()
        top = counts.collect(engine="streaming").sort("len", "user_id", descending=[True, False])
        total = int(top["len"].sum())
        next_most = top.filter(~pl.col("user_id").is_in(GUESTS))["len"]
        most = int(next_most[0]) if len(next_most) else 0
        guests = {
            user: n
            for user, n in top.filter(pl.col("user_id").is_in(GUESTS)).iter_rows()
            if n > GUEST_SHARE * total
            and (user not in ("0", "-1") or (n >= _TIMES_MORE * most and len(top) > 1))
        }
        if not guests:
            continue
        theirs = pl.col("user_id").is_in(list(guests)) & pl.col("session_id").is_not_null()
        out[name] = one.edited(pl.when(~theirs.fill_null(False)).then("user_id").alias("user_id"))
        said = ", ".join(f"{user!r} ({n / total:.0%})" for user, n in guests.items())
        told.warnings.append(
            f"The user id {said} of the rows of {name} looks like a guest's, shared by many people: these rows keep "
            "their session and have no user. If it is one person, give it another id in the source."
        )
    return out


def sent_twice(staged: Staged) -> pl.DataFrame:
    """Numbers `_n` of purchases whose transaction, user and item an earlier event has; lines of one event are kept."""
    who = [c for c in ("user_id", "item_id") if c in staged.columns]
    bought = staged.scan().filter(
        pl.col("_defect").is_null()
        & pl.col(TRANSACTION).is_not_null()
        & (pl.col("event") == "purchase")
    )
    rows = bought.select("_n", TRANSACTION, *who, FILE, ROW).collect()
    key = [TRANSACTION, *who]
    first = [pl.col(c).first().over(key) for c in (FILE, ROW)]
    later = (pl.col(FILE) != first[0]) | (pl.col(ROW) != first[1])
    return rows.sort("_n").filter(later).select("_n")


_CANON: tuple[tuple[str, Callable[[pl.Expr], pl.Expr]], ...] = (
    ("an end .0", lambda c: c.str.replace(r"^(\d+)\.0+$", "$1")),
    ("zeros at the front", lambda c: c.str.replace(r"^0*(\d+)(?:\.0+)?$", "$1")),
    ("capitals and blanks", lambda c: c.str.to_lowercase().str.replace_all(r"[\s\x{a0}]+", "")),
)
"""Ways in which one id is written differently, by the words for what differs, the surest first."""


def meet(
    table: str, column: str, lost: pl.Series, keys: pl.DataFrame, told: Admitted
) -> pl.Expr | None:
    """Return what brings ids that `keys` lacks to the form there, where that is certain; None where nothing does.

    Certain is what one id here and one id there have in common, and no other id on either side: 7 is 007 only where
    there is no 7 there, and no second 007.
    """
    there = keys.to_series(0).rename("key").to_frame()
    left = lost.rename("id").to_frame()
    renames: dict[str, str] = {}
    for what, canon in _CANON:
        known = there.with_columns(form=canon(pl.col("key")))
        twins = known.filter(pl.col("form").is_duplicated())["form"].unique()
        here = left.with_columns(form=canon(pl.col("id")))
        alone = known.filter(~pl.col("form").is_in(twins.implode()))
        many = (
            here["form"].is_duplicated()
            if what != _CANON[0][0]
            else pl.repeat(False, len(here), eager=True)
        )
        found = here.filter(~many).join(alone, on="form", how="inner").sort("id")
        unsure = here.filter(pl.col("form").is_in(twins.implode()) | many)
        unsure = unsure.join(known, on="form", how="semi")
        if len(unsure):
            told.warnings.append(
                f"{table}.{column}: {unsure['id'][0]!r} and others may be one id or another that differ in {what}; "
                "they were kept apart."
            )
        if not len(found):
            continue
        renames |= dict(zip(found["id"], found["key"], strict=True))
        told.notes.append(
            f"{len(found):,} ids in {column} of {table} were found only without their difference in {what}: "
            f"{found['id'][0]!r} is {found['key'][0]!r}. {len(lost):,} were not found before, "
            f"{len(lost) - len(renames):,} are not now."
        )
        left = left.filter(~pl.col("id").is_in(list(renames)))
    if not renames:
        return None
    return pl.col(column).replace(renames).alias(column)
