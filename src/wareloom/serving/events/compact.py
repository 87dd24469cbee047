"""From the log to tables: finished segments become a partition that is a shop, through the same door as any source.

Each event is there once, by the id that its client gave: the first that came counts. A partition is written beside and
renamed, and names the segments it was made of; those are deleted after. Whoever is killed in between leaves segments
that a partition names, and they are deleted the next time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from wareloom.core.files import locked
from wareloom.core.run import Run
from wareloom.core.secrets import scrubbed
from wareloom.core.state import write_json
from wareloom.errors import SchemaError
from wareloom.readers import read
from wareloom.serving.events.log import finish, finished
from wareloom.serving.events.outbox import sink_at
from wareloom.serving.events.parts import MARKER, erase_digests, partitions, told_by
from wareloom.serving.files.frames import read_records
from wareloom.serving.versions.store import Store
from wareloom.shop import Shop

IDS, EXPOSURES, HIDDEN = "ids.parquet", "exposures.parquet", "hidden.parquet"
PATIENCE = 5.0
"""Seconds in which processes finish the segments that they write"""
COLUMNS: dict[str, Any] = {
    "user_id": pl.String,
    "session_id": pl.String,
    "item_id": pl.String,
    "event": pl.String,
    "time": pl.Int64,
    "position": pl.Int64,
    "quantity": pl.Float64,
    "value": pl.Float64,
}
ASKED: dict[str, Any] = {"request": pl.String, "query": pl.String}


class Compacted(NamedTuple):
    """What one run of the compactor did."""

    partition: Path | None
    events: int
    """In the partition"""
    rejected: int
    """Set aside by the door, with reasons, in `shop/rejected`"""
    repeated: int
    """Left out, as their ids were there already"""
    differing: int
    """Of these, those whose content was another one"""
    torn: int
    """Bytes behind the last whole record of segments, that were never acknowledged"""
    more: bool = False
    """Whether there is more elsewhere than was taken at once"""


class Taken(NamedTuple):
    """What a partition is made of."""

    segments: Sequence[Path]
    rows: Sequence[dict[str, Any]] = ()
    """From elsewhere"""
    until: dict[str, str] = {}  # noqa: RUF012
    """How far those go, by table"""


def compact(store: Store, events: str = "") -> Compacted:
    """Make a partition of all finished segments; raises `OutputError` where another process does so.

    `events`: the address of a PostgreSQL that is read on from where the partitions end; raises `Away` where it is gone.
    """
    folder = store.root / "tables"
    folder.mkdir(exist_ok=True)
    with locked(folder):
        _cleared(store, folder)
        elsewhere, more = _elsewhere(store, events) if events else (Taken(()), False)
        # A process that does not let go in time has its segment taken the next time.
        finish(store.events, PATIENCE)
        taken = elsewhere._replace(segments=finished(store.events))
        if not taken.segments and not taken.rows:
            return Compacted(None, 0, 0, 0, 0, 0)
        place = folder / f"part-{_next(folder):06d}"
        partial = folder / f".{place.name}.partial"
        _emptied(partial)
        done = _write(taken, _known(folder), _items(store), partial)
        partial.rename(place)
        for segment in taken.segments:
            segment.unlink()
        return done._replace(partition=place, more=more)


def compact_all(store: Store, events: str = "") -> Compacted:
    """Make partitions until nothing is left; what was done in all, with the last partition. Raises as `compact`."""
    total = done = compact(store, events)
    while done.more:
        done = compact(store, events)
        total = Compacted(
            done.partition or total.partition,
            total.events + done.events,
            total.rejected + done.rejected,
            total.repeated + done.repeated,
            total.differing + done.differing,
            total.torn + done.torn,
        )
    return total


def _elsewhere(store: Store, address: str) -> tuple[Taken, bool]:
    """What was written elsewhere since the last partition; who was deleted there is deleted here."""
    until: dict[str, str] = {}
    for part in partitions(store):
        until |= json.loads((part / MARKER).read_text(encoding="utf-8")).get("until", {})
    sink = sink_at(address)
    if not sink.readable:
        raise SchemaError(f"{scrubbed(address)} is not read from: give --events postgresql://….")
    try:
        sink.open()
        rows = sink.read(until)
    finally:
        sink.close()
    if rows.erased:
        erase_digests(partitions(store), set(rows.erased))
    return Taken((), rows.told, rows.until), rows.more


def whole_shop(store: Store, to: Path) -> Shop:
    """Write all partitions as one shop to train from, with the products of the last one."""
    parts = [Shop.open(p / "shop") for p in partitions(store) if (p / "shop").is_dir()]
    if not parts:
        raise SchemaError(f"{store.root} has no events yet that the tables hold.")
    events = pl.concat([part.table("events") for part in parts], how="diagonal_relaxed")
    items = pl.concat([p.table("items") for p in reversed(parts)], how="diagonal_relaxed")
    tables = {"items": items.unique("item_id", keep="first", maintain_order=True), "events": events}
    if searches := [part.table("searches") for part in parts if part.has("searches")]:
        tables["searches"] = pl.concat(searches, how="diagonal_relaxed").unique(
            "search_id", keep="first", maintain_order=True
        )
    return Shop.trusted(tables).save(to)


def _write(taken: Taken, known: pl.Series, items: pl.DataFrame | None, folder: Path) -> Compacted:
    """Write what was taken to a new folder."""
    folder.mkdir()
    found: dict[str, dict[str, Any]] = {}
    exposures: list[dict[str, Any]] = []
    before, repeated, differing = set(known.to_list()), 0, 0
    contents = [read_records(segment) for segment in taken.segments]
    torn = sum(content.torn for content in contents)
    for told in chain(taken.rows, *(told_by(content.records) for content in contents)):
        if "exposure" in told:
            exposures.append(told)
        elif told["id"] in before or told["id"] in found:
            repeated += 1
            differing += told["id"] in found and found[told["id"]] != told
        else:
            found[told["id"]] = told
    rows = [*found.values()]
    chosen = [row for row in rows if row["event"] != "hide"]
    events, rejected = _shop(chosen, items, folder / "shop") if chosen else (0, 0)
    pl.DataFrame({"id": [*found]}, schema={"id": pl.String}).write_parquet(folder / IDS)
    if hidden := [row for row in rows if row["event"] == "hide"]:
        pl.DataFrame(hidden, schema=COLUMNS).write_parquet(folder / HIDDEN)
    if exposures:
        pl.DataFrame(exposures, infer_schema_length=None).write_parquet(folder / EXPOSURES)
    told = {
        "segments": [s.name for s in taken.segments],
        "until": taken.until,
        "events": events,
        "rejected": rejected,
        "repeated": repeated,
        "differing": differing,
        "torn": torn,
    }
    write_json(folder / MARKER, told)
    return Compacted(None, events, rejected, repeated, differing, torn)


def _shop(rows: list[dict[str, Any]], items: pl.DataFrame | None, to: Path) -> tuple[int, int]:
    """Take events through the door; returns how many came in and how many were set aside.

    Searches are a table of their own; what was done after an answer names the search that it was one of.
    """
    frame = pl.DataFrame(
        [{n: row.get(n) for n in (*COLUMNS, *ASKED)} for row in rows], schema=COLUMNS | ASKED
    )
    frame = frame.with_columns(pl.col("time").cast(pl.Datetime("us")))
    asked = (pl.col("event") == "search") & pl.col("query").is_not_null()
    searches = frame.filter(asked).select(
        "user_id", "session_id", "query", "time", search_id="request"
    )
    searches = searches.unique("search_id", keep="first", maintain_order=True)
    named = pl.col("request").is_in(searches["search_id"].implode())
    done = frame.filter(pl.col("event") != "search").with_columns(
        search_id=pl.when(named).then(pl.col("request"))
    )
    tables = {"events": _filled(done.drop("request", "query"))}
    if len(searches):
        tables["searches"] = _filled(searches)
    if items is not None:
        tables["items"] = items
    try:
        if done.is_empty():
            raise SchemaError("only searches")
        made = read(tables, to=to, on_error="reject", run=Run(seed=0, quiet=True))
    except SchemaError:
        # Not one event can be used: all are kept as they came, beside.
        frame.write_parquet(to.with_name("refused.parquet"))
        return 0, len(frame)
    taken = made.rows("events") + (made.rows("searches") if made.has("searches") else 0)
    return taken, len(frame) - taken


def _filled(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns that are known of some row."""
    return frame.select(c for c in frame.columns if frame[c].null_count() < len(frame))


