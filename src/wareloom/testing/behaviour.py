"""The contract of synthesizers of behaviour."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import polars as pl

from wareloom.core.run import Run
from wareloom.errors import InputError, NotFittedError
from wareloom.shop import Log, Shop
from wareloom.synthesis import Given, Synthesizer
from wareloom.testing import held_people
from wareloom.testing import laws as kit
from wareloom.testing.behaviour_shops import KINDS, variant
from wareloom.testing.laws import Law, again, law, make, refused
from wareloom.testing.shops import small_shop

NOT_DRAWN = {"position", "propensity", "search_id", "context"}
"""Columns of what a shop showed, not of what its users did: no synthesizer of behaviour has to draw them."""
LAWS: dict[str, Law] = {}
"""What every synthesizer of behaviour keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""


@cache
def fitted(cls: type[Synthesizer]) -> Synthesizer:
    """One that was fitted on the plain shop."""
    made: Synthesizer = make(cls).fit(variant("plain"), Run(seed=1))
    return made


def each(name: str, values: tuple[str, ...]) -> Callable[[Callable[[type, str], None]], None]:
    """Put a law among `LAWS` once for each value that its function takes, with the value in its name."""

    def put(function: Callable[[type, str], None]) -> None:
        for value in values:

            def held(cls: type, value: str = value) -> None:
                function(cls, value)

            held.__doc__ = function.__doc__
            LAWS[f"{name}: {value}"] = held

    return put


LAWS["every setting is documented"] = kit.documented
LAWS["settings go round"] = kit.settings_go_round


@law(LAWS, "provenance")
def provenance(cls: type[Synthesizer]) -> None:
    """Every row says who made it, by the synthesizer's name, weighs 1, and none says that it is real; the sample says
    what it keeps of people."""
    made = fitted(cls)
    assert made.origin.startswith(f"{made.name}@")
    sample = made.sample(30, Run(seed=2))
    for table in {"events", "users"} & set(sample.names):
        assert set(sample.table(table)["origin"]) == {made.origin}, f"the table {table}"
    assert (sample.table("events")["weight"] == 1).all()
    assert sample.keeps is not None, "the sample does not say what it keeps"


@law(LAWS, "it keeps what it says")
def keeps_what_it_says(cls: type[Synthesizer]) -> None:
    """Who says that it keeps no people has no planted user's times, session lengths or run of items in its state or
    sample, and the sample says what its synthesizer does."""
    shop, known = held_people.planted()
    made = make(cls).fit(shop, Run(seed=1))
    sample = made.sample(60, Run(seed=2))
    assert (sample.keeps or "people") == made.kept(), "the sample says another thing: `_stamped`"
    found = held_people.holds_people(made, sample, known) if made.kept() != "people" else ""
    assert not found, f"it says that it keeps {made.kept()}, and {found}"


@law(LAWS, "what goes in stays as it was")
def inputs_unchanged(cls: type[Synthesizer]) -> None:
    """Neither fitting nor sampling changes a table that it was given."""
    real, others = variant("plain"), small_shop(users=10, items=12, seed=9)
    before = {
        shop: {name: shop.table(name).clone() for name in shop.names} for shop in (real, others)
    }
    made = make(cls).fit(real, Run(seed=1))
    given = Given(histories=others) if "histories" in cls.conditions else None
    made.sample(10, Run(seed=2), given)
    for shop, tables in before.items():
        for name, rows in tables.items():
            assert shop.table(name).equals(rows), f"the table {name} has changed"


@law(LAWS, "users are told apart")
def users_apart(cls: type[Synthesizer]) -> None:
    """As many users as were asked for, with ids of their own, none of them a real one's; a session has one user."""
    real = variant("all columns")
    sample = make(cls).fit(real, Run(seed=1)).sample(30, Run(seed=2))
    events, ids = sample.table("events"), set(real.table("events")["user_id"])
    assert events["user_id"].n_unique() == 30, "ids collide, or users are missing"
    assert not ids & set(events["user_id"]), "a synthetic user has a real one's id"
    if "session_id" in events.columns:
        whose = events.group_by("session_id").agg(pl.col("user_id").n_unique())["user_id"]
        assert whose.max() == 1, "a session belongs to one user"


@law(LAWS, "the same seed")
def same_seed(cls: type[Synthesizer]) -> None:
    """One seed gives the same bytes, whatever the threads."""
    prints = {
        make(cls)
        .fit(variant("plain"), Run(seed=1, threads=threads))
        .sample(60, Run(seed=4, threads=threads))
        .fingerprint
        for threads in (1, 2, 5)
    }
    assert prints == {fitted(cls).sample(60, Run(seed=4)).fingerprint}


@law(LAWS, "another seed")
def another_seed(cls: type[Synthesizer]) -> None:
    """Another seed gives another shop."""
    prints = {fitted(cls).sample(30, Run(seed=seed)).fingerprint for seed in range(4)}
    assert len(prints) == 4, "the seed is ignored"


@each("saved and restored", ("plain", "all columns", "no times"))
def saved_and_restored(cls: type[Synthesizer], kind: str) -> None:
    """Saved and restored, it has the same settings and samples the same bytes."""
    made = make(cls).fit(variant(kind), Run(seed=1))
    restored = again(made)
    assert restored.settings() == made.settings()
    assert restored.sample(40, Run(seed=4)).fingerprint == made.sample(40, Run(seed=4)).fingerprint


@law(LAWS, "a second fit")
def second_fit(cls: type[Synthesizer]) -> None:
    """Fitted to another shop it forgets the first."""
    twice = make(cls).fit(variant("all columns"), Run(seed=1)).fit(variant("plain"), Run(seed=1))
    anew, once = (made.sample(20, Run(seed=4)).fingerprint for made in (twice, fitted(cls)))
    assert anew == once


