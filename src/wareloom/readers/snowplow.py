"""Snowplow: the enriched events as the pipeline writes them, tab-separated lines of 131 fields without a header."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from wareloom.errors import SourceError
from wareloom.preparing.door import BROKEN, FILE, ROW, TRANSACTION, UNIT_PRICE, guarded
from wareloom.readers import Intake, Reader
from wareloom.readers._joins import first_of_each
from wareloom.readers._json import json_lines
from wareloom.readers._text import Piece, head, known, pieces
from wareloom.shop.schema import EVENTS

FIELDS = 131
"""Fields of an enriched event since 2016 (Snowplow's canonical event model)"""
PLACES = {
    "collector_tstamp": 3, "event": 5, "event_id": 6, "user_id": 12, "domain_userid": 15, "network_userid": 17,
    "contexts": 52, "unstruct_event": 58, "ti_orderid": 67, "ti_sku": 68, "ti_name": 69, "ti_category": 70,
    "ti_price": 71, "ti_quantity": 72, "derived_contexts": 122, "domain_sessionid": 123, "derived_tstamp": 124,
    "event_name": 126, "event_fingerprint": 129,
}  # fmt: skip
"""Where the fields stand that are used, counted from 0"""
MOMENT = re.compile(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d")
EVENT_ID = re.compile(r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")
OURS = "com.snowplowanalytics.snowplow"
GOOGLE = "com.google.analytics.enhanced-ecommerce"
ACTIONS = {f"{OURS}.ecommerce/snowplow_ecommerce_action": "type", f"{GOOGLE}/action": "action"}
"""Events that tell what was done, and the field that names it"""
PRODUCTS = (
    f"{OURS}.ecommerce/product",
    f"{GOOGLE}/productFieldObject",
    f"{GOOGLE}/impressionFieldObject",
)
"""Entities that are products"""
LONGEST_START = 1 << 18
"""Bytes in which the first line ends: entities may be long"""
KINDS = {
    "list_view": "view_item_list", "view": "view_item_list", "list_click": "select_item", "click": "select_item",
    "product_view": "view_item", "detail": "view_item", "add_to_cart": "add_to_cart", "add": "add_to_cart",
    "checkout_step": "begin_checkout", "checkout": "begin_checkout", "transaction": "purchase",
    "purchase": "purchase", "site_search": "search",
}  # fmt: skip
"""Event of the schema by what was done"""
CELLS = ("item_id", "title", "brand", "category", "price", "quantity", "position")
PRODUCT_LIST = pl.List(pl.Struct(dict.fromkeys(CELLS, pl.String)))
WORDS = ("kind", "user_id", "session_id", "time", "query", TRANSACTION, "event_id")


def _line(**cells: str) -> str:
    """A line with some of its fields filled."""
    fields = [""] * FIELDS
    for name, cell in cells.items():
        fields[PLACES[name]] = cell
    return "\t".join(fields) + "\n"


EXAMPLE = _line(
    collector_tstamp="2024-03-01 10:00:00.000",
    event="unstruct",
    event_id="c6ef3124-b53a-4b13-a233-0088f79dcbcb",
    domain_userid="d1",
    domain_sessionid="s1",
    unstruct_event='{"data": {"schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/snowplow_ecommerce_action/'
    'jsonschema/1-0-2", "data": {"type": "product_view"}}}',
    contexts='{"data": [{"schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/product/jsonschema/1-0-0", '
    '"data": {"id": "M", "name": "Mug", "price": 9.5}}]}',
)


@dataclass(kw_only=True, eq=False)
class Snowplow(Reader):
    """Snowplow's enriched events, tab-separated and without a header (also gzipped).

    E-commerce actions (Snowplow's own, and those of Google's enhanced e-commerce) give one event for each product among
    their entities, items of old transactions (transaction_item) and add_to_cart likewise; other kinds are counted as
    skipped. A user is a domain_userid, else the network_userid, else the user_id. Searches are site_search.
    """

    example: ClassVar[dict[str, str]] = {"part-00000.tsv": EXAMPLE}

    encoding: str = "utf-8"
    """The encoding of the files."""

    @classmethod
    def detect(cls, source: str) -> bool:
        """Whether a file's first line has 131 fields, a time and an event's id where an enriched event has them."""
        return any(_fits(piece) for piece in known(source))

    def tables(self, source: str, intake: Intake) -> dict[str, pl.LazyFrame]:
        """Return items, events, and searches where there are any."""
        found = [piece for piece in pieces(source) if _fits(piece)]
        if not found:
            raise SourceError(
                f"{source} holds no enriched events of Snowplow: lines of {FIELDS} fields between tabs."
            )
        log = _once(pl.concat([self._log(piece, intake) for piece in found]), intake)
        with guarded(source):
            kinds = dict(log.group_by("kind").len().collect().sort("kind").iter_rows())
        for kind, number in kinds.items():
            if kind not in EVENTS and kind is not None:
                intake.skipped[f"event {kind}"] = int(number)
        searches = (pl.col("kind") == "search") & pl.col("query").is_not_null()
        number = pl.concat_str(pl.lit("s"), FILE, pl.lit("."), pl.col(ROW))
        base = [ROW, FILE, "user_id", "session_id", "time"]
        log = log.filter(pl.col("kind").is_in(EVENTS) | pl.col(BROKEN).is_not_null())
        log = log.with_columns(search_id=pl.when(searches).then(number))
        rows = log.explode("products", empty_as_null=True).unnest("products")
        events = rows.select(
            *base,
            "search_id",
            "item_id",
            "quantity",
            "position",
            TRANSACTION,
            BROKEN,
            pl.col("price").alias(UNIT_PRICE),
            event="kind",
        )
        items = rows.select(
            "item_id", "title", "brand", "price", pl.col("category").str.replace_all("/", ">"), ROW
        )
        tables = {"events": events, "items": first_of_each(items, "item_id")}
        if "search" in kinds:
            tables["searches"] = log.filter(searches).select(*base, "search_id", "query")
        return tables

    def _log(self, piece: Piece, intake: Intake) -> pl.LazyFrame:
        """The events of a file with their products still together."""
        text = intake.text(piece, encoding=self.encoding)
        frame = json_lines(text, intake.folder, parse=_record)
        there = frame.collect_schema().names()
        made = [(pl.col(c) if c in there else pl.lit(None, pl.String)).alias(c) for c in WORDS]
        return frame.select(
            ROW, FILE, BROKEN, *made, pl.col("products").str.json_decode(PRODUCT_LIST)
        )


def _record(line: str) -> dict[str, Any]:
    """One event of a line; raises `ValueError` for a line that is none."""
    fields = line.rstrip("\r\n").split("\t")
    if len(fields) != FIELDS:
        raise ValueError(f"{len(fields)} fields between tabs, and an enriched event has {FIELDS}")
    cell = {name: fields[place] for name, place in PLACES.items()}
    about = [e for c in ("contexts", "derived_contexts") for e in _entities(cell[c])]
    of_session = next((data for name, data in about if name == f"{OURS}/client_session"), {})
    who = (cell["domain_userid"], of_session.get("userId"), cell["network_userid"], cell["user_id"])
    bought = next((d for n, d in about if n == f"{OURS}.ecommerce/transaction"), {})
    name, told = next(iter(_entities(cell["unstruct_event"])), ("", {}))
    kind = str(told.get(ACTIONS.get(name, "")) or cell["event_name"] or cell["event"])
    products = [_product(data) for entity, data in about if entity in PRODUCTS]
    transaction = bought.get("transaction_id")
    if cell["event"] == "transaction_item":
        kind, transaction = "transaction", cell["ti_orderid"]
        item = {"id": cell["ti_sku"] or cell["ti_name"]}
        item |= {k: cell[f"ti_{k}"] for k in ("name", "category", "price", "quantity")}
        products = [_product(item)]
    elif cell["event"] == "transaction":
        kind = "transaction without its items"
    elif name == f"{OURS}/add_to_cart":
        products = [_product(told | {"id": told.get("sku"), "price": told.get("unitPrice")})]
    words = told.get("terms")
    return {
        "kind": KINDS.get(kind, kind),
        "user_id": next((w for w in who if w), None),
        "session_id": cell["domain_sessionid"] or of_session.get("sessionId"),
        "time": cell["derived_tstamp"] or cell["collector_tstamp"],
        "query": " ".join(map(str, words)) if isinstance(words, list) else words,
        TRANSACTION: transaction or None,
        "event_id": f"{cell['event_id']} {cell['event_fingerprint']}",
        "products": json.dumps(products),
    }


def _entities(cell: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a cell of self-describing JSON holds: (vendor/name, data) each."""
    if not cell:
        return
    whole = json.loads(cell, parse_float=str, parse_int=str)
    data = whole.get("data") if isinstance(whole, dict) else None
    for part in data if isinstance(data, list) else [data]:
        if isinstance(part, dict) and isinstance(part.get("data"), dict):
            vendor_name = str(part.get("schema", "")).removeprefix("iglu:").split("/")[:2]
            yield "/".join(vendor_name), part["data"]


def _product(data: dict[str, Any]) -> dict[str, str | None]:
    """The cells of one product, as text."""
    names = dict.fromkeys(CELLS) | {"item_id": "id", "title": "name"}
    found = {ours: data.get(theirs or ours) for ours, theirs in names.items()}
    return {k: None if v in (None, "") else str(v) for k, v in found.items()}


def _once(log: pl.LazyFrame, intake: Intake) -> pl.LazyFrame:
    """The log without events that the pipeline delivered again."""
    with guarded("the log"):
        keys = log.filter(pl.col("event_id").is_not_null()).select(FILE, ROW, "event_id").collect()
    again = keys.filter(~pl.col("event_id").is_first_distinct()).select(FILE, ROW)
    if again.is_empty():
        return log
    intake.skipped["events that were delivered again"] = len(again)
    return log.join(again.lazy(), on=[FILE, ROW], how="anti", maintain_order="left")


def _fits(piece: Piece) -> bool:
    start, _, _ = head(piece, LONGEST_START).partition(b"\n")
    fields = start.decode("utf-8", errors="replace").split("\t")
    return (
        len(fields) == FIELDS
        and MOMENT.match(fields[PLACES["collector_tstamp"]]) is not None
        and EVENT_ID.match(fields[PLACES["event_id"]]) is not None
    )
