"""Which events break a rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Any

import polars as pl

from wareloom.errors import SettingError, near
from wareloom.screening._rule_kinds import (
    DAYS,
    Forbidden,
    Funnel,
    Hours,
    Most,
    Names,
    Never,
    Range,
    Rule,
    Stock,
    Where,
    listed,
    moment,
)
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.log import SESSION_GAP

DAY, HOUR = 86_400_000_000, 3_600_000_000
LONG_AGO = -(2**62)
NUMBERS = ("quantity", "value", "rating")


class CannotJudge(Exception):
    """The shop lacks what a rule looks at; the message says what."""


class Facts:
    """The events of a shop, prepared, with its catalogue and its users' attributes."""

    def __init__(self, shop: Shop, catalogue: pl.DataFrame) -> None:
        """`catalogue`: the items, which are the training part's."""
        self.catalogue = catalogue
        self.columns = shop.columns("events")
        self.timed = "time" in self.columns and bool(
            shop.scan("events").select(pl.col("time").is_not_null().any()).collect().item()
        )
        self.frame = self._prepared(shop)
        self.users: pl.DataFrame | None = None
        if shop.has("users", "attributes"):
            self.users = shop.table("users").select(pl.col("user_id").alias("owner"), "attributes")

    def _prepared(self, shop: Shop) -> pl.DataFrame:
        """Events of somebody, each user's in order of time and then of rows.

        Columns: row, session, item_id, event, at (microseconds, or the row where no times are), and numbers.
        """
        names = self.columns
        at = pl.col("time").cast(pl.Int64) if self.timed else pl.col("row").cast(pl.Int64)
        numbers = [
            pl.col(name) if name in names else pl.lit(None, dtype=pl.Float64).alias(name)
            for name in NUMBERS
        ]
        item = (
            pl.col("item_id")
            if "item_id" in names
            else pl.lit(None, dtype=pl.String).alias("item_id")
        )
        given = pl.col("session_id") if "session_id" in names else pl.lit(None, dtype=pl.String)
        events = shop.scan("events")
        rows = events.with_row_index("row").with_columns(owner=user_key(events), at=at, given=given)
        frame = rows.select("row", "owner", "given", item, "event", "at", *numbers).drop_nulls(
            "owner"
        )
        frame = frame.sort("owner", "at", "row", nulls_last=False)
        quiet = (
            (pl.col("at").diff() > SESSION_GAP).fill_null(False) if self.timed else pl.lit(False)
        )
        silence = quiet.cast(pl.Int64).cum_sum().cast(pl.String)
        return frame.with_columns(session=pl.coalesce("given", silence)).drop("given").collect()

    def chosen(self, rule: Any) -> pl.Series | None:
        """Ids of the items that a rule is about; None for all. Raises `SettingError` for what no item is."""
        if not (rule.items or rule.category or rule.where):
            return None
        catalogue = self.catalogue
        if rule.items and (strange := set(rule.items) - set(catalogue["item_id"])):
            raise SettingError(
                f"items has {sorted(strange)[0]!r}, which is not in the catalogue: name items that are."
            )
        those = pl.col("item_id").is_in(list(rule.items)) if rule.items else pl.lit(True)
        if rule.category:
            if "category" not in catalogue.columns:
                raise CannotJudge("the items have no category")
            having = (
                catalogue["category"].drop_nulls().explode(empty_as_null=False).unique().to_list()
            )
            if rule.category not in having:
                raise SettingError(
                    f"category is {rule.category!r}, which no item has.{near(rule.category, having)}"
                )
            those &= pl.col("category").list.contains(rule.category).fill_null(False)
        return catalogue.filter(those & self._matching(catalogue, rule.where, "item"))["item_id"]

    def of_users(self, where: Where) -> pl.Series:
        """Ids of the users with these attributes."""
        if self.users is None:
            raise CannotJudge("the synthetic shop has no attributes of users")
        return self.users.filter(self._matching(self.users, where, "user"))["owner"]

    def _matching(self, table: pl.DataFrame, where: Where, what: str) -> pl.Expr:
        those: pl.Expr = pl.lit(True)
        for name, values in where.items():
            if name == "brand" and "brand" in table.columns:
                those &= pl.col("brand").is_in(list(listed(values))).fill_null(False)
                continue
            if "attributes" not in table.columns:
                raise CannotJudge(f"the {what}s have no attributes")
            pair = pl.element().struct
            met = (pair.field("name") == name) & pair.field("value").is_in(list(listed(values)))
            those &= pl.col("attributes").list.eval(met).list.any().fill_null(False)
        return those


def breaks(rule: Rule, facts: Facts, frame: pl.DataFrame) -> pl.Series:
    """Whether each event of `frame`, which is `facts.frame` or some of its rows, breaks `rule`: bool.

    Raises `CannotJudge` where the shop lacks what the rule looks at.
    """
    how: dict[type[Rule], Callable[[Any, Facts], pl.Expr]] = {
        Funnel: _funnel, Never: _never, Stock: _stock, Range: _range, Hours: _hours, Most: _most, Forbidden: _forbidden,
    }  # fmt: skip
    broken = how[type(rule)](rule, facts) & _of(rule.event)
    return frame.select(broken.fill_null(False).alias("broken"))["broken"]


