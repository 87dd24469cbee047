"""Users of a shop as attacks look at them: what they did, and what they asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.log import NO_TIME
from wareloom.shop.queries import normal_query
from wareloom.shop.runs import whole_codes
from wareloom.shop.schema import CUSTOMER

TELLING = 3
"""Events from which the whole history of a user is taken for its own"""
SAME = 0.02
"""Share of holdout users with the very history of a member from which they are members under other names"""


@dataclass(frozen=True)
class People:
    """Some users: what they did, and what they asked."""

    log: Log
    """Items by the codes that all people of a case share; each has an event at least, or none of them has"""
    queries: pl.DataFrame | None = None
    """Columns user (int64, code into the log's users, -1 for nobody's) and query, as queries are compared; None where
    none are known"""
    attributes: pl.DataFrame | None = None
    """What is known of each user, a row a user and a column a name: String; None where nothing is"""

    def __len__(self) -> int:
        return len(self.log.users)

    @property
    def asked(self) -> pl.DataFrame:
        """`queries`, without rows where none are known."""
        if self.queries is None:
            return pl.DataFrame(schema={"user": pl.Int64, "query": pl.String})
        return self.queries

    @property
    def timed(self) -> bool:
        """Whether any event's time is known."""
        return self.log.timed and bool((self.log.time != NO_TIME).any())

    def select(self, users: np.ndarray) -> People:
        """Return some of them (codes), in the given order."""
        queries = self.queries
        if queries is not None:
            new = pl.DataFrame({"user": users, "new": np.arange(len(users))})
            queries = queries.join(new, on="user", maintain_order="left").select("new", "query")
            queries = queries.rename({"new": "user"})
        attributes = None if self.attributes is None else self.attributes[users]
        return People(self.log.select(users), queries, attributes)

    def nameless(self) -> People:
        """Return them without their ids, which may say whose they are."""
        names = pl.select(pl.format("t{}", pl.int_range(len(self)))).to_series()
        return replace(self, log=replace(self.log, users=Vocabulary(names)))


def read_people(shops: dict[str, Shop], run: Run) -> tuple[list[People], pl.DataFrame, bool]:
    """Read REAL, SYNTH and the holdout: their users, the catalogue in the order of codes, and whether events are read.

    Where one side has no events, and each has queries, users are those that asked, or each query is a user of its own
    where nobody is named. Where all sides have dialogues alone, each is a user, who asked what its customer said.
    Raises `InputError` where nothing of that can be read.
    """
    shops = _talking(shops)
    asked = {n: bool(shop.rows("searches") or shop.rows("judgments")) for n, shop in shops.items()}
    without = [name for name, shop in shops.items() if not shop.rows("events")]
    if bare := [name for name in without if not asked[name]]:
        raise InputError(f"{bare[0]} has neither events nor queries: there is nothing to attack.")
    if without and not all(asked.values()):
        other = next(name for name, there in asked.items() if not there)
        raise InputError(
            f"{without[0]} has queries and no events, {other} has events and no queries: nothing of the one can be "
            "held beside the other."
        )
    if without:
        ids = [shop.scan("items").select("item_id").collect()["item_id"] for shop in shops.values()]
        items = Vocabulary(pl.concat(ids).unique(maintain_order=True))
        return _asking(list(shops.values()), items), _catalogue(list(shops.values()), items), False
    logs = _logs(shops, run)
    items = Vocabulary(
        pl.concat([log.items.ids for log in logs.values()]).unique(maintain_order=True)
    )
    people = []
    for name, log in logs.items():
        coded = replace(log, items=items, item=items.encode(log.items.ids)[log.item])
        queries = _queries(shops[name], coded.users, own=name != "SYNTH")
        people.append(People(coded, queries, _attributes(shops[name], coded.users)))
    if not np.isin(people[1].log.item, people[0].log.item).any():
        raise InputError(
            f"SYNTH and REAL have no item in common: SYNTH has {logs['SYNTH'].items.ids[0]!r}, REAL "
            f"{logs['REAL'].items.ids[0]!r}. Both must name items alike."
        )
    return people, _catalogue(list(shops.values()), items), True


