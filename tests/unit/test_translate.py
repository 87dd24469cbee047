"""Shoppers of another shop in this shop's items: translated by text, learned from beside this shop's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from conftest import small_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError, SourceError
from wareloom.rankers.content.nearest import nearest_among
from wareloom.shop import Shop
from wareloom.synthesis.translation import translated

RUN = Run(seed=3, threads=1)
WORDS = ("apple", "bread", "cheese", "dates", "eggs", "flour", "grapes", "honey", "ice", "jam")


def selling(titles: list[str], prefix: str) -> Shop:
    """A shop without events."""
    return Shop(
        {
            "items": pl.DataFrame(
                {"item_id": [f"{prefix}{i}" for i in range(len(titles))], "title": titles}
            )
        }
    )


def ring(prefix: str, users: int = 60, *, key: str = "user_id") -> Shop:
    """Shoppers who buy the words one after the other."""
    rng = np.random.default_rng(7)
    rows = [
        {key: f"u{u}", "item_id": f"{prefix}{(start + step) % 10}", "event": "purchase"}
        for u, start in enumerate(rng.integers(10, size=users))
        for step in range(4)
    ]
    return selling([f"fresh {word}" for word in WORDS], prefix).with_tables(
        events=pl.DataFrame(rows)
    )


HERE = selling([f"{word} in a box" for word in reversed(WORDS)], "b")
"""The same words in another order, under other ids"""


def test_each_item_becomes_the_one_that_shares_its_word() -> None:
    made = translated(ring("a"), HERE, "tfidf", (1, 1.0), RUN)
    assert set(made.columns) == {"weight", "origin", "user_id", "item_id", "event"}
    given = ring("a").table("events")["item_id"].str.slice(1).cast(pl.Int64)
    assert made["item_id"].str.slice(1).cast(pl.Int64).equals(9 - given)


def test_a_translation_weighs_as_much_as_it_reads_alike() -> None:
    """The same text weighs 1; what shares one word of three, less; what shares none is left out."""
    other = ring("a")
    same = selling([f"fresh {word}" for word in WORDS[:9]] + ["nothing"], "c")
    events = translated(other, same, "tfidf", (1, 2.0), RUN)
    own = dict(zip(same.table("items")["item_id"], same.table("items")["title"], strict=True))
    assert events["weight"].max() == pytest.approx(1.0, abs=1e-5)
    exact = events.filter(pl.col("weight") > 0.99)["item_id"]
    assert {own[item] for item in exact} == {f"fresh {word}" for word in WORDS[:9]}
    assert (events.filter(pl.col("weight") < 0.99)["weight"] < 0.5).all(), (
        "jam is no more than fresh"
    )
    lesser = translated(other, HERE, "tfidf", (1, 2.0), RUN)
    assert 0 < lesser["weight"].max() < 0.5


def test_what_a_user_had_twice_stays_one_item() -> None:
    twice = ring("a")
    twice = twice.with_tables(events=pl.concat([twice.table("events")] * 2))
    events = translated(
        twice, selling([f"fresh box {i}" for i in range(8)], "d"), "tfidf", (8, 1.0), RUN
    )
    half = len(events) // 2
    assert events.head(half).equals(events.tail(half))
    assert events["item_id"].n_unique() == 8, "and which it is is drawn"


def test_columns_are_those_of_the_shop() -> None:
    timed = small_shop(users=20, items=12)
    alike = timed.table("items").with_columns(item_id=pl.format("x{}", "item_id"))
    sessions = timed.table("events").rename({"user_id": "session_id"})
    mine = Shop(
        {"items": alike, "events": sessions.with_columns(item_id=pl.format("x{}", "item_id"))}
    )
    events = translated(timed, mine, "tfidf", (3, 3.0), RUN)
    assert set(events.columns) == {"weight", "origin", "session_id", "item_id", "event", "time"}
    assert events["session_id"].is_not_null().all()
    back = translated(mine, timed, "tfidf", (3, 3.0), RUN)
    assert set(back.columns) == {"weight", "origin", "user_id", "item_id", "event", "time"}
    untimed = mine.with_tables(events=mine.table("events").drop("time"))
    assert translated(untimed, timed, "tfidf", (3, 3.0), RUN)["time"].is_null().all()


def test_nearest_rows_of_another_matrix() -> None:
    rng = np.random.default_rng(1)
    one, two = (
        rng.normal(size=(30, 4)).astype(np.float32),
        rng.normal(size=(9, 4)).astype(np.float32),
    )
    code, value = nearest_among(one, two, 3)
    wanted = np.argsort(-(one @ two.T), axis=1)[:, :3]
    np.testing.assert_array_equal(code, wanted)
    np.testing.assert_allclose(value, np.take_along_axis(one @ two.T, wanted, axis=1), rtol=1e-6)
    assert nearest_among(one, two, 50)[0].shape == (30, 9)


def test_a_shop_without_events_is_taught_by_another(tmp_path: Path) -> None:
    """What followed what there does here, and the shop's own keys and columns are kept."""
    ring("a").save(tmp_path / "a")
    settings = {
        "other_shops": (str(tmp_path / "a"),),
        "alike": 1,
        "uniform": 0.0,
        "weights": {"transitions": 1.0},
    }
    teacher = SYNTHESIZERS.make("teacher", **settings).fit(HERE, RUN)
    assert teacher.draws_on() == {"behaviour", "text", "world"}
    made = teacher.sample(200, Run(seed=5))
    events = made.table("events")
    assert made.table("items").equals(HERE.table("items"))
    step = pl.col("item_id").str.slice(1).cast(pl.Int64)
    moved = events.with_columns(step.alias("code")).with_columns(
        by=pl.col("code").diff().over("user_id") % 10
    )
    assert moved.drop_nulls("by").select((pl.col("by") == 9).mean()).item() > 0.5, (
        "one word further, which is back here"
    )
    teacher.save(tmp_path / "teacher")
    again = SYNTHESIZERS.restore(tmp_path / "teacher").sample(50, Run(seed=5))
    assert again.fingerprint == teacher.sample(50, Run(seed=5)).fingerprint


