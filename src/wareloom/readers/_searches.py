"""Logs that hold searches and what was chosen of them in one file: each row a query and the item that was clicked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set

import polars as pl

from wareloom.preparing.door import ROW
from wareloom.preparing.nothing import EMPTY, SIGNS
from wareloom.readers import Intake
from wareloom.readers._joins import Part, first_of_each
from wareloom.readers._names import plain, recognise, table_of
from wareloom.readers._orders import Came
from wareloom.readers._scan import TRACE, without_trace
from wareloom.readers._shape import Sheet, kind_of, sheet_cells

VAGUE = {"search", "keywords", "topic", "topics", "搜索"}
"""Names of a query that in a log may be whether or about what, and not what was typed"""
OWN_ID = "search_id"
"""What the column of ids that are made here is called"""


def with_searches(
    frames: Sequence[Came], mapped: Set[str], event: str, intake: Intake
) -> tuple[list[Came], list[Part]]:
    """Return `frames` with logs that have no column of queries left, and the searches that those columns tell of.

    A search is what one id of a search holds together; where there is none, or one id is several shoppers', rows of
    one shopper that follow each other with one query are one search. Rows without an item are searches alone. Files
    that are `mapped` stay, and all do where another file holds the searches. `event` is the kind of events of which no
    column says it.
    """
    tables = {c.name: table_of(c.name, without_trace(c.frame)) for c in frames}
    if "searches" in tables.values():
        return list(frames), []
    out, parts = [], []
    for came in frames:
        found = recognise("searches", without_trace(came.frame))
        who = found.get("user_id") or found.get("session_id")
        told = tables[came.name] == "events" and came.name not in mapped and who
        if not told or "query" not in found or plain(found["query"]) in VAGUE:
            out.append(came)
            continue
        log, searches = _apart(came, found, str(who), event, intake)
        out.append(came._replace(frame=log))
        parts.append(Part(came.name, searches, columns=frozenset(found.values())))
    return out, parts


def _apart(
    came: Came, found: dict[str, str], who: str, event: str, intake: Intake
) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The events and the searches of one file, with what was decided said."""
    frame, name, query = came.frame, came.name, found["query"]
    there = without_trace(frame)
    known = found.get("search_id", "")
    if not known or not _is_of_one(frame, known, who):
        frame = _numbered(frame, query, who)
        how = f"rows of one {who} that follow each other with one {query} are one search"
        if known:
            how = f"one {known} is several shoppers': {how}"
            frame = frame.drop(known) if known != OWN_ID else frame
        known = OWN_ID
        found["search_id"] = OWN_ID
    else:
        how = f"rows of one {known} are one search"
    events = recognise("events", there)
    only = ~_filled(events["item_id"]) & _filled(query, SIGNS)
    alone = int(frame.select(only.sum()).collect(engine="streaming").item() or 0)
    intake.columns.setdefault(name, {}).setdefault(query, "searches.query")
    if "event" in events:
        kind = f"as {events['event']} says"
    else:
        kind = f"{kind_of(events, event)} (--set event=NAME names another)"
    intake.say(
        f"{name} holds searches and what came of them: {how}; {alone} rows have no item. The others are events, their "
        f"kind {kind}."
    )
    return frame.filter(~only).drop(query), _of_file(frame, name, found)


def _of_file(frame: pl.LazyFrame, name: str, found: Mapping[str, str]) -> pl.LazyFrame:
    """One row a search: of each column the first cell that is filled."""
    rows = frame.filter(_filled(found["query"], SIGNS))
    sheet = Sheet(rows, name, "searches", dict(found), None)
    columns = [c for c in rows.collect_schema().names() if c not in TRACE]
    cells = sheet_cells(sheet, columns, {}, False)
    made = rows.select(*cells, *(c for c in TRACE if c in rows.collect_schema()))
    return first_of_each(made, "search_id")


def _numbered(frame: pl.LazyFrame, query: str, who: str) -> pl.LazyFrame:
    """The frame with ids of searches: the number of the row with which a shopper's run of one query begins."""
    text = pl.when(_filled(query, SIGNS)).then(pl.col(query).cast(pl.String).str.strip_chars())
    begins = text.ne_missing(text.shift(1))
    number = pl.when(begins).then(pl.col(ROW)).forward_fill().over(who)
    # Of shoppers who are not known each row is a search of its own.
    number = pl.when(_filled(who)).then(number).otherwise(pl.col(ROW))
    return frame.with_columns(
        pl.when(text.is_not_null()).then("s" + number.cast(pl.String)).alias(OWN_ID)
    )


def _is_of_one(frame: pl.LazyFrame, known: str, who: str) -> bool:
    """Whether each id of a search is one shopper's, as an id of a query is not."""
    rows = (
        frame.filter(_filled(known))
        .group_by(known)
        .agg(pl.col(who).drop_nulls().n_unique().alias("n"))
    )
    most = rows.select(pl.col("n").max()).collect(engine="streaming").item()
    return most is not None and most <= 1


def _filled(column: str, nothing: Collection[str] = EMPTY) -> pl.Expr:
    """Whether cells say something that is none of the words for `nothing`."""
    text = pl.col(column).cast(pl.String).str.strip_chars()
    return text.is_not_null() & ~text.is_in(list(nothing)).fill_null(False)