def _items(store: Store) -> pl.DataFrame | None:
    """Ids of all products that a version or a client told of: the door rejects events on others."""
    from wareloom.serving.versions.slots import Slots
    from wareloom.serving.versions.stock import Stock

    found: dict[str, None] = {}
    slots = Slots(store)
    for name in store.names():
        ids = slots.live(name).served.ids
        found |= dict.fromkeys(ids.text(code) for code in range(len(ids)))
    found |= dict.fromkeys(Stock(store.state / "items.log").items)
    return pl.DataFrame({"item_id": [*found]}) if found else None


def _known(folder: Path) -> pl.Series:
    parts = [
        pl.read_parquet(path, glob=False)["id"] for path in sorted(folder.glob(f"part-*/{IDS}"))
    ]
    return pl.concat(parts) if parts else pl.Series("id", [], dtype=pl.String)


def _cleared(store: Store, folder: Path) -> None:
    """Delete segments that partitions were made of, and what a process that was killed left half-written."""
    for left in folder.glob(".part-*.partial"):
        _emptied(left)
    for name in _named(folder):
        (store.events / name).unlink(missing_ok=True)


def _named(folder: Path) -> Iterator[str]:
    for path in folder.glob(f"part-*/{MARKER}"):
        yield from json.loads(path.read_text(encoding="utf-8"))["segments"]


def _next(folder: Path) -> int:
    numbers = [int(m[1]) for p in folder.iterdir() if (m := re.fullmatch(r"part-(\d{6})", p.name))]
    return max(numbers, default=0) + 1


def _emptied(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