def _talking(shops: dict[str, Shop]) -> dict[str, Shop]:
    """Shops of dialogues alone as shops of searches: a dialogue is a user, and what its customer says a query."""
    others = ("events", "searches", "judgments")
    if not all(shop.rows("dialogues") for shop in shops.values()):
        return shops
    if any(shop.rows(name) for shop in shops.values() for name in others):
        return shops
    made = {}
    for name, shop in shops.items():
        said = shop.scan("dialogues").filter(
            pl.col("role") == CUSTOMER, pl.col("text").is_not_null()
        )
        searches = said.select(
            search_id=pl.format("{}/{}", "dialogue_id", "turn"),
            user_id="dialogue_id",
            query="text",
            origin="origin",
        )
        made[name] = Shop.trusted({"items": shop.scan("items"), "searches": searches}, shop.meta)
    return made


def _logs(shops: dict[str, Shop], run: Run) -> dict[str, Log]:
    """The log of each shop, of users with an event."""
    seed, logs = run.seed_for("attack", "ties"), {}
    for name, shop in shops.items():
        log = Log.of(shop, shuffle_ties=seed if shop.has("events", "time") else None)
        log = log.select(np.flatnonzero(log.lengths()))
        if not len(log):
            raise InputError(f"{name} has no events on items that its catalogue knows.")
        logs[name] = log
    return logs


def _queries(shop: Shop, users: Vocabulary, *, own: bool) -> pl.DataFrame | None:
    """Queries of users, as they are compared; with all others, and those of judgments, where they need no `own`er."""
    frames = []
    if shop.rows("searches"):
        scan = shop.scan("searches")
        frames.append(scan.select("query", user=user_key(scan)))
    if not own and shop.rows("judgments"):
        frames.append(shop.scan("judgments").select("query", user=pl.lit(None, dtype=pl.String)))
    if not frames:
        return None
    rows = pl.concat(frames).with_columns(query=normal_query()).collect()
    rows = rows.select(user=pl.Series(users.encode(rows["user"]).astype(np.int64)), query="query")
    return rows.filter(pl.col("query").is_not_null(), (pl.col("user") >= 0) | (not own))


def _attributes(shop: Shop, users: Vocabulary) -> pl.DataFrame | None:
    """What a shop says of its users, in their order; the first value of a name."""
    if not shop.has("users", "attributes"):
        return None
    long = shop.scan("users").select("user_id", "attributes").explode("attributes")
    long = long.unnest("attributes").drop_nulls(["name", "value"])
    rows = long.unique(["user_id", "name"], keep="first", maintain_order=True).collect()
    if not len(rows):
        return None
    named = rows.pivot(on="name", index="user_id", values="value")
    both = pl.DataFrame({"user_id": users.ids}).join(
        named, on="user_id", how="left", maintain_order="left"
    )
    return both.drop("user_id")


def _asking(shops: list[Shop], items: Vocabulary) -> list[People]:
    """Users by what they asked alone; each different query one, where not all but SYNTH name who asked."""
    named = all(
        shop.rows("searches")
        and shop.scan("searches")
        .select(user_key(shop.scan("searches")).is_not_null().any())
        .collect()
        .item()
        for shop in shops[::2]
    )
    rows = []
    for place, shop in enumerate(shops):
        keys = {name: shop.scan(name) for name in ("searches", "judgments") if shop.rows(name)}
        if named and place != 1:
            scan = keys["searches"]
            found = (
                scan.select("query", user=user_key(scan))
                .with_columns(query=normal_query())
                .collect()
            )
        else:
            texts = pl.concat([scan.select("query") for scan in keys.values()])
            found = texts.with_columns(query=normal_query()).unique(maintain_order=True).collect()
            found = found.with_columns(user=pl.format("query {}", "query"))
        rows.append(found.drop_nulls())
    if not named:
        # What both asked is a member's and is not; a query is a target where it is of one side alone.
        both = rows[0].join(rows[2], on="query", how="semi")["query"]
        rows[0], rows[2] = (rows[i].filter(~pl.col("query").is_in(both.implode())) for i in (0, 2))
    return [_without_events(found, items) for found in rows]


