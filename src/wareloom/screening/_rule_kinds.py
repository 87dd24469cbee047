"""Rules that a shop declares: the kinds there are, what each may say, and what it says in plain words."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar, Literal

from wareloom.errors import SettingError, near
from wareloom.shop.schema import EVENTS

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Names = str | tuple[str, ...]
Where = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What every rule may say."""

    kind: ClassVar[str]
    needed: ClassVar[tuple[str, ...]] = ()
    """Keys without which it says nothing"""

    event: Names = ()
    """The kind of event it is about, or several; all where there is none."""
    takes: Literal["user", "session", "event"] = "user"
    """What goes with an event that breaks it."""
    name: str = ""
    """What it is called in reports; its own words where it has no name."""

    def check(self) -> None:
        """Raise `SettingError` where it could not work; the message begins with the key."""
        for key in self.needed:
            if getattr(self, key) in ((), "", {}, None):
                raise SettingError(f"{key} is missing: {_doc(type(self), key)}")
        kinds = [
            (key, kind)
            for key in ("event", "needs", "after")
            for kind in listed(getattr(self, key, ()))
        ]
        for key, kind in kinds:
            if kind not in EVENTS:
                raise SettingError(
                    f"{key} is {kind!r}, which is no kind of event.{near(kind, EVENTS)} Known: {', '.join(EVENTS)}."
                )

    def told(self) -> str:
        """Say it in plain words."""
        return self.name or self._words()

    def _words(self) -> str:
        raise NotImplementedError

    def plain(self) -> dict[str, Any]:
        """What differs from the defaults, by key, for TOML."""
        found = {}
        for each in fields(self):
            value = getattr(self, each.name)
            default = (
                each.default_factory() if each.default_factory is not MISSING else each.default
            )
            if value != default:
                found[each.name] = list(value) if isinstance(value, tuple) else value
        return found

    @property
    def _events(self) -> str:
        return " or ".join(listed(self.event)) or "event"


@dataclass(frozen=True, kw_only=True)
class Funnel(Rule):
    """An event needs another before it."""

    kind: ClassVar[str] = "funnel"
    needed: ClassVar[tuple[str, ...]] = ("event", "needs")

    needs: Names = ()
    """The kind of event that must come before, or several of which one must."""
    of: Literal["item", "any"] = "item"
    """Whether it must be of the same item, or may be of any."""
    within: Literal["user", "session"] = "user"
    """Whether it may be anywhere in the user's past, or must be in the same session."""

    def check(self) -> None:
        """Raise `SettingError` where an event would need itself."""
        super().check()
        if both := set(listed(self.event)) & set(listed(self.needs)):
            raise SettingError(
                f"needs and event both have {sorted(both)[0]!r}: the first one could never happen."
            )

    def _words(self) -> str:
        of = " of the same item" if self.of == "item" else ""
        return f"{self._events} without {' or '.join(listed(self.needs))}{of} before it{_inside(self.within)}"


@dataclass(frozen=True, kw_only=True)
class Never(Rule):
    """An event never comes right after another."""

    kind: ClassVar[str] = "never"
    needed: ClassVar[tuple[str, ...]] = ("event", "after")

    after: Names = ()
    """The kind of event that must not be the one right before, or several."""
    of: Literal["item", "any"] = "any"
    """Whether that holds among the events of one item, or among all."""
    within: Literal["user", "session"] = "session"
    """Whether the event before is the user's, or the session's."""

    def _words(self) -> str:
        of = " of the same item" if self.of == "item" else ""
        return f"{self._events} right after {' or '.join(listed(self.after))}{of}{_inside(self.within)}"


@dataclass(frozen=True, kw_only=True)
class _OfItems(Rule):
    """A rule about some items: those that meet all of what is said; all items where nothing is."""

    items: tuple[str, ...] = ()
    """Ids of items."""
    category: str = ""
    """A category, anywhere in the item's path."""
    where: Where = field(default_factory=dict)
    """Values by name of an attribute of the item, or of brand: `where = {stock = "0"}`; a list for one of several."""

    @property
    def _what(self) -> str:
        said = (
            [", ".join(self.items[:3]) + (", …" if len(self.items) > 3 else "")]
            if self.items
            else []
        )
        said += [f"category {self.category}"] if self.category else []
        return " and ".join([*said, *pairs(self.where)])


@dataclass(frozen=True, kw_only=True)
class Stock(_OfItems):
    """When items can be had, and how many a day; where nothing of that is said, not at all."""

    kind: ClassVar[str] = "stock"

    event: Names = ("purchase",)
    """The kind of event it is about, or several."""
    first: datetime | date | None = None
    """The first day, or moment, on which they can be had."""
    last: datetime | date | None = None
    """The last day, or moment."""
    per_day: float | None = None
    """Most units of each item a day (UTC), over all users: quantities, or events where there are none."""

    def check(self) -> None:
        """Raise `SettingError` where no or no possible stock is meant."""
        super().check()
        if not (self.items or self.category or self.where) and self.bare:
            raise SettingError(
                "items is missing: say which items are out of stock, or when: first, last, per_day."
            )
        if self.per_day is not None and self.per_day < 0:
            raise SettingError(f"per_day is {self.per_day}; give 0 or more.")
        if self.first and self.last and moment(self.first) > moment(self.last, end=True):
            raise SettingError(f"last is {self.last}, before first, {self.first}: turn them round.")

    @property
    def bare(self) -> bool:
        """Whether nothing is said of when and how many."""
        return self.first is None and self.last is None and self.per_day is None

    def _words(self) -> str:
        said = [f"before {self.first}"] if self.first else []
        said += [f"after {self.last}"] if self.last else []
        said += [f"more than {self.per_day:g} a day"] if self.per_day is not None else []
        return f"{self._events} of {self._what or 'an item'} {', '.join(said) or 'that is out of stock'}"


