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
    said: pl.DataFrame | None = None
    """Turns of dialogues, of both roles: columns user (int64, as in `queries`) and text; None where there are none"""

    def __len__(self) -> int:
        return len(self.log.users)

    @property
    def asked(self) -> pl.DataFrame:
        """`queries`, without rows where none are known."""
        if self.queries is None:
            return pl.DataFrame(schema={"user": pl.Int64, "query": pl.String})
        return self.queries

    @property
    def turns(self) -> pl.DataFrame:
        """`said`, without rows where there is none."""
        if self.said is None:
            return pl.DataFrame(schema={"user": pl.Int64, "text": pl.String})
        return self.said

    @property
    def timed(self) -> bool:
        """Whether any event's time is known."""
        return self.log.timed and bool((self.log.time != NO_TIME).any())

    def select(self, users: np.ndarray) -> People:
        """Return some of them (codes), in the given order."""
        attributes = None if self.attributes is None else self.attributes[users]
        queries, said = (_of(rows, users) for rows in (self.queries, self.said))
        return People(self.log.select(users), queries, attributes, said)

    def nameless(self) -> People:
        """Return them without their ids, which may say whose they are."""
        names = pl.select(pl.format("t{}", pl.int_range(len(self)))).to_series()
        return replace(self, log=replace(self.log, users=Vocabulary(names)))


def _of(rows: pl.DataFrame | None, users: np.ndarray) -> pl.DataFrame | None:
    """Rows of some users (codes), who get new codes in the given order."""
    if rows is None:
        return None
    new = pl.DataFrame({"user": users, "new": np.arange(len(users))})
    found = rows.join(new, on="user", maintain_order="left").drop("user").rename({"new": "user"})
    return found.select(rows.columns)


def read_people(shops: dict[str, Shop], run: Run) -> tuple[list[People], pl.DataFrame, bool]:
    """Read REAL, SYNTH and the holdout: their users, the catalogue in the order of codes, and whether events are read.

    Where one side has no events, and each has queries, users are those that asked, or each query is a user of its own
    where nobody is named. Where SYNTH has dialogues alone and all sides have some, each is a user, who asked what its
    customer said. Raises `InputError` where nothing of that can be read.
    """
    if talk_alone(shops):
        return (*read_talks(shops), False)
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


def talk_alone(shops: dict[str, Shop]) -> bool:
    """Whether SYNTH has dialogues and nothing else that people do, and all sides have dialogues."""
    others = ("events", "searches", "judgments")
    return talked(shops) and not any(shops["SYNTH"].rows(name) for name in others)


def talked(shops: dict[str, Shop]) -> bool:
    """Whether all sides have dialogues."""
    return all(shop.rows("dialogues") for shop in shops.values())


def read_talks(shops: dict[str, Shop]) -> tuple[list[People], pl.DataFrame]:
    """Read the dialogues of REAL, SYNTH and the holdout: each is a user, who asked what its customer said.

    `said` has the turns of both roles. Raises `InputError` where the holdout has dialogues of REAL under other ids.
    """
    made, turns = list[Shop](), list[pl.DataFrame]()
    for shop in shops.values():
        said = shop.scan("dialogues").filter(pl.col("text").is_not_null())
        searches = said.filter(pl.col("role") == CUSTOMER).select(
            search_id=pl.format("{}/{}", "dialogue_id", "turn"),
            user_id="dialogue_id",
            query="text",
            origin="origin",
        )
        made.append(Shop.trusted({"items": shop.scan("items"), "searches": searches}, shop.meta))
        turns.append(said.sort("turn", maintain_order=True).select("dialogue_id", "text").collect())
    _refuse_copied(turns[0], turns[2])
    ids = [shop.scan("items").select("item_id").collect()["item_id"] for shop in made]
    items = Vocabulary(pl.concat(ids).unique(maintain_order=True))
    people = []
    for place, (one, own) in enumerate(zip(_asking(made, items), turns, strict=True)):
        codes = one.log.users.encode(own["dialogue_id"]).astype(np.int64)
        rows = pl.DataFrame({"user": codes, "text": own["text"]})
        # Whose a turn of SYNTH is says nothing.
        people.append(replace(one, said=rows.filter((pl.col("user") >= 0) | (place == 1))))
    return people, _catalogue(made, items)


def _refuse_copied(mine: pl.DataFrame, held: pl.DataFrame) -> None:
    """Raise `InputError` where dialogues of the holdout are those of REAL under other ids."""
    whole = [
        side.group_by("dialogue_id", maintain_order=True)
        .agg(pl.col("text").str.to_lowercase().str.join("\x1f"), turns=pl.len())
        .filter(pl.col("turns") >= TELLING)["text"]
        for side in (mine, held)
    ]
    if not all(map(len, whole)):
        return
    same = whole[1].is_in(whole[0].implode())
    usual = int(whole[0].is_duplicated().sum()) / len(whole[0])
    if int(same.sum()) / len(same) > SAME + 2 * usual:
        raise InputError(
            f"{same.sum():,} of {len(same):,} dialogues of the holdout with {TELLING} turns or more are word for word "
            f"dialogues of REAL, where {usual:.1%} of REAL's are alike: they are members under other names. Hold out "
            "other dialogues."
        )


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
    said = None
    if first.said is not None and second.said is not None:
        said = pl.concat([first.said, second.said.with_columns(pl.col("user") + len(first))])
    attributes = None
    if first.attributes is not None and second.attributes is not None:
        names_ = [name for name in first.attributes.columns if name in second.attributes.columns]
        attributes = pl.concat([side.attributes.select(names_) for side in (first, second)])  # type: ignore[union-attr]
    if first.queries is None or second.queries is None:
        return People(log, attributes=attributes, said=said)
    later = second.queries.with_columns(pl.col("user") + len(first))
    return People(log, pl.concat([first.queries, later]), attributes, said)


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
