"""What every mixer keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import small_shop
from wareloom.errors import InputError, SettingError
from wareloom.family import MIXERS, SYNTHESIZERS, configure
from wareloom.mixing import Mixer
from wareloom.run import Run
from wareloom.shop import Log, Shop

NAMES = MIXERS.names()


@pytest.fixture(scope="module")
def real() -> Shop:
    shop = small_shop(users=20, items=12)
    return shop.with_tables(users=shop.table("events").select("user_id").unique(maintain_order=True)).in_memory()


@pytest.fixture(scope="module")
def synthetic(real: Shop) -> Shop:
    made: Shop = SYNTHESIZERS.make("markov").fit(real).sample(80, Run(seed=3))
    return made.in_memory()


def make(name: str, **values: Any) -> Mixer:
    mixer = MIXERS.make(name, **values)
    assert isinstance(mixer, Mixer)
    return mixer


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_documented_and_go_round(name: str, real: Shop, synthetic: Shop, tmp_path: Path) -> None:
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
def test_real_rows_come_first_and_unchanged(name: str, ratio: float, real: Shop, synthetic: Shop) -> None:
    mixed = make(name, ratio=ratio).mix(real, synthetic, Run(seed=1))
    for table in ("events", "users"):
        before, after = real.table(table), mixed.table(table)
        assert after.head(len(before)).select(before.columns).equals(before)
        assert set(after.slice(len(before))["origin"]) <= {"markov@0.1.0"}
    assert mixed.table("items").equals(real.table("items"))
    assert mixed.meta == real.meta


@pytest.mark.parametrize("name", NAMES)
def test_the_synthetic_part_can_be_taken_out_again(name: str, real: Shop, synthetic: Shop) -> None:
    mixed = make(name, ratio=0.7).mix(real, synthetic, Run(seed=1))
    back = {table: mixed.scan(table).filter(pl.col("origin") == "real") for table in mixed.names}
    assert Shop(back, mixed.meta).fingerprint == real.fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_intact(name: str, real: Shop, synthetic: Shop) -> None:
    mixed = make(name, ratio=0.5).mix(real, synthetic, Run(seed=1))
    users = mixed.table("users")["user_id"]
    assert users.is_unique().all()
    assert set(mixed.table("events")["user_id"]) == set(users)


@pytest.mark.parametrize("name", NAMES)
def test_keys_are_intact_where_the_synthetic_shop_has_no_users(name: str, real: Shop, synthetic: Shop) -> None:
    mixed = make(name, ratio=0.5).mix(real, synthetic.with_tables(users=None), Run(seed=1))
    assert set(mixed.table("events")["user_id"]) == set(mixed.table("users")["user_id"])


@settings(deadline=None, max_examples=25)
@given(ratio=st.floats(0, 3), weight=st.floats(0, 5), seed=st.integers(0, 99))
@pytest.mark.parametrize("name", NAMES)
def test_ratio_and_weight_are_what_was_asked(
    name: str, real: Shop, synthetic: Shop, ratio: float, weight: float, seed: int
) -> None:
    wanted = min(round(ratio * real.rows("events")), synthetic.rows("events"))
    longest = int(Log.of(synthetic).lengths().max())
    try:
        mixed = make(name, ratio=ratio, weight=weight).mix(real, synthetic, Run(seed=seed))
    except InputError as error:
        assert "less than the first synthetic user drawn has" in str(error)
        assert 0 < wanted < longest
        return
    added = mixed.table("events").filter(pl.col("origin") != "real")
    assert wanted - longest < len(added) <= wanted
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
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("name", NAMES)
def test_other_columns_than_the_real_ones_are_no_trouble(name: str, real: Shop, synthetic: Shop) -> None:
    fewer = synthetic.with_tables(
        events=synthetic.table("events").drop("time", "value").with_columns(rating=pl.lit(3.0))
    )
    mixed = make(name, ratio=0.5).mix(real, fewer, Run(seed=1)).table("events")
    assert mixed.filter(pl.col("origin") != "real")["time"].null_count() == len(mixed) - real.rows("events")
    assert mixed.filter(pl.col("origin") == "real")["rating"].null_count() == real.rows("events")


@pytest.mark.parametrize("name", NAMES)
def test_refuses_what_is_wrong(name: str, real: Shop, synthetic: Shop) -> None:
    with pytest.raises(InputError, match="rows of the synthetic shop say that they are real"):
        make(name).mix(real, real)
    with pytest.raises(InputError, match="has no table 'events'"):
        make(name).mix(real, synthetic.with_tables(events=None))
    with pytest.raises(SettingError, match="must not be negative"):
        make(name, ratio=-1.0).mix(real, synthetic)
