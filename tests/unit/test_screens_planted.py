"""Planted cases for every screen: what must be taken, and what must not."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wareloom.core.family import SCREENS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import LeakError, SettingError
from wareloom.preparing.splits import Split, SplitSettings, split
from wareloom.readers import read
from wareloom.screening import Screened, _evidence
from wareloom.screening.leak import Leak
from wareloom.shop import Log, Shop

START = datetime(2024, 5, 1)
MADE = "made@1"


def shop_of(histories: dict[str, list[int]], origin: str = "real", items: int = 30) -> Shop:
    """Users with their items in order, a day apart."""
    rows = [
        (u, f"i{i}", START + timedelta(days=d))
        for u, own in histories.items()
        for d, i in enumerate(own)
    ]
    events = pl.DataFrame(
        rows,
        schema={"user_id": pl.String, "item_id": pl.String, "time": pl.Datetime("us")},
        orient="row",
    )
    events = events.with_columns(event=pl.lit("purchase"), origin=pl.lit(origin))
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(items)]}), "events": events}
    )


def taken(screened: Screened) -> dict[str, set[str]]:
    """Reasons by user."""
    rows = screened.rejected.get("events")
    return (
        {}
        if rows is None
        else dict(rows.group_by("user_id").agg(pl.col("reason").unique()).iter_rows())
    )


def reasons(screened: Screened) -> list[str]:
    return screened.rejected["events"]["reason"].to_list()


def one_changed(**changes: pl.Expr) -> Shop:
    """A good pool whose last event is changed."""
    pool = shop_of({"a": [1, 2, 3], "b": [4, 5, 6]}, MADE)
    events = pool.table("events").with_columns(quantity=pl.lit(1.0), value=pl.lit(9.0))
    return pool.with_tables(
        events=pl.concat([events.head(5), events.tail(1).with_columns(**changes)], how="diagonal")
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("item_id", "gone", "item not in the catalogue"),
        ("event", "refund", "unknown kind of event"),
        ("user_id", None, "no user"),
        ("origin", "real", "passes for real"),
    ],
)
def test_schema_takes_the_one_bad_row(column: str, value: str | None, reason: str) -> None:
    pool = one_changed(**{column: pl.lit(value, dtype=pl.String)})
    screened = SCREENS.make("schema").screen(pool, shop_of({"u": [1, 2]}))
    assert reasons(screened) == [reason]
    assert screened.kept.table("events").equals(pool.table("events").head(5))
    assert screened.report == {"seen": 6, "rejected": 1, "reasons": {reason: 1}}


def test_schema_lets_sessions_without_users_and_events_without_items_pass() -> None:
    pool = shop_of({"a": [1, 2]}, MADE)
    events = pool.table("events").with_columns(
        session_id="user_id", user_id=pl.lit(None, dtype=pl.String)
    )
    search = events.head(1).with_columns(
        event=pl.lit("search"), item_id=pl.lit(None, dtype=pl.String)
    )
    both = pool.with_tables(events=pl.concat([events, search]))
    assert SCREENS.make("schema").screen(both, shop_of({"u": [1]})).report["rejected"] == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"time": pl.lit(START - timedelta(seconds=1))}, "before the shop's first event"),
        ({"time": pl.lit(START + timedelta(days=9, seconds=1))}, "after the time that was fitted"),
        ({"quantity": pl.lit(float("inf"))}, "quantity is not a finite number"),
        ({"quantity": pl.lit(-0.5)}, "quantity below any real one"),
        ({"value": pl.lit(float("nan"))}, "value is not a finite number"),
        ({"value": pl.lit(-0.01)}, "value below any real one"),
        ({"item_id": pl.lit("i20")}, "before its item was launched"),
    ],
)
def test_impossible_takes_the_one_bad_row(changes: dict[str, pl.Expr], reason: str) -> None:
    train = shop_of({"u": list(range(10))})
    launched = pl.when(pl.col("item_id") == "i20").then(START + timedelta(days=5)).otherwise(START)
    train = train.with_tables(items=train.table("items").with_columns(launched_at=launched))
    pool = one_changed(**changes)
    screened = SCREENS.make("impossible").screen(pool, train)
    assert reasons(screened) == [reason]
    assert screened.kept.rows("events") == 5


def test_impossible_knows_what_is_possible_in_this_shop() -> None:
    """A shop with returns has negative quantities, and continued users go on after the last fitted event."""
    train = shop_of({"u": list(range(10))})
    train = train.with_tables(events=train.table("events").with_columns(quantity=pl.lit(-2.0)))
    screen = SCREENS.make("impossible", horizon=3.0)
    assert screen.screen(one_changed(quantity=pl.lit(-2.0)), train).report["rejected"] == 0
    assert screen.screen(one_changed(quantity=pl.lit(-2.1)), train).report["rejected"] == 1
    for days, rejected in ((9 + 3, 0), (9 + 3.001, 1)):
        pool = one_changed(time=pl.lit(START + timedelta(days=days)))
        assert screen.screen(pool, train).report["rejected"] == rejected


def test_copies_takes_a_copied_user_whole_and_leaves_a_fresh_one() -> None:
    train = shop_of({"u1": [1, 2, 3, 4, 5, 6, 7, 8], "u2": [11, 12, 13], "u3": [21, 22]})
    pool = {
        "copy": [1, 2, 3, 4, 5, 6, 7, 8],
        "part of it": [9, 9, 3, 4, 5, 6, 7, 9],
        "four in a row only": [9, 3, 4, 5, 6, 9],
        "the other way round": [8, 7, 6, 5, 4, 3],
        "with one between": [1, 2, 9, 3, 4, 5],
        "short, whole": [11, 12, 13],
        "short, and one more": [11, 12, 13, 14],
        "short, part of a longer": [1, 2, 3],
        "too short to call": [21, 22],
    }
    screened = SCREENS.make("copies").screen(shop_of(pool, MADE), train)
    assert set(taken(screened)) == {"copy", "part of it", "short, whole"}
    assert screened.report["users"] == 3
    assert screened.report["share of users"] == pytest.approx(3 / 9)
    assert len(screened.rejected["events"]) == 8 + 8 + 3
    with pytest.raises(SettingError, match="length=1 would call every user a copy"):
        SCREENS.make("copies", length=1).screen(shop_of(pool, MADE), train)


HISTORIES = st.lists(st.lists(st.integers(0, 3), max_size=9), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(real=HISTORIES, fake=HISTORIES, length=st.integers(2, 6), shortest=st.integers(1, 4))
def test_copies_agrees_with_a_slow_search(
    real: list[list[int]], fake: list[list[int]], length: int, shortest: int
) -> None:
    runs = {tuple(own[a : a + length]) for own in real for a in range(len(own) - length + 1)}
    expected = {
        f"f{n}"
        for n, own in enumerate(fake)
        if any(tuple(own[a : a + length]) in runs for a in range(len(own) - length + 1))
        or (shortest <= len(own) < length and own in real)
    }
    train = shop_of({f"u{n}": own for n, own in enumerate(real)})
    pool = shop_of({f"f{n}": own for n, own in enumerate(fake)}, MADE)
    screened = SCREENS.make("copies", length=length, shortest=shortest).screen(pool, train)
    assert set(taken(screened)) == expected


def test_copies_compares_items_by_name_and_not_by_place_in_the_catalogue() -> None:
    train = shop_of({"u1": [1, 2, 3, 4, 5]})
    pool = shop_of({"copy": [1, 2, 3, 4, 5], "fresh": [5, 4, 3, 2, 1]}, MADE)
    turned = pool.with_tables(items=pool.table("items").reverse())
    assert set(taken(SCREENS.make("copies").screen(turned, train))) == {"copy"}


@cache
def market() -> Split:
    """3,000 users on 500 items of uneven popularity in 50 groups; users stay in a group and follow its order."""
    rng = np.random.default_rng(0)
    group = rng.permutation(500) % 50
    members = [np.flatnonzero(group == g) for g in range(50)]
    weight = 1.0 / np.arange(1, 51) ** 0.7
    histories = {}
    for user in range(3000):
        here, own = int(rng.choice(50, p=weight / weight.sum())), []
        for _ in range(int(rng.integers(5, 12))):
            if rng.random() < 0.2:
                here = int(rng.choice(50, p=weight / weight.sum()))
            own.append(int(members[here][min(rng.geometric(0.25) - 1, 9)]))
        histories[f"u{user}"] = own
    parts = split(shop_of(histories, items=500), SplitSettings(by="leave-last-out"))
    return Split(*(part.in_memory() for part in parts), parts.how)


def whole(parts: Split) -> Shop:
    return parts.train.with_tables(events=pl.concat([part.table("events") for part in parts]))


@pytest.mark.parametrize("name", ["markov", "independent", "shuffled"])
@pytest.mark.parametrize("seed", [1, 2])
def test_honest_data_is_no_leak(name: str, seed: int) -> None:
    parts = market()
    pool = SYNTHESIZERS.make(name).fit(parts.train, Run(seed=seed)).sample(3000, Run(seed=seed))
    screened = SCREENS.make("leak").screen(pool, parts.train, parts.test, Run(seed=seed))
    assert screened.kept is pool
    assert screened.report["looked"] is True
    assert screened.report["pairs"] > 500
    assert screened.report["leak"] is False


def planted(pool: Shop, share: float) -> Shop:
    """The pool with the whole rows of a share of the held-out users, under other names."""
    parts = market()
    users = parts.test.table("events")["user_id"].unique().sort()
    chosen = users.sample(int(len(users) * share), seed=1).implode()
    rows = whole(parts).table("events").filter(pl.col("user_id").is_in(chosen))
    rows = rows.with_columns(user_id=pl.format("fake-{}", "user_id"), origin=pl.lit(MADE))
    return pool.with_tables(events=pl.concat([pool.table("events"), rows], how="diagonal"))


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_held_out_users_among_the_synthetic_ones_are_a_leak(share: float) -> None:
    parts = market()
    pool = SYNTHESIZERS.make("markov").fit(parts.train, Run(seed=1)).sample(3000, Run(seed=1))
    both = pl.concat([parts.validation.table("events"), parts.test.table("events")])
    holdout = parts.test.with_tables(events=both)
    assert (
        SCREENS.make("leak").screen(pool, parts.train, holdout, Run(seed=1)).report["leak"] is False
    )
    with pytest.raises(LeakError, match="the synthesizer has seen the held-out part") as caught:
        SCREENS.make("leak").screen(planted(pool, share), parts.train, holdout, Run(seed=1))
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_synthesizer_that_saw_the_test_part_is_caught(seed: int) -> None:
    parts = market()
    fitted = SYNTHESIZERS.make("markov", structure="chain").fit(whole(parts), Run(seed=seed))
    pool = fitted.sample(3000, Run(seed=seed))
    with pytest.raises(LeakError, match="Fit it on the training part alone"):
        SCREENS.make("leak").screen(pool, parts.train, parts.test, Run(seed=seed))


def test_without_a_held_out_part_there_is_nothing_to_look_for() -> None:
    parts = market()
    pool = shop_of({"a": [1, 2, 3]}, MADE, items=500)
    empty = parts.test.with_tables(events=parts.test.table("events").clear())
    for holdout in (None, empty, empty.with_tables(events=None)):
        screened = SCREENS.make("leak").screen(pool, parts.train, holdout)
        assert screened.report == {"looked": False}
        assert screened.kept is pool


def families(*, titles: bool) -> Split:
    """3,000 users who keep to one of 1,000 families of ten items, which only the titles tell."""
    rng = np.random.default_rng(3)
    own = {f"u{u}": (10 * (u % 1000) + rng.permutation(10)[:5]).tolist() for u in range(3000)}
    shop = shop_of(own, items=10_000)
    if titles:
        title = [f"family{i // 10} part{i % 10}" for i in range(10_000)]
        shop = shop.with_tables(items=shop.table("items").with_columns(title=pl.Series(title)))
    parts = split(shop, SplitSettings(by="leave-last-out"))
    return Split(*(part.in_memory() for part in parts), parts.how)


def test_a_generator_that_reads_titles_is_no_leak() -> None:
    """It draws from families without having seen one event: what a shop whose titles are hidden cannot explain."""
    rng = np.random.default_rng(4)
    read = {f"f{u}": (10 * (u % 1000) + rng.permutation(10)[:5]).tolist() for u in range(3000)}
    told = {}
    for titles in (True, False):
        parts = families(titles=titles)
        holdout = parts.held_out()
        told[titles] = SCREENS.make("leak").examine(
            shop_of(read, MADE, items=10_000), parts.train, holdout, Run(seed=1)
        )
    assert told[True]["held"] == told[False]["held"] > 500
    assert told[True]["expected"] == pytest.approx(told[True]["held"], rel=0.15)
    assert told[True]["leak"] is False
    assert told[False]["leak"] is True
    parts = families(titles=True)
    whole = pl.concat([part.table("events") for part in parts]).filter(
        pl.col("user_id").str.ends_with("00")
    )
    rows = whole.with_columns(user_id=pl.format("fake-{}", "user_id"), origin=pl.lit(MADE))
    pool = shop_of(read, MADE, items=10_000)
    pool = pool.with_tables(events=pl.concat([pool.table("events"), rows], how="diagonal"))
    assert whole["user_id"].n_unique() <= 0.01 * 3000
    assert (
        SCREENS.make("leak").examine(pool, parts.train, parts.held_out(), Run(seed=1))["runs"][
            "leak"
        ]
        is True
    )


def test_many_honest_walks_of_dense_sessions_are_no_leak_and_few_copied_ones_are(
    real_data: Path, tmp_path: Path
) -> None:
    """Sessions keep to one kind of thing: what follows two items that belong together belongs to both."""
    shop = read(real_data / "yoochoose100k", to=tmp_path / "shop")
    found = split(shop, SplitSettings(by="leave-last-out"), None, Run(seed=0))
    parts = Split(*(part.in_memory() for part in found), found.how)
    fitted = SYNTHESIZERS.make("teacher").fit(parts.train, Run(seed=0))
    made = fitted.sample(8 * len(Log.of(parts.train).users), Run(seed=1))
    told = Leak().examine(made, parts.train, parts.held_out(), Run(seed=2))
    assert told["runs"]["held"] > 100
    assert told["runs"]["held"] < 1.5 * told["runs"]["expected"]
    assert told["leak"] is False
    test = parts.test.table("events")
    some = test["session_id"].unique().sort()[::100]
    rows = pl.concat([part.table("events") for part in parts], how="diagonal").filter(
        pl.col("session_id").is_in(some.implode())
    )
    few = fitted.sample(len(Log.of(parts.train).users), Run(seed=1))
    copies = rows.with_columns(session_id=pl.format("made-{}", "session_id"), origin=pl.lit(MADE))
    both = few.with_tables(events=pl.concat([few.table("events"), copies], how="diagonal"))
    assert Leak().examine(both, parts.train, parts.held_out(), Run(seed=2))["leak"] is True


@pytest.mark.parametrize("name", ["markov", "teacher"])
def test_honest_walks_of_sessions_without_texts_are_no_leak_and_leaking_ones_are(
    name: str, real_data: Path, tmp_path: Path
) -> None:
    shop = read(real_data / "yoochoose100k", to=tmp_path / "shop")
    parts = [part.in_memory() for part in split(shop, SplitSettings(by="time"), None, Run(seed=0))]
    train = parts[0]
    held = train.with_tables(events=pl.concat([part.table("events") for part in parts[1:]]))
    everything = train.with_tables(events=pl.concat([part.table("events") for part in parts]))
    for seen, leaks in ((train, False), (everything, True)):
        made = SYNTHESIZERS.make(name).fit(seen, Run(seed=0)).sample(20_000, Run(seed=1))
        told = Leak().examine(made, train, held, Run(seed=2))
        assert told["leak"] == leaks
        assert leaks or told["held"] < 1.6 * told["expected"], (
            "company explains what honest walks hold"
        )


def test_company_of_a_large_log_is_taken_of_some_users(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = market()
    pool = SYNTHESIZERS.make("markov").fit(parts.train, Run(seed=1)).sample(3000, Run(seed=1))
    monkeypatch.setattr(_evidence, "MOST_EVENTS", 5_000)
    log = Log.of(parts.train)
    assert 4_000 < len(_evidence._some(log, Run(seed=1))) < 6_000 < len(log)
    assert Leak().examine(pool, parts.train, parts.held_out(), Run(seed=1))["leak"] is False
    assert (
        Leak().examine(planted(pool, 0.02), parts.train, parts.held_out(), Run(seed=1))["leak"]
        is True
    )