def _of(kinds: Names) -> pl.Expr:
    return pl.col("event").is_in(list(listed(kinds))) if kinds else pl.lit(True)


def _keys(of: str, within: str) -> list[str]:
    return [
        "owner",
        *(["session"] if within == "session" else []),
        *(["item_id"] if of == "item" else []),
    ]


def _timed(facts: Facts) -> None:
    if not facts.timed:
        raise CannotJudge("the events have no times")


def _column(facts: Facts, name: str) -> None:
    if name not in facts.columns:
        raise CannotJudge(f"the events have no {name}")


def _funnel(rule: Funnel, facts: Facts) -> pl.Expr:
    """Events of one time may stand in either order; what has no time is not blamed for coming early."""
    at = pl.col("at")
    earliest = (
        pl.when(_of(rule.needs))
        .then(at.fill_null(LONG_AGO))
        .min()
        .over(_keys(rule.of, rule.within))
    )
    there = earliest.is_not_null() & (at.is_null() | (earliest <= at))
    return ~there if rule.of == "any" else ~there & pl.col("item_id").is_not_null()


def _never(rule: Never, facts: Facts) -> pl.Expr:
    before = pl.col("event").shift(1).over(_keys(rule.of, rule.within))
    return before.is_in(list(listed(rule.after)))


def _stock(rule: Stock, facts: Facts) -> pl.Expr:
    items = facts.chosen(rule)
    mine = (
        pl.col("item_id").is_not_null()
        if items is None
        else pl.col("item_id").is_in(items.implode())
    )
    if rule.bare:
        return mine
    _timed(facts)
    at, broken = pl.col("at"), pl.lit(False)
    if rule.first:
        broken |= at < pl.lit(moment(rule.first)).cast(pl.Datetime("us")).cast(pl.Int64)
    if rule.last:
        broken |= at > pl.lit(moment(rule.last, end=True)).cast(pl.Datetime("us")).cast(pl.Int64)
    if rule.per_day is not None:
        units = (
            pl.when(_of(rule.event))
            .then(pl.col("quantity").fill_null(1.0).clip(0.0))
            .otherwise(0.0)
        )
        sold = units.cum_sum().over(["item_id", at // DAY], order_by=["at", "row"])
        broken |= at.is_not_null() & (units > 0) & (sold > rule.per_day + 1e-9)
    return mine & broken


def _range(rule: Range, facts: Facts) -> pl.Expr:
    value = pl.col("value" if rule.column == "price" else rule.column)
    _column(facts, "value" if rule.column == "price" else rule.column)
    if rule.column == "price":
        value = value / pl.when(pl.col("quantity").fill_null(1.0) != 0).then(
            pl.col("quantity").fill_null(1.0)
        )
    if rule.relative:
        if "price" not in facts.catalogue.columns:
            raise CannotJudge("the items have no price")
        prices = facts.catalogue.select("item_id", "price").drop_nulls().filter(pl.col("price") > 0)
        price = pl.col("item_id").replace_strict(
            prices["item_id"], prices["price"], default=None, return_dtype=pl.Float64
        )
        value = value / price
    room = 1e-9 * value.abs() + 1e-12
    broken = pl.lit(False)
    if rule.minimum is not None:
        broken |= value + room < rule.minimum
    if rule.maximum is not None:
        broken |= value - room > rule.maximum
    items = facts.chosen(rule)
    return broken if items is None else broken & pl.col("item_id").is_in(items.implode())


def _hours(rule: Hours, facts: Facts) -> pl.Expr:
    _timed(facts)
    local = pl.col("at") + round(rule.utc_offset * HOUR)
    clock, start, end = local % DAY, _clock(rule.open), _clock(rule.close) or DAY
    inside = (clock >= start) & (clock < end) if start < end else (clock >= start) | (clock < end)
    # A night that began on an open day belongs to it; day 0 of 1970 was a Thursday.
    night = pl.lit(0) if start < end else pl.when(clock < end).then(1).otherwise(0)
    day = (local // DAY - night + 3) % 7
    return ~(inside & day.is_in([DAYS.index(name) for name in rule.days]))


def _clock(when: time) -> int:
    return ((when.hour * 60 + when.minute) * 60 + when.second) * 1_000_000 + when.microsecond


def _most(rule: Most, facts: Facts) -> pl.Expr:
    keys: dict[str, list[Any]] = {
        "user": ["owner"],
        "session": ["owner", "session"],
        "day": ["owner", pl.col("at") // DAY],
        "hour": ["owner", pl.col("at") // HOUR],
    }
    if rule.per in ("day", "hour"):
        _timed(facts)
    counted = (_of(rule.event) & pl.col("row").is_not_null()).cast(pl.Int64)
    place = counted.cum_sum().over(keys[rule.per])
    broken: pl.Expr = place > (rule.events or 0)
    return broken if rule.per in ("user", "session") else broken & pl.col("at").is_not_null()


def _forbidden(rule: Forbidden, facts: Facts) -> pl.Expr:
    items = facts.chosen(rule)
    assert items is not None, "a rule that forbids nothing is refused when it is read"
    return pl.col("item_id").is_in(items.implode()) & pl.col("owner").is_in(
        facts.of_users(rule.user).implode()
    )