def _without_events(rows: pl.DataFrame, items: Vocabulary) -> People:
    """People of columns query and user."""
    users = Vocabulary(rows["user"].unique(maintain_order=True))
    none = {
        name: np.zeros(0, t)
        for name, t in (("item", np.int32), ("time", np.int64), ("event", np.int8))
    }
    none |= {
        "session": np.zeros(0, np.int32),
        "weight": np.zeros(0, np.float32),
        "real": np.zeros(0, bool),
    }
    log = Log(users, items, np.zeros(len(users) + 1, np.int64), timed=False, **none)
    queries = rows.select(
        user=pl.Series(users.encode(rows["user"]).astype(np.int64)), query="query"
    )
    return People(log, queries)


def _catalogue(shops: list[Shop], items: Vocabulary) -> pl.DataFrame:
    """What the first catalogue with an item says of it."""
    wanted = ("category", "title", "brand", "price")
    frames = [
        shop.scan("items").select("item_id", *[n for n in wanted if shop.has("items", n)])
        for shop in shops
    ]
    both = pl.concat(frames, how="diagonal").collect().unique("item_id", keep="first")
    return pl.DataFrame({"item_id": items.ids}).join(
        both, on="item_id", how="left", maintain_order="left"
    )


def joined(first: People, second: People) -> People:
    """The users of both, one after the other."""
    columns = ("item", "time", "event", "session", "weight", "real")
    a, b = first.log, second.log
    both = {name: np.concatenate([getattr(a, name), getattr(b, name)]) for name in columns}
    names = pl.select(pl.format("t{}", pl.int_range(len(first) + len(second)))).to_series()
    log = Log(
        users=Vocabulary(names),
        items=a.items,
        offsets=np.concatenate([a.offsets, a.offsets[-1] + b.offsets[1:]]),
        timed=a.timed and b.timed,
        **both,
    )
    attributes = None
    if first.attributes is not None and second.attributes is not None:
        names_ = [name for name in first.attributes.columns if name in second.attributes.columns]
        attributes = pl.concat([side.attributes.select(names_) for side in (first, second)])  # type: ignore[union-attr]
    if first.queries is None or second.queries is None:
        return People(log, attributes=attributes)
    later = second.queries.with_columns(pl.col("user") + len(first))
    return People(log, pl.concat([first.queries, later]), attributes)


def refuse_members(members: Log, held: Log) -> list[str]:
    """Raise `InputError` where holdout users are members by their ids, or by their histories; say what is odd."""
    both = held.users.ids.is_in(members.users.ids.implode())
    if both.any():
        raise InputError(
            f"{both.sum():,} of {len(held.users):,} users of the holdout are users of REAL, too, such as "
            f"{held.users.ids.filter(both)[0]!r}: nobody could tell them from members. Hold out whole users "
            "(wareloom split SHOP --by user), and fit the generator on the others."
        )
    mine, theirs = _histories(members), _histories(held)
    judged = theirs != 0
    if not judged.any():
        return []
    same = np.isin(theirs[judged], mine[mine != 0])
    values, counts = np.unique(mine[mine != 0], return_counts=True)
    usual = np.isin(mine[mine != 0], values[counts > 1]).mean() if len(values) else 0.0
    if same.mean() > SAME + 2 * usual:
        raise InputError(
            f"{same.sum():,} of {len(same):,} users of the holdout with {TELLING} events or more have the very history "
            f"of a user of REAL, where {usual:.1%} of REAL's share theirs with one another: they are members under "
            "other names. Hold out other users."
        )
    if same.any():
        return [
            f"{same.sum():,} of {len(same):,} users of the holdout with {TELLING} events or more have the very history "
            "of a user of REAL."
        ]
    return []


def _histories(log: Log) -> np.ndarray:
    """Code of each user's items and times, uint64 [users]; 0 for users with fewer events than `TELLING`."""
    codes = whole_codes(log.item.astype(np.int64), log.offsets)
    if log.timed:
        codes ^= whole_codes(log.time % (2**62), log.offsets) * np.uint64(3)
    return np.where(log.lengths() >= TELLING, codes, np.uint64(0))