@dataclass(frozen=True, kw_only=True)
class Range(_OfItems):
    """What a number of an event may be."""

    kind: ClassVar[str] = "range"
    needed: ClassVar[tuple[str, ...]] = ("column",)

    column: Literal["", "quantity", "value", "rating", "price"] = ""
    """quantity, value, rating, or price, which is value by quantity."""
    minimum: float | None = None
    """The least it may be."""
    maximum: float | None = None
    """The most it may be."""
    relative: bool = False
    """Whether the limits are multiples of the price in the table of items; for price alone."""

    def check(self) -> None:
        """Raise `SettingError` where there is no limit, or no room between them."""
        super().check()
        if self.minimum is None and self.maximum is None:
            raise SettingError("minimum and maximum are missing: give one of them at least.")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise SettingError(
                f"minimum is {self.minimum}, above maximum, {self.maximum}: turn them round."
            )
        if self.relative and self.column != "price":
            raise SettingError(
                f'relative goes with column = "price", not with {self.column!r}: take it away.'
            )

    def _words(self) -> str:
        said = [f"below {self.minimum:g}"] if self.minimum is not None else []
        said += [f"above {self.maximum:g}"] if self.maximum is not None else []
        times = " times the item's price" if self.relative else ""
        of = (f" of {self._events}" if self.event else "") + (
            f" of {self._what}" if self._what else ""
        )
        return f"{self.column}{of} {' or '.join(said)}{times}"


@dataclass(frozen=True, kw_only=True)
class Hours(Rule):
    """When the shop is open."""

    kind: ClassVar[str] = "hours"

    open: time = time(0)
    """From when on, such as 08:00:00."""
    close: time = time(0)
    """Until when; before `open` for a shop that is open over midnight, 00:00:00 for until midnight."""
    days: tuple[Day, ...] = DAYS
    """On which days."""
    utc_offset: float = 0.0
    """Hours by which the shop's clock is ahead of UTC."""

    def check(self) -> None:
        """Raise `SettingError` where it says nothing, or never opens."""
        super().check()
        if not self.days:
            raise SettingError(
                "days is empty: the shop would never be open. Name some of " + ", ".join(DAYS) + "."
            )
        if self.open == self.close and set(self.days) == set(DAYS):
            raise SettingError(
                "open, close and days say that the shop is always open: give open and close, or days."
            )

    def _words(self) -> str:
        days = "" if set(self.days) == set(DAYS) else f" on {', '.join(self.days)}"
        return f"{self._events} outside {self.open:%H:%M} to {self.close:%H:%M}{days}"


@dataclass(frozen=True, kw_only=True)
class Most(Rule):
    """How many events there may be."""

    kind: ClassVar[str] = "most"
    needed: ClassVar[tuple[str, ...]] = ("events",)

    events: int | None = None
    """The most there may be."""
    per: Literal["session", "hour", "day", "user"] = "session"
    """In each session, hour or day (UTC) of a user, or of a user at all."""

    def check(self) -> None:
        """Raise `SettingError` where there may be none."""
        super().check()
        if self.events is not None and self.events < 1:
            raise SettingError(f"events is {self.events}; give 1 or more.")

    def _words(self) -> str:
        return f"more than {self.events} {' or '.join(listed(self.event)) or 'event'}s a {self.per}"


@dataclass(frozen=True, kw_only=True)
class Forbidden(_OfItems):
    """What some users may not have."""

    kind: ClassVar[str] = "forbidden"
    needed: ClassVar[tuple[str, ...]] = ("user",)

    user: Where = field(default_factory=dict)
    """Values by name of an attribute of the user: `user = {age = "child"}`; a list for one of several."""

    def check(self) -> None:
        """Raise `SettingError` where no items are named."""
        super().check()
        if not (self.items or self.category or self.where):
            raise SettingError(
                "category is missing: say which items are forbidden, by items, category or where."
            )

    def _words(self) -> str:
        return f"{self._events} of {self._what} by a user with {' and '.join(pairs(self.user))}"


KINDS: dict[str, type[Rule]] = {
    kind.kind: kind for kind in (Funnel, Never, Stock, Range, Hours, Most, Forbidden)
}


def listed(names: Names) -> tuple[str, ...]:
    """One name or several, as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def pairs(where: Where) -> list[str]:
    """Name each attribute with its values."""
    return [f"{name} {' or '.join(listed(values))}" for name, values in where.items()]


def moment(day: date | datetime, *, end: bool = False) -> datetime:
    """The first moment of a day, or its last; a time with a zone becomes naive UTC."""
    if isinstance(day, datetime):
        return day.astimezone(UTC).replace(tzinfo=None) if day.tzinfo else day
    return datetime.combine(day, time.max if end else time.min)


def _inside(within: str) -> str:
    return " in the session" if within == "session" else ""


def _doc(kind: type[Rule], key: str) -> str:
    said = {
        "event": "give the kind of event it is about.",
        "needs": "give the kind of event that must come before.",
    }
    said |= {
        "after": "give the kind of event that must not be right before.",
        "events": "give the most there may be.",
    }
    said |= {
        "column": "give quantity, value, rating or price.",
        "user": 'give an attribute, such as user = {age = "child"}.',
    }
    return said[key]
