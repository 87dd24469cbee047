"""Part of a shop: users with certain attributes, a season or a campaign, a category, kinds of event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from wareloom.core.settings import Settings
from wareloom.errors import InputError, SettingError, near
from wareloom.shop.buckets import user_key
from wareloom.shop.schema import EVENTS
from wareloom.shop.shop import Shop


@dataclass(frozen=True, kw_only=True)
class SegmentSettings(Settings):
    """Whose events, and which; what is said must all hold."""

    where: dict[str, str] = field(default_factory=dict)
    """Attributes of users, by name; "35-44|45-54" takes either."""
    since: str = ""
    """Events from this day or time on, as in 2024-11-20."""
    until: str = ""
    """Events before this day or time."""
    category: str = ""
    """Events on items that have this name in their category's path."""
    events: tuple[str, ...] = ()
    """Kinds of event; none named takes all."""

    def _check(self) -> None:
        for name in ("since", "until"):
            _time(name, getattr(self, name))
        for kind in self.events:
            if kind not in EVENTS:
                raise SettingError(f"segment: there is no event {kind!r}.{near(kind, EVENTS)}")

    def _owner(self) -> str:
        return "segment"


def segment(shop: Shop, settings: SegmentSettings) -> Shop:
    """Return the users and events that `settings` name, with the whole catalogue; other tables are left out.

    A user without such an event is left out. Raises `InputError` for an attribute, a category or a time that the shop
    does not have, and where nothing is left.
    """
    if not shop.has("events"):
        raise InputError(
            "The shop has no table 'events', so that there is nothing to take a part of."
        )
    events = shop.scan("events")
    if settings.where:
        events = events.filter(pl.col("user_id").is_in(_users(shop, settings.where).implode()))
    if settings.since or settings.until:
        if not shop.has("events", "time"):
            raise InputError("The shop's events have no time: since and until cannot be told.")
        for name, limit in (("since", settings.since), ("until", settings.until)):
            if at := _time(name, limit):
                events = events.filter(
                    pl.col("time") >= at if name == "since" else pl.col("time") < at
                )
    if settings.category:
        events = events.filter(pl.col("item_id").is_in(_items(shop, settings.category).implode()))
    if settings.events:
        events = events.filter(pl.col("event").is_in(list(settings.events)))
    found = events.filter(user_key(events).is_not_null()).collect()
    if found.is_empty():
        raise InputError(
            f"Not one of the shop's {shop.rows('events'):,} events is in the segment {_said(settings)}."
        )
    tables = {"items": shop.table("items"), "events": found}
    if shop.has("users") and "user_id" in found.columns:
        users = found["user_id"].drop_nulls().unique()
        tables["users"] = (
            shop.scan("users").filter(pl.col("user_id").is_in(users.implode())).collect()
        )
    return Shop.trusted(tables).keeping(shop.keeps)


def _users(shop: Shop, where: dict[str, str]) -> pl.Series:
    """Ids of the users that have all of the attributes."""
    if not shop.has("users", "attributes"):
        raise InputError(
            "The shop's users have no attributes: read a table of users with its columns to have some."
        )
    pairs = (
        shop.scan("users")
        .select("user_id", "attributes")
        .explode("attributes")
        .unnest("attributes")
        .collect()
    )
    chosen = pairs["user_id"].unique()
    for name, values in where.items():
        if pairs.filter(pl.col("name") == name).is_empty():
            raise InputError(_none_such("attribute", name, pairs["name"]))
        mine = pairs.filter(pl.col("name") == name, pl.col("value").is_in(values.split("|")))
        if mine.is_empty():
            raise InputError(
                _none_such(
                    f"value of {name}", values, pairs.filter(pl.col("name") == name)["value"]
                )
            )
        chosen = chosen.filter(chosen.is_in(mine["user_id"].implode()))
    return chosen


def _items(shop: Shop, category: str) -> pl.Series:
    """Ids of the items with a name in their category's path."""
    if not shop.has("items", "category"):
        raise InputError("The shop's items have no category.")
    items = shop.scan("items").select("item_id", "category").collect()
    mine = items.filter(pl.col("category").list.contains(category))["item_id"]
    if mine.is_empty():
        raise InputError(_none_such("category", category, items["category"].explode()))
    return mine


def _none_such(what: str, wanted: str, known: pl.Series) -> str:
    names = known.drop_nulls().value_counts(sort=True)[known.name].to_list()
    shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
    return f"The shop has no {what} {wanted!r}.{near(wanted, names)} It has {shown or 'none'}."


def _time(name: str, text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise SettingError(
            f"segment: {name} is {text!r}; give a day or a time, such as 2024-11-20 or 2024-11-20T18:00."
        ) from None


def _said(settings: SegmentSettings) -> str:
    """The conditions in words."""
    named: Iterable[tuple[str, str]] = (
        *settings.where.items(),
        *((name, getattr(settings, name)) for name in ("since", "until", "category")),
        ("events", "|".join(settings.events)),
    )
    return ", ".join(f"{name}={value}" for name, value in named if value) or "without a condition"
