"""User Behavior Insights 1.3, read and written, so that a shop that logs for OpenSearch can switch, and back.

https://github.com/o19s/ubi: queries (`query_id`, `user_query`, `client_id`, `timestamp`) and events (`action_name`,
`client_id`, `session_id`, `query_id`, `timestamp`, `event_attributes` with `object.object_id` and `position.ordinal`).
A client is a user here. UBI's events have no ids: a digest of all that one says stands for it, so that one that is
sent again counts once.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from wareloom.errors import InputError
from wareloom.serving.wire import BATCH, KINDS, Event, Id, Query

VERSION = "1.3.0"
ACTIONS = {
    "impression": "view_item_list",
    "click": "select_item",
    "product_click": "select_item",
    "item_click": "select_item",
    "select": "select_item",
    "view": "view_item",
    "product_view": "view_item",
    "product_hover": "view_item_list",
    "add_to_cart": "add_to_cart",
    "wishlist": "add_to_wishlist",
    "checkout": "begin_checkout",
    "purchase": "purchase",
    "buy": "purchase",
    "dismiss": "hide",
}
"""Kinds of event by names of actions that are in use; GA4's own names are taken as they are"""
WRITTEN = {
    "select_item": "click",
    "view_item_list": "impression",
    "view_item": "view",
    "hide": "dismiss",
}


class UbiQuery(Struct):
    """A query as UBI has it; other fields are passed over."""

    query_id: Id
    user_query: Query
    client_id: Id
    timestamp: Annotated[str, Meta(max_length=40)] | int
    session_id: Id | None = None


class UbiEvent(Struct):
    """An event as UBI has it; other fields are passed over."""

    action_name: Id
    client_id: Id
    timestamp: Annotated[str, Meta(max_length=40)] | int
    session_id: Id | None = None
    query_id: Id | None = None
    event_attributes: dict[str, Any] = {}


class Ubi(Struct, forbid_unknown_fields=True):
    """A batch of both."""

    events: Annotated[list[UbiEvent], Meta(max_length=BATCH)] = []
    queries: Annotated[list[UbiQuery], Meta(max_length=BATCH)] = []


ubi_of = msgspec.json.Decoder(Ubi).decode


def events_from(batch: Ubi) -> list[Event]:
    """The events that a batch tells of, queries as searches; actions on no item, or of unknown names, are passed over.

    Raises `InputError` for a time that is none, and `msgspec.ValidationError` for an id that is none.
    """
    found = [
        Event(
            id=one.query_id,
            event="search",
            user_id=one.client_id,
            session_id=one.session_id,
            query=one.user_query,
            time=_time(one.timestamp),
            request=one.query_id,
        )
        for one in batch.queries
    ]
    for told in batch.events:
        kind, item = _kind(told.action_name), _inner(told.event_attributes, "object", "object_id")
        if kind is None or item is None:
            continue
        place = _inner(told.event_attributes, "position", "ordinal")
        found.append(
            Event(
                id=hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()[:32],
                event=kind,
                item_id=msgspec.convert(str(item), Id),
                user_id=told.client_id,
                session_id=told.session_id,
                time=_time(told.timestamp),
                position=place if isinstance(place, int) and 0 <= place <= 100_000 else None,
                request=told.query_id,
            )
        )
    return found


def write_ubi(folder: Path, shops: Sequence[Any]) -> None:
    """Write the events and searches of shops as `ubi_events.jsonl` and `ubi_queries.jsonl` in a new folder."""
    folder.mkdir(parents=True)
    with open(folder / "ubi_queries.jsonl", "w", encoding="utf-8") as out:
        for shop in shops:
            for row in shop.table("searches").iter_rows(named=True) if shop.has("searches") else ():
                out.write(json.dumps(_query_of(row), ensure_ascii=False) + "\n")
    with open(folder / "ubi_events.jsonl", "w", encoding="utf-8") as out:
        for shop in shops:
            for row in shop.table("events").iter_rows(named=True):
                out.write(json.dumps(_event_of(row), ensure_ascii=False) + "\n")


def read_ubi(folder: Path) -> Iterator[Ubi]:
    """Read what `write_ubi` wrote, or an export of the two indexes as JSON lines, in batches."""
    for name in ("queries", "events"):
        lines = (folder / f"ubi_{name}.jsonl").read_text(encoding="utf-8").splitlines()
        for start in range(0, len(lines), BATCH):
            part = ",".join(lines[start : start + BATCH])
            yield ubi_of(f'{{"{name}":[{part}]}}')


def _query_of(row: dict[str, Any]) -> dict[str, Any]:
    told = {
        "application": "wareloom",
        "query_id": row["search_id"],
        "client_id": row.get("user_id") or row.get("session_id"),
        "session_id": row.get("session_id"),
        "user_query": row["query"],
        "timestamp": _stamp(row.get("time")),
    }
    return {key: value for key, value in told.items() if value is not None}


def _event_of(row: dict[str, Any]) -> dict[str, Any]:
    kind = row["event"]
    attributes: dict[str, Any] = {
        "object": {"object_id": row["item_id"], "object_id_field": "item_id"}
    }
    if row.get("position") is not None:
        attributes["position"] = {"ordinal": row["position"]}
    told = {
        "application": "wareloom",
        "action_name": WRITTEN.get(kind, kind),
        "client_id": row.get("user_id") or row.get("session_id"),
        "session_id": row.get("session_id"),
        "query_id": row.get("search_id"),
        "timestamp": _stamp(row.get("time")),
        "event_attributes": attributes,
    }
    return {key: value for key, value in told.items() if value is not None}


def _kind(action: str) -> Any:
    return ACTIONS.get(action, action if action in KINDS else None)


def _inner(told: dict[str, Any], outer: str, inner: str) -> Any:
    found = told.get(outer)
    return found.get(inner) if isinstance(found, dict) else None


def _time(stamp: str | int) -> int:
    """Microseconds since 1970 of an ISO time (UTC where it says no zone) or of milliseconds."""
    if isinstance(stamp, int):
        return min(max(stamp, 0) * 1000, 4_102_444_800_000_000)
    try:
        found = dt.datetime.fromisoformat(stamp)
    except ValueError:
        raise InputError(f"The timestamp {stamp!r} is no time: write it as ISO 8601.") from None
    found = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return max(0, round(found.timestamp() * 1_000_000))


def _stamp(time: dt.datetime | None) -> str | None:
    return None if time is None else time.replace(tzinfo=dt.UTC).isoformat()
