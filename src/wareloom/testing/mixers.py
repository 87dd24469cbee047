"""The contract of mixers."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache, partial
from typing import Any

import numpy as np
import polars as pl

from wareloom.core.family import RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError
from wareloom.mixing import Mixer
from wareloom.shop import Log, Shop
from wareloom.testing import laws as kit
from wareloom.testing.behaviour_shops import real_and_users
from wareloom.testing.laws import Law, again, law, quick, refused

LAWS: dict[str, Law] = {}
"""What every mixer keeps to"""
FURTHER: dict[str, Law] = {}
"""What those keep to that name it in `laws`"""
AMOUNTS = ("ratio", "weight", "head")


@cache
def real() -> Shop:
    """The real shop."""
    return real_and_users()


@cache
def synthetic() -> Shop:
    """More synthetic users than are ever mixed in."""
    made: Shop = SYNTHESIZERS.make("markov").fit(real()).sample(700, Run(seed=3))
    return made.in_memory()


def make(cls: type[Mixer], **values: Any) -> Any:
    """Build one with its quick settings, and such of `values` as it has."""
    had = {field.name for field in fields(cls)}
    return configure(cls, quick(cls) | {k: v for k, v in values.items() if k in had})


LAWS["every setting is documented"] = kit.documented
LAWS["settings go round"] = kit.settings_go_round


@law(LAWS, "saved and restored")
def saved_and_restored(cls: type[Mixer]) -> None:
    """Saved and restored, it has the same settings and mixes the same bytes."""
    mixer = make(cls, ratio=0.5)
    restored = again(mixer)
    assert restored.settings() == mixer.settings()
    mixed = [one.mix(real(), synthetic()).fingerprint for one in (restored, mixer)]
    assert mixed[0] == mixed[1]


@law(LAWS, "what goes in stays as it was")
def inputs_unchanged(cls: type[Mixer]) -> None:
    """Mixing changes no table of either shop."""
    shops = [real(), synthetic()]
    before = [{name: shop.table(name).clone() for name in shop.names} for shop in shops]
    make(cls, ratio=0.5).mix(*shops, Run(seed=1))
    for shop, tables in zip(shops, before, strict=True):
        for name, rows in tables.items():
            assert shop.table(name).equals(rows), f"the table {name} has changed"


def real_first(cls: type[Mixer], ratio: float) -> None:
    """Real rows come first and unchanged, and what comes after says who made it."""
    mixed = make(cls, ratio=ratio).mix(real(), synthetic(), Run(seed=1))
    may_add_none = ratio == 0 or cls.at_most
    assert mixed.rows(cls.adds) > real().rows(cls.adds) or may_add_none, "nothing is added"
    for table in ("events", "users"):
        before, after = real().table(table), mixed.table(table)
        assert after.head(len(before)).select(before.columns).equals(before)
        known = set(synthetic().table(table)["origin"])
        assert set(after.slice(len(before))["origin"]) <= known, "synthetic rows say otherwise"
    assert mixed.table("items").equals(real().table("items"))
    assert mixed.meta == real().meta


for ratio in (0.0, 0.3, 1.0):
    held = partial(real_first, ratio=ratio)
    held.__doc__ = real_first.__doc__
    LAWS[f"real rows first: ratio {ratio:g}"] = held


@law(LAWS, "the synthetic part can be taken out again")
def taken_out(cls: type[Mixer]) -> None:
    """What is left of a mix where the origin is real is the real shop."""
    mixed = make(cls, ratio=0.7).mix(real(), synthetic(), Run(seed=1))
    back = {
        table: mixed.scan(table).filter(pl.col("origin") == "real").select(real().columns(table))
        for table in real().names
    }
    for table in set(mixed.names) - set(real().names):
        assert (mixed.table(table)["origin"] != "real").all(), f"the table {table}"
    assert Shop(back, mixed.meta).fingerprint == real().fingerprint


@law(LAWS, "keys are intact")
def keys(cls: type[Mixer]) -> None:
    """Every user that has events is in the table of users, once, also where the synthetic shop has no such table."""
    users = make(cls, ratio=0.5).mix(real(), synthetic(), Run(seed=1)).table("users")["user_id"]
    assert users.is_unique().all(), "ids collide"
    for pool in (synthetic(), synthetic().with_tables(users=None)):
        mixed = make(cls, ratio=0.5).mix(real(), pool, Run(seed=1))
        assert set(mixed.table("events")["user_id"]) == set(mixed.table("users")["user_id"])


@law(LAWS, "the same seed")
def same_seed(cls: type[Mixer]) -> None:
    """One seed gives the same bytes, whatever the threads."""
    prints = {
        make(cls, ratio=0.5).mix(real(), synthetic(), Run(seed=1, threads=threads)).fingerprint
        for threads in (1, 2)
    }
    assert len(prints) == 1


@law(FURTHER, "another seed")
def another_seed(cls: type[Mixer]) -> None:
    """Another seed draws other users."""
    prints = {
        make(cls, ratio=0.5).mix(real(), synthetic(), Run(seed=seed)).fingerprint for seed in (1, 2)
    }
    assert len(prints) == 2, "the seed is ignored"


@law(LAWS, "refusals")
def refusals(cls: type[Mixer]) -> None:
    """A synthetic shop that says it is real, or has no events, is refused by what draws from it."""
    if not cls.draws:
        return
    with refused(InputError, "rows of the synthetic shop say that they are real"):
        make(cls).mix(real(), real())
    with refused(InputError, "has no table 'events'"):
        make(cls).mix(real(), synthetic().with_tables(events=None))
    with refused(InputError, "table 'events' is empty"):
        empty = synthetic().table("events").clear()
        make(cls).mix(real(), synthetic().with_tables(events=empty))


@law(FURTHER, "amounts")
def amounts(cls: type[Mixer]) -> None:
    """Ratio, weight and what the head is worth are finite numbers from 0, and a misspelt one is told."""
    for setting in AMOUNTS:
        for wrong in (-1.0, math.nan, math.inf):
            with refused(SettingError, f"{setting} is {wrong}; give 0 or more"):
                make(cls, **{setting: wrong})
    with refused(SettingError, r"has no setting 'ratoi'\. Did you mean 'ratio'"):
        configure(cls, {"ratoi": 1})


def _added(cls: type[Mixer], ratio: float, weight: float, seed: int) -> pl.DataFrame | None:
    """What is added, after looking that users are whole and not too many; None where the first would be too many."""
    wanted = min(round(ratio * real().rows("events")), synthetic().rows("events"))
    longest = int(Log.of(synthetic()).lengths().max())
    mixer = make(cls, ratio=ratio, weight=weight, **cls.plain)
    said = ""
    try:
        mixed = mixer.mix(real(), synthetic(), Run(seed=seed))
    except InputError as error:
        said = str(error)
    if said:
        assert "less than the first synthetic user drawn has" in said
        assert 0 < wanted < longest
        return None
    added: pl.DataFrame = mixed.table("events").filter(pl.col("origin") != "real")
    assert len(added) <= wanted
    assert wanted - longest < len(added) or cls.at_most
    whole = synthetic().table("events").group_by("user_id").len("whole")
    both = added.group_by("user_id").len("added").join(whole, on="user_id")
    assert (both["added"] == both["whole"]).all(), "users are added whole"
    return added


def _asked() -> list[tuple[float, float, int]]:
    """Ratios, weights and seeds, the odd ones among them."""
    rng = np.random.default_rng(0)
    some = [(float(rng.uniform(0, 3)), float(rng.uniform(0, 5)), n) for n in range(8)]
    return [(0.0, 1.0, 0), (1e-3, 1.0, 1), (0.01, 0.0, 2), (3.0, 5.0, 3), *some]


@law(FURTHER, "ratio and weight")
def ratio_and_weight(cls: type[Mixer]) -> None:
    """As many events are added as the ratio says, by whole users, each of the weight that was asked for."""
    for ratio, weight, seed in _asked():
        added = _added(cls, ratio, weight, seed)
        if added is not None:
            np.testing.assert_allclose(added["weight"].to_numpy(), weight, rtol=1e-6)


@law(FURTHER, "ratio and weight at most")
def ratio_and_weight_at_most(cls: type[Mixer]) -> None:
    """No more events are added than the ratio says, by whole users, none of more weight than was asked for."""
    for ratio, weight, seed in _asked():
        added = _added(cls, ratio, weight, seed)
        if added is not None and len(added):
            assert float(added["weight"].max()) <= np.float32(weight)  # type: ignore[arg-type]


@law(FURTHER, "the head")
def head(cls: type[Mixer]) -> None:
    """What is popular can be left to the real rows: their items' synthetic rows, and no others, weigh less."""
    whole, guarded = (
        make(cls, ratio=0.5, head=head, **cls.plain)
        .mix(real(), synthetic(), Run(seed=1))
        .table("events")
        for head in (1.0, 0.25)
    )
    assert guarded.drop("weight").equals(whole.drop("weight"))
    counts = real().table("events")["item_id"].value_counts().sort("count", descending=True)
    before = counts["count"].cum_sum() - counts["count"]
    third = float(counts["count"].sum()) / 3 - float(counts["count"].max())  # type: ignore[arg-type]
    surely = counts.filter(before < third)["item_id"].to_list()
    unlike = pl.col("origin") != "real"
    factor = pl.when(unlike).then(guarded["weight"] / whole["weight"]).otherwise(1.0)
    by_item = whole.with_columns(factor=factor).filter(unlike).group_by("item_id")
    factors = dict(by_item.agg(pl.col("factor").mean().round(4)).iter_rows())
    there = set(surely) & set(factors)
    assert {item: factors[item] for item in there} == dict.fromkeys(there, 0.25)
    assert set(factors.values()) == {0.25, 1.0}
    assert guarded.filter(~unlike).equals(whole.filter(~unlike))


