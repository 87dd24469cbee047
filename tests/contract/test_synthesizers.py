"""What every synthesizer of behaviour keeps to, found by walking the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from conftest import Lazy, small_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.core.settings import configure
from wareloom.errors import InputError, NotFittedError, SettingError
from wareloom.shop import Log, Shop
from wareloom.synthesis import Given, Synthesizer

NAMES = [
    n
    for n in SYNTHESIZERS.names()
    if SYNTHESIZERS.describe(n).module.startswith("wareloom.synthesis.behaviour.")
]
SMALL = {"epochs": 3, "hidden_size": 8, "latent_size": 4}
QUICK: dict[str, dict[str, Any]] = {
    "diffusion": {**SMALL, "updates": 20, "width": 8, "batch_size": 32, "steps": 4},
    "gan": {**SMALL, "updates": 20, "width": 8, "batch_size": 32},
    "gru": {"epochs": 2, "embedding_size": 8, "hidden_size": 8},
    "joint": {"members": ("neighbours", "markov"), "validation": 1.0},
    "transformer": {"epochs": 2, "embedding_size": 8, "layers": 1},
    "vae": SMALL,
}
"""Settings that make slow synthesizers quick."""
UNCONDITIONAL = ("augment", "exposures", "shuffled")
"""Synthesizers that cannot be given anything, and say so."""
NOT_DRAWN = {"position", "propensity", "search_id", "context"}
"""Columns of what a shop showed, not of what its users did: no synthesizer of behaviour has to draw them."""
KINDS = (
    "plain", "one user", "one item", "one event", "one event each", "no times", "one second", "some times unknown",
    "no time known", "sessions without users", "several kinds", "all columns", "a table of users",
    "unknown items", "impressions",
)  # fmt: skip


def make(name: str) -> Synthesizer:
    made = SYNTHESIZERS.make(name, **QUICK.get(name, {}))
    assert isinstance(made, Synthesizer)
    return made


def variant(kind: str) -> Shop:
    """A small shop of one peculiar kind."""
    shop = small_shop(users=25, items=12, timed=kind != "no times")
    events = shop.table("events")
    place = pl.int_range(pl.len())
    changes: dict[str, pl.DataFrame] = {
        "one user": events.filter(pl.col("user_id") == "u3"),
        "one item": events.with_columns(item_id=pl.lit("i5")),
        "one event": events.head(1),
        "one event each": events.unique("user_id", keep="first", maintain_order=True),
        "several kinds": events.with_columns(
            event=pl.when(place % 3 == 0).then(pl.lit("view_item")).otherwise("event")
        ),
        "sessions without users": events.rename({"user_id": "session_id"}),
        "unknown items": events.with_columns(
            item_id=pl.when(place % 7 == 0).then(pl.lit("gone")).otherwise("item_id")
        ),
        "impressions": events.with_columns(
            event=pl.when(place % 4 == 0).then(pl.lit("view_item_list")).otherwise("event"),
            item_id=pl.when(place % 8 == 0).then(None).otherwise("item_id"),
        ),
        "all columns": events.with_columns(
            session_id=pl.format("{}-{}", "user_id", place // 3),
            quantity=(place % 3 + 1).cast(pl.Float64),
            rating=pl.when(place % 2 == 0).then(4.0),
            search_id=pl.format("q{}", place),
        ),
    }
    if kind == "one second":
        changes[kind] = events.with_columns(time=pl.lit(events["time"][0]))
    if kind == "some times unknown":
        changes[kind] = events.with_columns(time=pl.when(place % 5 != 0).then("time"))
    if kind == "no time known":
        changes[kind] = events.with_columns(time=pl.lit(None, dtype=pl.Datetime("us")))
    made = shop.with_tables(events=changes.get(kind, events))
    if kind == "a table of users":
        made = made.with_tables(users=events.select("user_id").unique(maintain_order=True))
    return made


@pytest.fixture(scope="module")
def fitted() -> dict[str, Synthesizer]:
    return Lazy(lambda name: make(name).fit(variant("plain"), Run(seed=1)))


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name: str) -> None:
    entry = SYNTHESIZERS.describe(name)
    assert entry.summary.endswith(".")
    assert [s.name for s in entry.settings if not s.doc] == []
    assert all(s.default is not None for s in entry.settings)


@pytest.mark.parametrize("name", NAMES)
def test_settings_go_round(name: str) -> None:
    made = make(name)
    assert made.name == name
    assert made.origin.startswith(f"{name}@")
    assert configure(type(made), made.settings()).settings() == made.settings()
    with pytest.raises(SettingError, match="has no setting 'no_such'"):
        SYNTHESIZERS.make(name, no_such=1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["plain", "all columns", "no times"])
def test_saved_and_restored_samples_the_same_bytes(name: str, kind: str, tmp_path: Path) -> None:
    made = make(name).fit(variant(kind), Run(seed=1))
    made.save(tmp_path / name)
    again = SYNTHESIZERS.restore(tmp_path / name)
    assert again.settings() == made.settings()
    assert again.sample(40, Run(seed=4)).fingerprint == made.sample(40, Run(seed=4)).fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_one_shop_whatever_the_threads(name: str, fitted: dict[str, Synthesizer]) -> None:
    prints = set()
    for threads in (1, 2, 5):
        made = make(name).fit(variant("plain"), Run(seed=1, threads=threads))
        prints.add(made.sample(60, Run(seed=4, threads=threads)).fingerprint)
    assert prints == {fitted[name].sample(60, Run(seed=4)).fingerprint}


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_another_shop(name: str, fitted: dict[str, Synthesizer]) -> None:
    assert len({fitted[name].sample(30, Run(seed=seed)).fingerprint for seed in range(4)}) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_second_fit_forgets_the_first(name: str, fitted: dict[str, Synthesizer]) -> None:
    twice = make(name).fit(variant("all columns"), Run(seed=1)).fit(variant("plain"), Run(seed=1))
    assert (
        twice.sample(20, Run(seed=4)).fingerprint
        == fitted[name].sample(20, Run(seed=4)).fingerprint
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sampled_is_a_whole_shop_of_its_kind(name: str, kind: str) -> None:
    real = variant(kind)
    before = real.table("events")
    made = make(name).fit(real, Run(seed=1))
    sample = made.sample(30, Run(seed=2))
    events = sample.table("events")

    assert real.table("events").equals(before)
    assert len(events) >= 30
    assert sample.table("items").equals(real.table("items")), "the catalogue is the real one"
    assert set(events["origin"]) == {made.origin}, "every row says who made it"
    assert (events["weight"] == 1).all()
    assert set(events["item_id"]) <= set(real.table("items")["item_id"])
    assert set(events["event"]) <= set(before["event"])
    assert set(before.columns) - set(events.columns) <= NOT_DRAWN
    owner = pl.coalesce([pl.col(c) for c in ("user_id", "session_id") if c in events.columns])
    assert events.select(owner.n_unique()).item() == 30, "as many users as were asked for"
    assert events.select(owner.is_null().any()).item() is False
    if real.has("users"):
        assert sample.has("users"), "tables that went in come out"
    if sample.has("users"):
        users = sample.table("users")
        assert set(events["user_id"]) == set(users["user_id"])
        assert users["user_id"].is_unique().all()
        assert set(users["origin"]) == {made.origin}
    if kind == "no time known":
        assert events["time"].null_count() == len(events)
    elif real.has("events", "time"):
        assert events["time"].min() >= before["time"].min()
        assert events["time"].max() <= before["time"].max()
    if kind == "all columns":
        assert set(events["quantity"]) <= {1.0, 2.0, 3.0}
        assert set(events["rating"]) <= {4.0, None}
        whose = events.group_by("session_id").agg(pl.col("user_id").n_unique())["user_id"]
        assert whose.max() == 1, "a session belongs to one user"


@pytest.mark.parametrize("name", NAMES)
def test_one_or_many(name: str, fitted: dict[str, Synthesizer]) -> None:
    assert len(Log.of(fitted[name].sample(1)).users) == 1
    assert len(Log.of(fitted[name].sample(500)).users) == 500
    for n in (0, -3):
        with pytest.raises(InputError, match=f"Asked to sample {n} users; ask for at least 1"):
            fitted[name].sample(n)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("given", ["length", "start", "histories"])
def test_a_condition_is_kept_or_refused(
    name: str, given: str, fitted: dict[str, Synthesizer]
) -> None:
    others = small_shop(users=10, items=12, seed=9)
    conditions = {
        "length": Given(length=3),
        "start": Given(start_items=("i2", "i4")),
        "histories": Given(histories=others),
    }
    if name in UNCONDITIONAL:
        with pytest.raises(InputError, match=f"The synthesizer '{name}' cannot be conditioned"):
            fitted[name].sample(10, Run(seed=2), conditions[given])
        return
    log = Log.of(fitted[name].sample(10, Run(seed=2), conditions[given]))
    if given == "length":
        assert set(log.lengths()) == {3}
    elif given == "start":
        assert set(log.items.decode(log.item[log.offsets[:-1]])) <= {"i2", "i4"}
    else:
        assert set(log.users.ids) == set(others.table("events")["user_id"])


@pytest.mark.parametrize("name", NAMES)
def test_asks_for_fit_first(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match=f"The synthesizer '{name}' is not fitted: call fit"):
        make(name).sample(3)
    with pytest.raises(NotFittedError, match=f"The synthesizer '{name}' is not fitted: call fit"):
        make(name).save(tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["no rows", "only unknown items"])
def test_an_empty_log_is_refused(name: str, kind: str) -> None:
    shop = variant("plain")
    events = shop.table("events")
    empty = events.clear() if kind == "no rows" else events.with_columns(item_id=pl.lit("gone"))
    with pytest.raises(InputError, match=f"The synthesizer '{name}' has nothing to"):
        make(name).fit(shop.with_tables(events=empty))


@pytest.mark.parametrize("name", NAMES)
def test_users_like_others_are_drawn_or_refused(name: str, fitted: dict[str, Synthesizer]) -> None:
    given = Given(like=small_shop(users=10, items=12, seed=9))
    if name in (*UNCONDITIONAL, "gru", "independent", "transformer"):
        with pytest.raises(InputError, match=name):
            fitted[name].sample(10, Run(seed=2), given)
    else:
        made, like = (
            Log.of(shop).lengths()
            for shop in (fitted[name].sample(10, Run(seed=2), given), given.like)
        )
        if name == "joint":  # of each member's users those are taken that its slices want
            assert len(made) == 10
            assert set(made) <= set(like)
        else:
            assert sorted(made) == sorted(like)