@each("a whole shop", KINDS)
def whole_shop(cls: type[Synthesizer], kind: str) -> None:
    """What is sampled is a whole shop of the kind of the real one: its tables, columns, kinds of event and times."""
    real = variant(kind)
    before = real.table("events")
    made = make(cls).fit(real, Run(seed=1))
    sample = made.sample(30, Run(seed=2))
    events = sample.table("events")

    assert real.table("events").equals(before)
    assert len(events) >= 30
    assert sample.table("items").equals(_catalogue(cls, real, sample)), (
        "the catalogue is the real one"
    )
    assert set(events["origin"]) == {made.origin}, "every row says who made it"
    assert (events["weight"] == 1).all()
    assert set(events["item_id"]) <= set(real.table("items")["item_id"]), "an unknown item"
    assert set(events["event"]) <= set(before["event"])
    assert set(before.columns) - set(events.columns) <= NOT_DRAWN
    owner = pl.coalesce([pl.col(c) for c in ("user_id", "session_id") if c in events.columns])
    assert events.select(owner.n_unique()).item() == 30, "as many users as were asked for"
    assert events.select(owner.is_null().any()).item() is False
    _users_match(real, sample, made.origin)
    if kind == "no time known":
        assert events["time"].null_count() == len(events)
    elif real.has("events", "time") and cls.keeps != "private":
        # Between which times a log lies is somebody's event; a private generator is told, or pays for it roughly.
        assert events["time"].min() >= before["time"].min()
        assert events["time"].max() <= before["time"].max()
    if kind == "all columns":
        assert set(events["quantity"]) <= {1.0, 2.0, 3.0}
        assert set(events["rating"]) <= {4.0, None}
        whose = events.group_by("session_id").agg(pl.col("user_id").n_unique())["user_id"]
        assert whose.max() == 1, "a session belongs to one user"


def _catalogue(cls: type[Synthesizer], real: Shop, sample: Shop) -> pl.DataFrame:
    """The real catalogue; of a private generator its public columns, and not in the order of the log."""
    if cls.keeps != "private":
        return real.table("items")
    public = [name for name in sample.columns("items") if real.has("items", name)]
    return real.table("items").select(public).sort("item_id")


def _users_match(real: Shop, sample: Shop, origin: str) -> None:
    if real.has("users"):
        assert sample.has("users"), "tables that went in come out"
    if sample.has("users"):
        users = sample.table("users")
        assert set(sample.table("events")["user_id"]) == set(users["user_id"])
        assert users["user_id"].is_unique().all()
        assert set(users["origin"]) == {origin}


@law(LAWS, "one or many")
def one_or_many(cls: type[Synthesizer]) -> None:
    """One user or many, but not none."""
    assert len(Log.of(fitted(cls).sample(1)).users) == 1
    assert len(Log.of(fitted(cls).sample(500)).users) == 500
    for n in (0, -3):
        with refused(InputError, f"Asked to sample {n} users; ask for at least 1"):
            fitted(cls).sample(n)


@each("given", ("length", "start_items", "histories", "like"))
def conditions_kept(cls: type[Synthesizer], name: str) -> None:
    """What is given is kept to where the class names it in `conditions`, and else refused."""
    others = small_shop(users=10, items=12, seed=9)
    given = {
        "length": Given(length=3),
        "start_items": Given(start_items=("i2", "i4")),
        "histories": Given(histories=others),
        "like": Given(like=others),
    }[name]
    made = fitted(cls)
    if name not in cls.conditions:
        said = (
            made.name if cls.conditions else f"The synthesizer '{made.name}' cannot be conditioned"
        )
        with refused(InputError, said):
            made.sample(10, Run(seed=2), given)
        return
    log = Log.of(made.sample(10, Run(seed=2), given))
    if name == "length":
        assert set(log.lengths()) == {3}
    elif name == "start_items":
        assert set(log.items.decode(log.item[log.offsets[:-1]])) <= {"i2", "i4"}
    elif name == "histories":
        assert set(log.users.ids) == set(others.table("events")["user_id"])
    else:
        assert len(log.lengths()) == 10
        assert set(log.lengths()) <= set(Log.of(others).lengths())


@law(FURTHER, "each of those given is drawn once")
def like_each_once(cls: type[Synthesizer]) -> None:
    """Asked for as many shoppers as `given.like` has, it draws one like each of them."""
    others = small_shop(users=10, items=12, seed=9)
    made = Log.of(fitted(cls).sample(10, Run(seed=2), Given(like=others)))
    assert sorted(made.lengths()) == sorted(Log.of(others).lengths())


@law(LAWS, "unfitted")
def unfitted(cls: type[Synthesizer]) -> None:
    """It asks to be fitted before it samples or is saved."""
    said = f"The synthesizer '{make(cls).name}' is not fitted: call fit"
    with refused(NotFittedError, said):
        make(cls).sample(3)
    with refused(NotFittedError, said), tempfile.TemporaryDirectory() as folder:
        make(cls).save(Path(folder))


@each("nothing to learn from", ("no rows", "only unknown items"))
def empty_log(cls: type[Synthesizer], kind: str) -> None:
    """A log without events on known items is refused."""
    shop = variant("plain")
    events = shop.table("events")
    empty = events.clear() if kind == "no rows" else events.with_columns(item_id=pl.lit("gone"))
    with refused(InputError, f"The synthesizer '{make(cls).name}' has nothing to"):
        make(cls).fit(shop.with_tables(events=empty))
