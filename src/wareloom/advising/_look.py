"""The look at a shop: what it has, what that allows, and what of it is no behaviour but an artefact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from wareloom.preparing.statistics import statistics
from wareloom.preparing.statistics_beside import dialogues, photos
from wareloom.shop import Shop
from wareloom.shop.buckets import user_key
from wareloom.shop.schema import IMPRESSION, INTERACTIONS

ENOUGH = 0.5
"""Share of the items that have to have a text, a brand or a category, before it is something to learn from"""
LOOKED = 400_000
"""Events, at most, that are looked at for the order of the file and for copied users"""
MANY, SOME = 2_000_000, 1_000_000
"""Events beyond which rates and warnings are told of a sample of the users, and the events of that sample, about"""
SORTED, UNSORTED, ALWAYS, PAIRS = 0.85, 0.7, 0.99, 50
"""Share of neighbouring events of one day in the order of their items' ids from which that order is no behaviour, where
less than so many from day to day are, and of a log without times; and pairs that it takes to say so. By chance it is a
half"""
COPIED, LONG = 0.05, 4
"""Share of the users of so many events or more who did exactly what another did, from which they are copies"""
SHARED = 0.02
"""Share of this shop's events that stand in another one's log, from which that log is not another's"""


@dataclass
class Look:
    """What was seen; plain values alone, so that it is kept and shown as it is."""

    rows: dict[str, int] = field(default_factory=dict)
    """By table"""
    users: int = 0
    interactions: int = 0
    has: dict[str, bool] = field(default_factory=dict)
    """texts, brands, categories, prices, pictures, dialogues, queries, judgments, exposures, times, ratings"""
    resolution: str = "none"
    """How fine the times are"""
    ties: bool = False
    """Whether users have several events of one time"""
    sorted_by_item: str = ""
    """"ties" or "days": where the order of the file, or the times within a day, is that of the items' ids; "file" where
    a log without times is"""
    copied: float = 0.0
    """Share of the longer users that are copies of another"""
    cold: float = 0.0
    """Share of the items that nobody has had"""
    repeat_rate: float = 0.0
    photos: dict[str, Any] = field(default_factory=dict)
    """Counts of its photos, see `wareloom.preparing.statistics_beside`; empty where there are none"""
    talks: dict[str, Any] = field(default_factory=dict)
    """Counts of its dialogues, likewise"""
    others: dict[str, str] = field(default_factory=dict)
    """Other shops by folder, and why one is not used; "" where it is"""
    warnings: list[str] = field(default_factory=list)


def look(shop: Shop, others: tuple[str, ...] = ()) -> Look:
    """Look at a shop, streaming: its tables are not held in memory."""
    part = _part(shop)
    told = statistics(part)
    found = Look(rows={name: shop.rows(name) for name in shop.names}, warnings=told["warnings"])
    found.has = _has(shop, told)
    found.photos, found.talks = photos(shop), dialogues(shop)
    events = told.get("events") or {}
    found.interactions = int(events.get("interactions", 0))
    if found.interactions:
        found.users = int(events["users"])
        found.resolution = events["time"]["resolution"]
        found.has["times"] = found.resolution != "none"
        found.repeat_rate = float(events.get("repeat_rate") or 0.0)
        found.cold = float(events["tail"]["items_with_none"])
        if part is not shop:
            found.interactions, found.users, found.cold = _counted(shop)
        sample = _sample(shop)
        found.ties = found.has["times"] and _tied(sample)
        found.sorted_by_item = _sorted(sample, timed=found.has["times"])
        found.copied = _copied(sample, timed=found.has["times"])
    for folder in others:
        found.others[folder] = _why_not(shop, folder)
    return found


