"""Files that complete each other: order headers (who and when) and lines (what), names of categories by their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

import polars as pl

from wareloom.readers import Intake
from wareloom.readers._lines import ORDER, STATE, STATES
from wareloom.readers._map import NothingTaken
from wareloom.readers._names import EMAILS, plain, recognise, table_of
from wareloom.readers._scan import TRACE

SEQUENCE = {"ordernumber", "orderseq", "ordersequence", "visitnumber"}
"""Names of a column that counts a user's orders, where there is no time"""
WITHIN = {"addtocartorder", "linenumber", "lineno", "position"}
"""Names of a column that counts the lines of an order"""
ADDRESS = "customer_email"
"""What the address of a header is called beside the lines: it tells guests apart"""
NAMED = ("name", "title", "label", "description")
"""What the column of names is called in a table of ids and names, where it is not called like its id"""


class Came(NamedTuple):
    """One file as it came."""

    name: str
    frame: pl.LazyFrame
    spread: Mapping[str, pl.LazyFrame | NothingTaken] = {}
    """Frames of JSON whose lists were spread over rows as it was read, by the path of the list; or why there is none"""


def with_headers(frames: Sequence[Came], mapped: Set[str], intake: Intake) -> list[Came]:
    """Return `frames` with users and times of order headers beside order lines, the headers taken out.

    A header has an order, a user and a time (or a number that counts the user's orders, by which the lines are put in
    order) and no item; lines have an order and an item, and no user or no state of the order. Files that have an order
    and neither user nor item (payments, reviews) are taken out too. All else stays as it is, as do files that are
    `mapped`, and all files where there are no headers or no lines.
    """
    found = [
        recognise("events", _columns(frame)) if name not in mapped else {}
        for name, frame, _ in frames
    ]
    orders = [
        _order(has, _columns(frame)) if has else ""
        for (_, frame, _), has in zip(frames, found, strict=True)
    ]
    counts = [_sequence(o, _columns(f)) for (_, f, _), o in zip(frames, orders, strict=True)]
    heads = [
        bool(o) and "user_id" in has and ("time" in has or bool(n)) and "item_id" not in has
        for o, has, n in zip(orders, found, counts, strict=True)
    ]
    lines = _lines(frames, found, orders, heads)
    if not any(heads) or not any(lines):
        return list(frames)
    names = [name for (name, *_), head in zip(frames, heads, strict=True) if head]
    for has, head in zip(found, heads, strict=True):
        if head:
            intake.logged.setdefault("user_id", set()).add(plain(has["user_id"]))
    known = pl.concat(
        [
            _header(frame, has, order, count)
            for (_, frame, _), has, head, order, count in zip(
                frames, found, heads, orders, counts, strict=True
            )
            if head
        ],
        how="diagonal",
    )
    known = known.drop_nulls("order").group_by("order").agg(pl.all().first())
    out = []
    for number, came in enumerate(frames):
        name, frame, has = came.name, came.frame, found[number]
        if lines[number]:
            out.append(Came(name, _joined(frame, has, orders[number], known)))
            intake.joined[name] = names
        elif heads[number]:
            there = _columns(frame)
            used = {orders[number], has["user_id"], has.get("time"), counts[number]}
            used |= {_state(there), _email(there)}
            if left := [c for c in _columns(frame) if c not in used]:
                intake.not_recognised[name] = left
        elif orders[number] and not {"user_id", "item_id"} & set(has):
            intake.not_recognised[name] = _columns(frame)
        else:
            out.append(came)
    return out


def _lines(
    frames: Sequence[Came],
    found: Sequence[Mapping[str, str]],
    orders: Sequence[str],
    heads: Sequence[bool],
) -> list[bool]:
    """Which files are lines of orders that lack what headers say: their user, or their state."""
    states = [bool(_state(_columns(came.frame))) for came in frames]
    told = any(head and state for head, state in zip(heads, states, strict=True))
    return [
        bool(order) and "item_id" in has and ("user_id" not in has or (told and not state))
        for order, has, state in zip(orders, found, states, strict=True)
    ]


def _columns(frame: pl.LazyFrame) -> list[str]:
    return [c for c in frame.collect_schema().names() if c not in TRACE]


def _order(has: Mapping[str, str], columns: Sequence[str]) -> str:
    """The column of orders: `entity_id` of Magento's headers, else the session where its name is an order's."""
    there = {plain(c): c for c in columns}
    if "entityid" in there and {"customerid", "customeremail"} & set(there):
        return there["entityid"]
    session = has.get("session_id", "")
    return session if plain(session) in ORDER else ""


def _state(columns: Sequence[str]) -> str:
    """The column of the order's state; empty where there is none."""
    there = {plain(c): c for c in columns}
    return next((there[name] for name in STATES if name in there), "")


def _email(columns: Sequence[str]) -> str:
    return next((c for c in columns if plain(c) in EMAILS), "")


def _sequence(order: str, columns: Sequence[str]) -> str:
    return next((c for c in columns if plain(c) in SEQUENCE and c != order), "")


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).str.strip_chars()


