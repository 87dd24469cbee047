"""Attributes of users: which tell who somebody is, coarser places and times, and who stands out by them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from wareloom.shop.schema import MAP

Unit = Literal["kept", "hour", "day", "week"]
EVERY: dict[Unit, str] = {"hour": "1h", "day": "1d", "week": "1w"}
WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|[_\-.\s]+")
PERSON = re.compile(
    r"\b(name|first ?name|last ?name|surname|full ?name|nick ?name|login|e ?mail|phone|mobile|cell|telephone"
    r"|tel|fax|ip|address"
    r"|street|ssn|passport|licen[cs]e|id ?card|national id|tax id|iban|card|account|device id|cookie|idfa|gaid"
    r"|imei|mac"
    r"|birth ?day|birth ?date|date of birth|dob|born|wechat|weixin|qq)\b"
    r"|姓名|昵称|手机|电话|邮箱|地址|身份证|生日|微信|银行卡"
)
"""Names of attributes that tell who somebody is: they are taken out"""
FINE_PLACE = re.compile(
    r"\b(city|town|village|district|county|suburb|neighbou?rhood|borough|metro|dma)\b|城市|市区|区县|街道"
)
POSTCODE = re.compile(
    r"\b(zip|zip ?code|postcode|post ?code|postal|postal code|plz)\b|邮编|邮政编码"
)
POINT = re.compile(r"\b(lat|latitude|lon|lng|long|longitude)\b|纬度|经度")
REGION = re.compile(r"\b(country|state|province|region|continent)\b|国家|省份|省|地区")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?")
DIGITS_KEPT = {5: 3, 6: 2}
"""Digits of a postcode that are kept, by how many it has: an area of the United States, a province of China"""


def folded(name: str) -> str:
    """A name of an attribute in lower case, words apart."""
    return " ".join(WORD.split(name)).casefold()


def coarser(name: str, value: str, *, region: bool, unit: Unit) -> str | None:
    """The value of an attribute as it may leave; None where it may not.

    `region`: whether countries, states and the first digits of postcodes stay.
    """
    plain = folded(name)
    if PERSON.search(plain) or FINE_PLACE.search(plain):
        return None
    if POSTCODE.search(plain):
        kept = value.strip()[: DIGITS_KEPT.get(len(value.strip()), 2)]
        return f"{kept}…" if region and kept else None
    if POINT.search(plain):
        try:
            return f"{float(value):.0f}" if region else None
        except ValueError:
            return None
    if REGION.search(plain):
        return value if region else None
    if unit != "kept" and MOMENT.fullmatch(value.strip()):
        day = pl.Series([value.strip()[:10]]).str.to_date(strict=False)
        if unit == "week":
            day = day.dt.truncate("1w")
        return str(day[0]) if day[0] is not None else None
    return value


def coarsened(
    values: pl.Series, *, region: bool, unit: Unit, drop: tuple[str, ...]
) -> tuple[pl.Series, dict[str, int]]:
    """Maps of attributes, coarser; and how many values were taken out or changed, by name."""
    frame = (
        values.to_frame("map").with_row_index("row").explode("map").drop_nulls("map").unnest("map")
    )
    pairs = frame.select("name", "value").unique()
    made = []
    for name, value in pairs.iter_rows():
        out = name is None or value is None or name in drop
        made.append(None if out else coarser(name, value, region=region, unit=unit))
    pairs = pairs.with_columns(pl.Series("new", made, dtype=pl.String))
    frame = frame.join(
        pairs, on=["name", "value"], how="left", nulls_equal=True, maintain_order="left"
    )
    changed = frame.filter(pl.col("new").ne_missing(pl.col("value")))["name"]
    back = (
        frame.drop_nulls("new")
        .group_by("row", maintain_order=True)
        .agg(map=pl.struct("name", value="new"))
    )
    rows = pl.DataFrame({"row": pl.int_range(len(values), dtype=pl.UInt32, eager=True)})
    whole = rows.join(back, on="row", how="left", maintain_order="left")["map"].cast(MAP)
    empty = pl.Series([[]], dtype=MAP)
    filled = pl.select(pl.when(values.is_not_null()).then(pl.coalesce(whole, empty)))
    return filled.to_series().alias(values.name), dict(
        sorted(Counter(changed.drop_nulls()).items())
    )


@dataclass(frozen=True)
class Offender:
    """Users who stand out: few have all these values, or what is sensitive is the same for all of them."""

    check: str
    """k or l"""
    attributes: dict[str, str]
    users: int
    who: tuple[str, ...]
    """Pseudonyms of some of them"""
    said: str

    def to_json(self) -> dict[str, Any]:
        """All of it, for those inside."""
        return {
            "check": self.check,
            "attributes": self.attributes,
            "users": self.users,
            "who": list(self.who),
            "said": self.said,
        }


def offenders(
    users: pl.DataFrame, k: int, diversity: int, sensitive: tuple[str, ...]
) -> list[Offender]:
    """Who stands out among `users` (user_id, attributes): combinations of values that fewer than `k` have.

    And combinations whose users have fewer than `diversity` different values of an attribute that is `sensitive`
    (k-anonymity, Sweeney 2002; distinct l-diversity, Machanavajjhala et al. 2007). What is sensitive tells none apart.
    """
    found: list[Offender] = []
    if "attributes" not in users.columns or not len(users):
        return found
    flat = users.explode("attributes").unnest("attributes")
    known = pl.col("name").is_in(list(sensitive)).fill_null(False)
    own = flat.filter(~known & pl.col("name").is_not_null()).sort("name", "value")
    keys = own.group_by("user_id", maintain_order=True).agg(key=pl.struct("name", "value"))
    whole = users.select("user_id").join(keys, on="user_id", how="left")
    groups = whole.group_by("key").agg("user_id").with_row_index("group")
    secret = (
        groups.explode("user_id")
        .join(flat.filter(known), on="user_id")
        .group_by("group", "name")
        .agg(n=pl.col("value").n_unique())
    )
    different = {(group, name): n for group, name, n in secret.iter_rows()}
    for group, key, who in groups.sort(pl.col("user_id").list.len(), "group").iter_rows():
        attributes = {one["name"]: one["value"] for one in key or ()}
        shown = ", ".join(f"{n} = {v}" for n, v in attributes.items()) or "no attributes"
        some = tuple(sorted(who)[:5])
        if len(who) < k:
            said = f"{len(who)} of {k} users: {shown}"
            found.append(Offender("k", attributes, len(who), some, said))
        for name in sensitive:
            if (n := different.get((group, name), 0)) < diversity:
                said = f"{n} of {diversity} values of {name}: {shown}"
                found.append(Offender("l", attributes, len(who), some, said))
    return found


def standing_out(users: pl.DataFrame, k: int, sensitive: tuple[str, ...]) -> int:
    """How many users share all their values with fewer than `k`, themselves counted."""
    return sum(one.users for one in offenders(users, k, 0, sensitive) if one.check == "k")


def cheapest(users: pl.DataFrame, k: int, sensitive: tuple[str, ...]) -> tuple[str, int] | None:
    """The attribute without which fewest users stand out, and how many still do; None where there is none."""
    names = users.explode("attributes").unnest("attributes")["name"].drop_nulls().unique().sort()
    tried = []
    for name in names:
        if name not in sensitive:
            left = pl.col("attributes").list.filter(pl.element().struct.field("name") != name)
            tried.append((standing_out(users.with_columns(left), k, sensitive), name))
    return (min(tried)[1], min(tried)[0]) if tried else None