@law(FURTHER, "rows stay")
def rows_stay(cls: type[Mixer]) -> None:
    """What is mixed in is there for the whole of a training, so that any ranker can be taught it."""
    mixed = make(cls, ratio=0.5).mix(real(), synthetic(), Run(seed=1))
    assert Log.of(mixed).span is None
    RANKERS.make("transitions").fit(mixed)


@law(FURTHER, "rows come and go")
def rows_come_and_go(cls: type[Mixer]) -> None:
    """Rows come and go in a training, so that a ranker which takes no gradient updates refuses them."""
    mixed = make(cls, ratio=0.5).mix(real(), synthetic(), Run(seed=1))
    rows = mixed.table("events").filter(pl.col("origin") != "real")
    assert rows.select((pl.col("since") < pl.col("until")).all()).item()
    with refused(InputError, "use a ranker that takes gradient updates"):
        RANKERS.make("transitions").fit(mixed)


@law(FURTHER, "other columns")
def other_columns(cls: type[Mixer]) -> None:
    """Synthetic events may have other columns than the real ones: what one side lacks is unknown there."""
    events = synthetic().table("events").drop("time", "value").with_columns(rating=pl.lit(3.0))
    fewer = synthetic().with_tables(events=events)
    mixed = make(cls, ratio=0.5).mix(real(), fewer, Run(seed=1)).table("events")
    many, made = real().rows("events"), pl.col("origin") != "real"
    assert mixed.filter(made)["time"].null_count() == len(mixed) - many
    assert mixed.filter(~made)["rating"].null_count() == many