def _header(frame: pl.LazyFrame, has: Mapping[str, str], order: str, count: str) -> pl.LazyFrame:
    """The order's id, user, and time or number."""
    made = [_text(order).alias("order"), pl.col(has["user_id"]).cast(pl.String).alias("user_id")]
    if "time" in has:
        made.append(pl.col(has["time"]).cast(pl.String).alias("time"))
    else:
        made.append(_text(count).cast(pl.Int64, strict=False).alias(" sequence"))
    there = _columns(frame)
    if state := _state(there):
        made.append(_text(state).alias(STATE))
    if (email := _email(there)) and email != has["user_id"]:
        made.append(_text(email).alias(ADDRESS))
    return frame.select(made)


def _joined(
    frame: pl.LazyFrame, has: Mapping[str, str], order: str, known: pl.LazyFrame
) -> pl.LazyFrame:
    """Lines in their order, with the user and, where they have none, the time of their order."""
    columns = frame.collect_schema().names()
    if "user_id" in has:
        known = known.select("order", STATE)
    known = known.drop(["time"] if "time" in has else [], strict=False)
    if _state(columns):
        known = known.drop(STATE, strict=False)
    if _email(columns):
        known = known.drop(ADDRESS, strict=False)
    lines = frame.with_columns(_text(order).alias(" order"))
    both = lines.join(known, left_on=" order", right_on="order", how="left", maintain_order="left")
    if " sequence" in both.collect_schema():
        within = [_text(c).cast(pl.Int64, strict=False) for c in columns if plain(c) in WITHIN]
        # Users' first orders come first, then their second ones: the order of each user's events is right.
        both = both.with_columns(c.alias(f" within {n}") for n, c in enumerate(within))
        by = [" sequence", *([" order", " within 0"] if within else [])]
        both = both.sort(by, nulls_last=True, maintain_order=True)
        both = both.drop([" sequence", *(f" within {n}" for n in range(len(within)))])
    return both.drop(" order")


def with_queries(frames: Sequence[Came], mapped: Set[str], intake: Intake) -> list[Came]:
    """Return `frames` with the words of queries beside judgments that have their ids alone, those files taken out."""
    found = [
        {} if name in mapped else recognise("judgments", _columns(f)) | _search(_columns(f))
        for name, f, _ in frames
    ]
    needy = [{"search_id", "item_id", "grade"} <= set(has) and "query" not in has for has in found]
    texts = [{"search_id", "query"} <= set(has) and "item_id" not in has for has in found]
    if not any(needy) or not any(texts):
        return list(frames)
    words = pl.concat(
        [
            frame.select(
                _text(has["search_id"]).alias(" search"), pl.col(has["query"]).alias("query")
            )
            for (_, frame, _), has, text in zip(frames, found, texts, strict=True)
            if text
        ]
    )
    words = words.drop_nulls(" search").unique(" search", keep="first", maintain_order=True)
    names = [name for (name, *_), text in zip(frames, texts, strict=True) if text]
    out = []
    for came, has, lacks, text in zip(frames, found, needy, texts, strict=True):
        name, frame = came.name, came.frame
        if lacks:
            both = frame.with_columns(_text(has["search_id"]).alias(" search"))
            both = both.join(words, on=" search", how="left", maintain_order="left")
            out.append(Came(name, both.drop(" search")))
            intake.joined[name] = names
        elif not text:
            out.append(came)
    return out


def _search(columns: Sequence[str]) -> dict[str, str]:
    search = recognise("searches", columns).get("search_id")
    return {"search_id": search} if search else {}


def with_lookups(frames: Sequence[Came], mapped: Set[str], intake: Intake) -> list[Came]:
    """Return `frames` with the names that small tables of ids and names (aisles, departments) give, those taken out."""
    tables: dict[str, tuple[str, str, str]] = {}
    for name, frame, _ in frames:
        if name in mapped or not (pair := _id_and_name(name, _columns(frame))):
            continue
        if any(other != name and pair[0] in _columns(f) for other, f, _ in frames):
            tables[name] = pair
    if not tables:
        return list(frames)
    by_name = {c.name: c.frame for c in frames}
    out = []
    for came in frames:
        name, frame = came.name, came.frame
        if name in tables:
            continue
        there = _columns(frame)
        for lookup, (key, title, called) in tables.items():
            if name in mapped or key not in there or called in there:
                continue
            names = by_name[lookup].select(
                _text(key).alias(" key"), pl.col(title).cast(pl.String).alias(called)
            )
            names = names.drop_nulls(" key").unique(" key", keep="first", maintain_order=True)
            frame = frame.with_columns(_text(key).alias(" key")).join(
                names, on=" key", how="left", maintain_order="left"
            )
            frame = frame.drop(" key")
            intake.joined.setdefault(name, []).append(lookup)
        out.append(came._replace(frame=frame))
    return out


def _id_and_name(file: str, columns: Sequence[str]) -> tuple[str, str, str] | None:
    """The column of ids, the column of names, and what the names are called elsewhere; None for any other table."""
    if len(columns) != 2 or table_of(file, list(columns)) is not None:
        return None
    for key, title in (columns, columns[::-1]):
        stem = plain(key).removesuffix("id")
        if not stem or stem == plain(key):
            continue
        if plain(title) in (stem, f"{stem}name", *NAMED):
            return key, title, title if plain(title) not in NAMED else stem
    return None
