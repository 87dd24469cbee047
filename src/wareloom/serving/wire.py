"""What is asked and answered over HTTP: types whose limits are checked while a body is read (`msgspec`)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from wareloom.errors import near
from wareloom.shop.schema import EVENTS

QUERY, MOST, BATCH, BODY = 512, 200, 1000, 1 << 20
"""Characters of a query, items of an answer, events of a batch, bytes of a body"""
PAGES = 1000
"""Items, at most, that lie before a page"""

# No control characters, no lone surrogates, no marks that turn the direction of writing.
PLAIN = "^[^\\x00-\\x1f\\x7f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]+$"
Id = Annotated[str, Meta(min_length=1, max_length=128, pattern=PLAIN)]
Text = Annotated[str, Meta(max_length=2000, pattern="^[^\\x00\\ud800-\\udfff]*$")]
Query = Annotated[str, Meta(max_length=QUERY, pattern="^[^\\x00\\ud800-\\udfff]*$")]
Name = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]
Time = Annotated[int, Meta(ge=0, le=4_102_444_800_000_000)]
Field = Annotated[str, Meta(pattern="^[A-Za-z0-9_.:-]{1,64}$")]
Value = Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\ud800-\\udfff]*$")]
Number = Annotated[float, Meta(ge=0, le=1e12)]
KINDS = {name: code for code, name in enumerate((*EVENTS, "hide"))}
"""Codes of what shoppers do"""
Kind = Literal[(*EVENTS, "hide")]  # type: ignore[valid-type]


class Filter(Struct, frozen=True, forbid_unknown_fields=True):
    """What hits must be."""

    brand: Annotated[tuple[Text, ...], Meta(max_length=50)] = ()
    """One of these"""
    category: Text = ""
    """This category, or one below it: levels with " > " between them"""
    price_from: Number | None = None
    price_to: Number | None = None


class Ask(Struct, forbid_unknown_fields=True):
    """Who asks for what."""

    slot: Name = "home"
    user: Id | None = None
    session: Id | None = None
    query: Query = ""
    k: Annotated[int, Meta(ge=1, le=MOST)] = 10
    history: Annotated[list[Id], Meta(max_length=BATCH)] | None = None
    """Items, oldest first, instead of what is remembered"""
    item: Id | None = None
    """The item that others shall be like (of /similar), or that is explained (of /explain)"""
    filter: Filter | None = None
    exclude: Annotated[list[Id], Meta(max_length=BATCH)] = []
    repeats: bool = False
    """Whether items that were looked at may be shown again; bought and hidden ones never are"""
    explain: bool = False
    language: Literal["en", "zh"] = "en"
    timeout_ms: Annotated[int, Meta(ge=1, le=60_000)] | None = None
    page: Annotated[str, Meta(max_length=400)] = ""
    """What the answer before this one gave"""
    context: Annotated[dict[Field, Value], Meta(max_length=20)] = {}
    """Device, place, season, … by the names that the version's ranker was taught"""
    time: Time | None = None
    """When it is asked, in microseconds since 1970 on the shop's clock, for rankers that look at hour and weekday"""


class Event(Struct, forbid_unknown_fields=True):
    """Something a shopper did."""

    id: Id
    """Given by the client: an event of one id counts once, however often it is sent"""
    event: Kind
    item_id: Id | None = None
    user_id: Id | None = None
    session_id: Id | None = None
    time: Time | None = None
    """Microseconds since 1970; when it came, where it is not given"""
    query: Query | None = None
    position: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    quantity: Number | None = None
    value: Number | None = None
    request: Id | None = None
    """The answer that showed the item"""


class Events(Struct, forbid_unknown_fields=True):
    """A batch of events."""

    events: Annotated[list[Event], Meta(min_length=1, max_length=BATCH)]


class Item(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A product that is new, or that changed."""

    item_id: Id
    title: Text | None = None
    description: Text | None = None
    brand: Text | None = None
    category: Annotated[list[Text], Meta(max_length=20)] | None = None
    price: Number | None = None
    available: bool | None = None
    """False: out of stock, never shown"""
    expires: Annotated[int, Meta(ge=0)] | None = None
    """Microseconds since 1970 from which it is not shown"""
    deleted: bool = False


class Items(Struct, forbid_unknown_fields=True):
    """A batch of products."""

    items: Annotated[list[Item], Meta(min_length=1, max_length=BATCH)]


class Why(Struct, omit_defaults=True):
    """A part of a hit's score, or a rule that moved it."""

    kind: str
    """item, word, popularity, member, onward, context, rule, new or exploration"""
    cause: str
    amount: float = 0.0
    sentence: str = ""
    others: str = ""
    """What five people or more did with the cause and this item, bought or viewed; left out where fewer did"""


class Hit(Struct, omit_defaults=True):
    """An item of an answer. Over the wire its catalogue fields stand beside these."""

    rank: int
    item_id: str
    score: float
    title: str | None = None
    brand: str | None = None
    price: float | None = None
    propensity: float = 1.0
    """How likely the item stood at its place"""
    why: list[Why] = []


class Answer(Struct, omit_defaults=True):
    """Hits of one version."""

    request: str
    slot: str
    version: str
    hits: list[Hit]
    degraded: list[str] = []
    """What was left out"""
    ignored: list[str] = []
    """Of the context, what the version's ranker does not look at"""
    unproved: bool = False
    """Whether no proof says that the version does no harm"""
    page: str = ""
    """Ask with this for the next ones"""


class Explained(Struct):
    """Why an item stands where it stands."""

    slot: str
    version: str
    item_id: str
    rank: int | None
    """Its place among the first k; null where it is not among them"""
    why: list[Why]


class Taken(Struct, omit_defaults=True):
    """What became of a batch of events."""

    accepted: int
    repeated: int
    """Of these, ids that were in the session already"""
    degraded: list[str] = []
    """What does not know of them, though they are kept"""


class Kept(Struct):
    """What became of a batch of products."""

    accepted: int


class Erased(Struct):
    """What became of a person."""

    erased_events: int
    """Events that were in the log and in the tables"""


class Told(Struct, omit_defaults=True):
    """An error: what was wrong, and what to do."""

    error: str


ask_of = msgspec.json.Decoder(Ask).decode
events_of = msgspec.json.Decoder(Events).decode
items_of = msgspec.json.Decoder(Items).decode
event_of = msgspec.json.Decoder(Event).decode
item_of = msgspec.json.Decoder(Item).decode
written = msgspec.json.Encoder().encode


def meant(told: str, path: str) -> str:
    """Return " Did you mean 'user'?" where `told`, of a body sent to `path`, names an unknown field or kind of event;
    else nothing. Where no kind of event is near, all are named."""
    if event := re.search(r"Invalid enum value '(.{0,64})' - at `\$\.events\[\d+\]\.event`", told):
        return near(event[1], [*KINDS]) or f" It is one of {', '.join(KINDS)}."
    found = re.search(r"unknown field `([^`]{1,64})`", told)
    if found is None:
        return ""
    asked = {"/events": (Events, Event), "/items": (Items, Item)}.get(path, (Ask, Filter))
    return near(found[1], [field for one in asked for field in one.__struct_fields__])
