"""What every mixer keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import small_shop
from wareloom.core.family import MIXERS, RANKERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, SettingError
from wareloom.mixing import Mixer
from wareloom.shop import Log, Shop

NAMES = MIXERS.names()
PLAIN: dict[str, dict[str, Any]] = {"fresh": {"pools": 1}, "selected": {"keep": 1.0}}
"""Settings with which a mixer chooses from all synthetic users and adds them for the whole of a training."""
CHOOSES = ("searched",)
"""Mixers for which `ratio` and `weight` are the most that they may take."""
SCHEDULES = ("curriculum", "fresh")
"""Mixers whose rows come and go in a training."""
TEACHES = ("labels",)
"""Mixers that add soft labels of real events, and no events."""
EVENTS = [name for name in NAMES if name not in TEACHES]
FREELY: dict[str, dict[str, Any]] = {"searched": {"margin": 0.0}}


@pytest.fixture(scope="module")
def real() -> Shop:
    shop = small_shop(users=120, items=12)
    return shop.with_tables(
        users=shop.table("events").select("user_id").unique(maintain_order=True)
    ).in_memory()


@pytest.fixture(scope="module")
def synthetic(real: Shop) -> Shop:
    made: Shop = SYNTHESIZERS.make("markov").fit(real).sample(700, Run(seed=3))
    return made.in_memory()


def make(name: str, **values: Any) -> Mixer:
    mixer = MIXERS.make(name, **{**FREELY.get(name, {}), **values})
    assert isinstance(mixer, Mixer)
    return mixer


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_documented_and_go_round(
    name: str, real: Shop, synthetic: Shop, tmp_path: Path
) -> None:
    entry, mixer = MIXERS.describe(name), make(name, ratio=0.5)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []
    assert mixer.name == name
    assert configure(type(mixer), mixer.settings()).settings() == mixer.settings()
    with pytest.raises(SettingError, match=r"has no setting 'ratoi'\. Did you mean 'ratio'"):
        make(name, ratoi=1)
    mixer.save(tmp_path / name)
    again = MIXERS.restore(tmp_path / name)
    assert again.settings() == mixer.settings()
    assert again.mix(real, synthetic).fingerprint == mixer.mix(real, synthetic).fingerprint


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0])
def test_real_rows_come_first_and_unchanged(
    name: str, ratio: float, real: Shop, synthetic: Shop
) -> None:
    mixed = make(name, ratio=ratio).mix(real, synthetic, Run(seed=1))
    table = "soft_labels" if name in TEACHES else "events"
    assert mixed.rows(table) > real.rows(table) or ratio == 0 or name in CHOOSES
    for table in ("events", "users"):
        before, after = real.table(table), mixed.table(table)
        assert after.head(len(before)).select(before.columns).equals(before)
        assert set(after.slice(len(before))["origin"]) <= {"markov@0.1.0"}
    assert mixed.table("items").equals(real.table("items"))
    assert mixed.meta == real.meta


@pytest.mark.parametrize("name", NAMES)
def test_the_synthetic_part_can_be_taken_out_again(name: str, real: Shop, synthetic: Shop) -> None:
    mixed = make(name, ratio=0.7).mix(real, synthetic, Run(seed=1))
    back = {
        table: mixed.scan(table).filter(pl.col("origin") == "real").select(real.columns(table))
        for table in real.names
    }
    assert all(
        (mixed.table(table)["origin"] != "real").all()
        for table in set(mixed.names) - set(real.names)
    )
    assert Shop(back, mixed.meta).fingerprint == real.fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_intact(name: str, real: Shop, synthetic: Shop) -> None:
    mixed = make(name, ratio=0.5).mix(real, synthetic, Run(seed=1))
    users = mixed.table("users")["user_id"]
    assert users.is_unique().all()
    assert set(mixed.table("events")["user_id"]) == set(users)


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_intact_where_the_synthetic_shop_has_no_users(
    name: str, real: Shop, synthetic: Shop
) -> None:
    mixed = make(name, ratio=0.5).mix(real, synthetic.with_tables(users=None), Run(seed=1))
    assert set(mixed.table("events")["user_id"]) == set(mixed.table("users")["user_id"])


@settings(deadline=None, max_examples=10)
@given(ratio=st.floats(0, 3), weight=st.floats(0, 5), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", EVENTS)
def test_ratio_and_weight_are_what_was_asked(
    name: str, real: Shop, synthetic: Shop, ratio: float, weight: float, seed: int
) -> None:
    wanted = min(round(ratio * real.rows("events")), synthetic.rows("events"))
    longest = int(Log.of(synthetic).lengths().max())
    said = ""
    try:
        mixed = make(name, ratio=ratio, weight=weight, **PLAIN.get(name, {})).mix(
            real, synthetic, Run(seed=seed)
        )
    except InputError as error:
        said = str(error)
    if said:
        assert "less than the first synthetic user drawn has" in said
        assert 0 < wanted < longest
        return
    added = mixed.table("events").filter(pl.col("origin") != "real")
    assert len(added) <= wanted
    assert wanted - longest < len(added) or name in CHOOSES
    if name in CHOOSES:
        assert added["weight"].max() is None or added["weight"].max() <= np.float32(weight)
    else:
        assert added["weight"].to_list() == pytest.approx([weight] * len(added))
    whole = synthetic.table("events").group_by("user_id").len("whole")
    both = added.group_by("user_id").len("added").join(whole, on="user_id")
    assert (both["added"] == both["whole"]).all(), "users are added whole"


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_one_mix(name: str, real: Shop, synthetic: Shop) -> None:
    prints = [
        make(name, ratio=0.5).mix(real, synthetic, Run(seed=seed, threads=t)).fingerprint
        for seed, t in ((1, 1), (1, 2), (2, 1))
    ]
    assert prints[0] == prints[1]
    assert prints[0] != prints[2] or name in (*CHOOSES, *TEACHES)


@pytest.mark.parametrize("name", EVENTS)
def test_the_head_can_be_left_to_the_real_rows(name: str, real: Shop, synthetic: Shop) -> None:
    whole, guarded = (
        make(name, ratio=0.5, head=head, **PLAIN.get(name, {}))
        .mix(real, synthetic, Run(seed=1))
        .table("events")
        for head in (1.0, 0.25)
    )
    if name in CHOOSES:
        return
    assert guarded.drop("weight").equals(whole.drop("weight"))
    counts = real.table("events")["item_id"].value_counts().sort("count", descending=True)
    before = counts["count"].cum_sum() - counts["count"]
    surely = counts.filter(before < counts["count"].sum() / 3 - counts["count"].max())[
        "item_id"
    ].to_list()
    factor = (
        pl.when(pl.col("origin") == "real").then(1.0).otherwise(guarded["weight"] / whole["weight"])
    )
    factors = (
        whole.with_columns(factor=factor).filter(pl.col("origin") != "real").group_by("item_id")
    )
    by_item = dict(factors.agg(pl.col("factor").mean().round(4)).iter_rows())
    assert {item: by_item[item] for item in surely if item in by_item} == dict.fromkeys(
        set(surely) & set(by_item), 0.25
    )
    assert set(by_item.values()) == {0.25, 1.0}
    assert guarded.filter(pl.col("origin") == "real").equals(
        whole.filter(pl.col("origin") == "real")
    )


@pytest.mark.parametrize("name", EVENTS)
def test_rows_come_and_go_only_where_that_is_asked_for(
    name: str, real: Shop, synthetic: Shop
) -> None:
    mixed = make(name, ratio=0.5).mix(real, synthetic, Run(seed=1))
    ranker = RANKERS.make("transitions")
    if name not in SCHEDULES:
        assert Log.of(mixed).span is None
        ranker.fit(mixed)
        return
    rows = mixed.table("events")
    assert (
        rows.filter(pl.col("origin") != "real")
        .select((pl.col("since") < pl.col("until")).all())
        .item()
    )
    with pytest.raises(InputError, match="use a ranker that takes gradient updates"):
        ranker.fit(mixed)


@pytest.mark.parametrize("name", EVENTS)
def test_other_columns_than_the_real_ones_are_no_trouble(
    name: str, real: Shop, synthetic: Shop
) -> None:
    fewer = synthetic.with_tables(
        events=synthetic.table("events").drop("time", "value").with_columns(rating=pl.lit(3.0))
    )
    mixed = make(name, ratio=0.5).mix(real, fewer, Run(seed=1)).table("events")
    assert mixed.filter(pl.col("origin") != "real")["time"].null_count() == len(mixed) - real.rows(
        "events"
    )
    assert mixed.filter(pl.col("origin") == "real")["rating"].null_count() == real.rows("events")


@pytest.mark.parametrize("name", NAMES)
def test_refuses_what_is_wrong(name: str, real: Shop, synthetic: Shop) -> None:
    with pytest.raises(InputError, match="rows of the synthetic shop say that they are real"):
        make(name).mix(real, real)
    with pytest.raises(InputError, match="has no table 'events'"):
        make(name).mix(real, synthetic.with_tables(events=None))
    with pytest.raises(InputError, match="table 'events' is empty"):
        make(name).mix(real, synthetic.with_tables(events=synthetic.table("events").clear()))
    for setting in ("ratio", "weight", "head"):
        with pytest.raises(SettingError, match=f"{setting} is -1.0; give a number from 0"):
            make(name, **{setting: -1.0})
        with pytest.raises(SettingError, match=f"{setting} is nan; give a number from 0"):
            make(name, **{setting: float("nan")})
