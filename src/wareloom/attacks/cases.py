"""What an attacker is shown: targets, not whether they are members; SYNTH; and the histories of others."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Log, Shop, Vocabulary
from wareloom.shop.buckets import user_key
from wareloom.shop.categories import path_codes, telling_codes
from wareloom.shop.log import NO_TIME
from wareloom.shop.queries import normal_query
from wareloom.shop.runs import whole_codes

FEWEST = 40
"""Members, and others, below which nothing can be said: each part has half of them"""
TELLING = 3
"""Events from which the whole history of a user is taken for its own"""
SAME = 0.02
"""Share of holdout users with the very history of a member from which they are members under other names"""
PARTS = 2
"""Parts of the targets: what is learned on one is judged on the other"""


@dataclass(frozen=True)
class People:
    """Some users: what they did, and what they asked."""

    log: Log
    """Items by the codes that all people of a case share; each has an event at least"""
    queries: pl.DataFrame | None = None
    """Columns user (int64, code into the log's users) and query, as queries are compared; None where none are known"""

    def __len__(self) -> int:
        return len(self.log.users)

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
        return People(self.log.select(users), queries)

    def nameless(self) -> People:
        """Return them without their ids, which may say whose they are."""
        names = pl.select(pl.format("t{}", pl.int_range(len(self)))).to_series()
        return replace(self, log=replace(self.log, users=Vocabulary(names)))


@dataclass(frozen=True)
class Case:
    """What an attacker works on: it knows the whole history of each target, and not whether SYNTH was made of it."""

    targets: People
    """In random order and without ids"""
    synth: People
    others: People
    """Users that are known not to be members, and are no targets: what people do of whom SYNTH knows nothing"""
    items: pl.DataFrame
    """The catalogue, a row an item, in the order of codes: item_id, and category, title, brand, price where known"""
    model: Path | None = None
    """The folder of the saved generator, for attacks that look into it"""

    @cached_property
    def category(self) -> np.ndarray | None:
        """Leaf category of each item, int32 [items], -1 unknown; None where none is known."""
        if "category" not in self.items.columns:
            return None
        codes = path_codes(self.items["category"])
        return codes if (codes >= 0).any() else None

    @cached_property
    def shelf(self) -> np.ndarray:
        """Category at the first level that tells items apart, int32 [items]; the leaf where none does."""
        assert self.category is not None
        codes = telling_codes(self.items["category"], self.others.log.counts())
        return self.category if codes is None else codes

    @cached_property
    def brands(self) -> list[np.ndarray]:
        """Brand of each item, int64 [items], each unknown one another; nothing where no brand is known."""
        if "brand" not in self.items.columns or not self.items["brand"].count():
            return []
        codes = self.items["brand"].rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
        return [np.where(codes > 0, codes, -1 - np.arange(len(codes)))]

    @property
    def timed(self) -> bool:
        """Whether times are known on all sides."""
        return self.targets.timed and self.synth.timed and self.others.timed


@dataclass(frozen=True)
class Arena:
    """The cases of an attack, and what no attacker is shown: which targets are members."""

    cases: tuple[Case, ...]
    truth: tuple[np.ndarray, ...]
    """bool [targets], of each case"""
    users: dict[str, int]
    notes: list[str] = field(default_factory=list)

    @property
    def lengths(self) -> tuple[np.ndarray, ...]:
        """Events of each target, int64, of each case."""
        return tuple(case.targets.log.lengths() for case in self.cases)

    @classmethod
    def of(
        cls, real: Shop, synth: Shop, holdout: Shop, run: Run, model: Path | None = None
    ) -> Arena:
        """Deal members and holdout users into parts by the run's seed, as many of either.

        The users of one part of the holdout are the other part's `others`; those that are too many are in both.
        Raises `InputError` where there are too few, or where the holdout has members, under whatever names.
        """
        people, items = _read({"REAL": real, "SYNTH": synth, "the holdout": holdout}, run)
        members, fake, held = people
        notes = _refuse_members(members.log, held.log)
        size = min(len(members), len(held))
        if size < FEWEST:
            raise InputError(
                f"An attack takes {FEWEST} members and {FEWEST} others or more; REAL has {len(members):,} users with "
                f"events, the holdout {len(held):,}. Hold out more: wareloom split SHOP --by user."
            )
        if size < 1000:
            notes.append(
                f"With {size:,} users of either sort, told “at one false alarm in a thousand” is told at none."
            )
        inside, outside = (
            run.rng("attack", name).permutation(len(side))
            for name, side in (("members", members), ("holdout", held))
        )
        cases, truth = [], []
        for part in range(PARTS):
            taken, mine = inside[:size][part::PARTS], outside[:size][part::PARTS]
            both = _joined(members.select(taken), held.select(mine))
            order = run.rng("attack", "order", part).permutation(len(both))
            rest = np.setdiff1d(np.arange(len(held)), mine)
            cases.append(Case(both.select(order).nameless(), fake, held.select(rest), items, model))
            truth.append(order < len(taken))
        users = {"real": len(members), "holdout": len(held), "synthetic": len(fake)}
        users |= {"members": size, "others": size}
        return cls(tuple(cases), tuple(truth), users, notes)


def _read(shops: dict[str, Shop], run: Run) -> tuple[list[People], pl.DataFrame]:
    """Read the shops and give their items the same codes."""
    seed = run.seed_for("attack", "ties")
    logs = {}
    for name, shop in shops.items():
        if not shop.has("events"):
            raise InputError(f"{name} has no table 'events': there is no behaviour to attack.")
        log = Log.of(shop, shuffle_ties=seed if shop.has("events", "time") else None)
        log = log.select(np.flatnonzero(log.lengths()))
        if not len(log):
            raise InputError(f"{name} has no events on items that its catalogue knows.")
        logs[name] = log
    items = Vocabulary(
        pl.concat([log.items.ids for log in logs.values()]).unique(maintain_order=True)
    )
    people = []
    for name, log in logs.items():
        coded = replace(log, items=items, item=items.encode(log.items.ids)[log.item])
        people.append(People(coded, _queries(shops[name], coded.users)))
    if not np.isin(people[1].log.item, people[0].log.item).any():
        raise InputError(
            f"SYNTH and REAL have no item in common: SYNTH has {logs['SYNTH'].items.ids[0]!r}, REAL "
            f"{logs['REAL'].items.ids[0]!r}. Both must name items alike."
        )
    return people, _catalogue(list(shops.values()), items)


def _queries(shop: Shop, users: Vocabulary) -> pl.DataFrame | None:
    """Queries of users, as they are compared."""
    if not shop.has("searches"):
        return None
    scan = shop.scan("searches")
    rows = scan.select("query", user=user_key(scan)).with_columns(query=normal_query()).collect()
    rows = rows.select(user=pl.Series(users.encode(rows["user"]).astype(np.int64)), query="query")
    return rows.filter(pl.col("user") >= 0, pl.col("query").is_not_null())


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


def _joined(first: People, second: People) -> People:
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
    if first.queries is None or second.queries is None:
        return People(log)
    later = second.queries.with_columns(pl.col("user") + len(first))
    return People(log, pl.concat([first.queries, later]))


def _refuse_members(members: Log, held: Log) -> list[str]:
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