def test_own_and_other_shoppers_are_learned_from_together(tmp_path: Path) -> None:
    other = small_shop(users=80, items=12, seed=8)
    other.with_tables(
        items=other.table("items").with_columns(item_id=pl.format("x{}", "item_id")),
        events=other.table("events").with_columns(item_id=pl.format("x{}", "item_id")),
    ).save(tmp_path / "x")
    own, folder = small_shop(users=30, items=12), (str(tmp_path / "x"),)
    before = own.table("events")
    alone = SYNTHESIZERS.make("teacher").fit(own, RUN)
    both = SYNTHESIZERS.make("teacher", other_shops=folder).fit(own, RUN)
    least = SYNTHESIZERS.make("teacher", other_shops=folder, other_weight=1e-6).fit(own, RUN)
    assert own.table("events").equals(before)

    def mass(teacher: object) -> float:
        return float(teacher.as_ranker().popularity_.sum())  # type: ignore[attr-defined]

    assert mass(alone) == len(before)
    assert mass(least) == pytest.approx(mass(alone), rel=1e-3)
    assert mass(both) > 1.5 * mass(alone)
    events = both.sample(40, RUN).table("events")
    assert set(events.columns) == {*before.columns, "origin", "weight"}


def test_shops_that_cannot_teach_say_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no shop at"):
        SYNTHESIZERS.make("teacher", other_shops=("no-such-shop",)).fit(small_shop(), RUN)
    with pytest.raises(InputError, match="share no word"):
        translated(ring("a"), selling(["zebra", "yak"], "z"), "tfidf", (3, 1.0), RUN)
    untitled = Shop({"items": pl.DataFrame({"item_id": ["a", "b"]})})
    with pytest.raises(InputError, match="have no text"):
        translated(ring("a"), untitled, "tfidf", (3, 1.0), RUN)
    selling(["one"], "e").save(tmp_path / "empty")
    with pytest.raises(InputError, match="has no events"):
        SYNTHESIZERS.make("teacher", other_shops=(str(tmp_path / "empty"),)).fit(HERE, RUN)
    with pytest.raises(InputError, match="nothing to learn from"):
        SYNTHESIZERS.make("teacher").fit(
            HERE.with_tables(events=ring("b").table("events").clear()), RUN
        )


@pytest.mark.parametrize(
    ("settings", "said"), [({"other_weight": 0.0}, "other_weight is 0"), ({"alike": 0}, "alike")]
)
def test_wrong_settings_of_other_shops_are_named(settings: dict[str, float], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        SYNTHESIZERS.make("teacher", **settings)