def _part(shop: Shop) -> Shop:
    """The shop, or of a large log the events of some users, in memory."""
    rows = shop.rows("events")
    if rows <= MANY:
        return shop
    events, part = shop.scan("events"), -(-rows // SOME)
    some = events.filter((user_key(events).hash(seed=7) % part == 0).fill_null(False))
    return shop.with_tables(events=some.collect(engine="streaming"), users=None)


def _counted(shop: Shop) -> tuple[int, int, float]:
    """Interactions and users of a large log, and the share of the items that nobody has had, counted on all of it."""
    chosen = shop.scan("events").filter(
        pl.col("event").is_in(INTERACTIONS) & pl.col("item_id").is_not_null()
    )
    rows, users = (
        chosen.select(rows=pl.len(), users=user_key(chosen).n_unique())
        .collect(engine="streaming")
        .row(0)
    )
    had = chosen.select("item_id").unique()
    none = shop.scan("items").join(had, on="item_id", how="anti").select(pl.len())
    return rows, users, none.collect(engine="streaming").item() / max(1, shop.rows("items"))


def _has(shop: Shop, told: dict[str, Any]) -> dict[str, bool]:
    """What a shop has enough of to learn from."""
    names, items = shop.columns("items"), shop.scan("items")
    lists = ("category", "attributes")
    wanted = [c for c in ("title", "description", "category", "brand", "attributes") if c in names]
    filled = {
        c: ((pl.col(c).list.len() if c in lists else pl.col(c).str.len_chars()) > 0)
        .fill_null(False)
        .mean()
        for c in wanted
    }
    shares = items.select(**filled).collect(engine="streaming").row(0, named=True) if filled else {}
    enough: dict[str, bool] = {str(c): (shares.get(c) or 0.0) >= ENOUGH for c in wanted}
    texts = any(enough.get(c, False) for c in ("title", "description"))
    return {
        "texts": texts and _says_something(shop, enough),
        "brands": enough.get("brand", False),
        "categories": enough.get("category", False),
        "prices": bool(told["items"].get("price")),
        "pictures": bool(shop.rows("images")),
        "dialogues": bool(shop.rows("dialogues")),
        "queries": bool(shop.rows("searches")),
        "judgments": bool(shop.rows("judgments")),
        "exposures": _any_event(shop, pl.col("event") == IMPRESSION),
        "ratings": shop.has("events", "rating")
        and _any_event(shop, pl.col("rating").is_not_null()),
        "times": False,
    }


def _says_something(shop: Shop, enough: dict[str, bool]) -> bool:
    """Whether titles differ in more than a number: "Item 1", "Item 2" share all their words and say nothing."""
    column = "title" if enough.get("title") else "description"
    words = (
        shop.scan("items")
        .select(item=pl.int_range(pl.len()), word=pl.col(column).str.to_lowercase())
        .with_columns(word=pl.col("word").str.extract_all(r"\p{L}{2,}"))
        .explode("word")
        .drop_nulls("word")
        .unique()
    )
    counts = words.group_by("word").len().collect(engine="streaming")["len"]
    items = shop.rows("items")
    return bool(((counts >= 2) & (counts <= max(2, items // 2))).any())


def _any_event(shop: Shop, what: pl.Expr) -> bool:
    if not shop.has("events"):
        return False
    return bool(shop.scan("events").select(what.any()).collect(engine="streaming").item())


def _sample(shop: Shop) -> pl.DataFrame:
    """Interactions of some users: columns user, item, time (null where there is none), in the order of the file."""
    events = shop.scan("events")
    time = pl.col("time") if shop.has("events", "time") else pl.lit(None, dtype=pl.Datetime("us"))
    frame = events.filter(
        pl.col("event").is_in(INTERACTIONS) & pl.col("item_id").is_not_null()
    ).select(user=user_key(events), item=pl.col("item_id"), time=time)
    rows = shop.rows("events")
    if rows > LOOKED:
        part = max(2, -(-rows // LOOKED))
        frame = frame.filter(pl.col("user").hash(seed=5) % part == 0)
    return frame.drop_nulls("user").collect(engine="streaming").with_row_index("row")


def _tied(frame: pl.DataFrame) -> bool:
    return bool(
        frame.drop_nulls("time").select(pl.struct("user", "time").is_duplicated().any())[0, 0]
    )


def _sorted(frame: pl.DataFrame, *, timed: bool) -> str:
    """Say where events that follow one another within a day stand in the order of their items' ids.

    Where they rise from one day to the next as well, that is how shoppers go on: no artefact of the days.
    """
    if not timed:
        return "file" if _rises(frame.sort("user", "row"), [])[0] >= ALWAYS else ""
    frame = frame.drop_nulls("time").with_columns(day=pl.col("time").dt.truncate("1d"))
    frame = frame.sort("user", "time", "row")
    if _rises(frame, ["time"])[0] >= SORTED:
        return "ties"
    within, across = _rises(frame, ["day"])
    return "days" if within >= SORTED and across < UNSORTED else ""


def _rises(frame: pl.DataFrame, same: list[str]) -> tuple[float, float]:
    """Share of a user's neighbouring events, alike in `same`, that go one way by item id; and of the others that do.

    The way is the one that most of the former go, by ids as texts or as numbers. A half stands where there are fewer
    pairs than `PAIRS`.
    """
    before = pl.col("item").shift()
    number = pl.col("item").str.extract(r"(\d+)$").cast(pl.Int64, strict=False)
    alike = [pl.col(name) == pl.col(name).shift() for name in same]
    told = frame.select(
        use=(pl.col("user") == pl.col("user").shift()) & (pl.col("item") != before),
        same=pl.all_horizontal(alike) if alike else pl.lit(True),
        text=pl.col("item") > before,
        number=number > number.shift(),
    ).filter(pl.col("use").fill_null(False))
    alike_, others = told.filter("same"), told.filter(~pl.col("same"))
    ways = []
    for name in ("text", "number"):
        within, across = (_mean(rows[name]) for rows in (alike_, others))
        ways.append((within, across) if within >= 0.5 else (1 - within, 1 - across))
    return max(ways)


def _mean(values: pl.Series) -> float:
    """Share of what is true; a half of few."""
    known = values.drop_nulls()
    return int(known.sum()) / len(known) if len(known) >= PAIRS else 0.5


def _copied(frame: pl.DataFrame, *, timed: bool) -> float:
    """Share of the users with `LONG` different items or more who did exactly what another did, when the other did."""
    did = (
        pl.col("item") if not timed else pl.format("{} {}", "item", pl.col("time").cast(pl.String))
    )
    users = frame.group_by("user", maintain_order=True).agg(
        did=did, distinct=pl.col("item").n_unique()
    )
    least = LONG if timed else 2 * LONG
    users = users.filter(pl.col("distinct") >= least).with_columns(pl.col("did").list.join("\x1f"))
    return int(users["did"].is_duplicated().sum()) / len(users) if len(users) else 0.0


def _why_not(shop: Shop, folder: str) -> str:
    """Why another shop cannot teach this one; "" where it can."""
    other = Shop.open(folder)
    if other.fingerprint == shop.fingerprint:
        return "it is this shop"
    if not other.rows("events"):
        return "it has no events"
    if not shop.rows("events"):
        return ""
    mine, theirs = _sample(shop), _sample(other)
    timed = mine["time"].count() and theirs["time"].count()
    keys = ["item", "user", "time"] if timed else ["item", "user"]
    share = len(mine.join(theirs, on=keys, how="semi")) / max(1, len(mine))
    if share <= SHARED:
        return ""
    return (
        f"{share:.0%} of this shop's events stand in its log, those that are held out among them: what is learned from "
        "it is a leak"
    )
