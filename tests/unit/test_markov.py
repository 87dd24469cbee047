"""The Markov walk against known answers: what follows what, repeats, funnel, time, continuation."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from conftest import small_shop
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError
from wareloom.shop import Log, Shop
from wareloom.shop.schema import EVENTS
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._walk import alias_tables


def shop_of(
    rows: list[tuple[str, str, str]], items: int, *, step: timedelta = timedelta(hours=1)
) -> Shop:
    """A shop of (user, item, event) rows, one `step` apart."""
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event"], orient="row")
    start = datetime(2024, 1, 1)
    events = events.with_columns(
        time=pl.Series([start + step * n for n in range(len(rows))], dtype=pl.Datetime("us"))
    )
    return Shop(
        {"items": pl.DataFrame({"item_id": [f"i{i}" for i in range(items)]}), "events": events}
    )


def pairs(log: Log) -> tuple[np.ndarray, np.ndarray]:
    """(item, next item) of all users."""
    inner = np.flatnonzero(log.user[1:] == log.user[:-1])
    return log.item[inner], log.item[inner + 1]


def test_a_walk_goes_round_the_ring_as_often_as_real_users_do() -> None:
    real = small_shop(users=400)
    fake = (
        SYNTHESIZERS.make("markov", structure="chain", window=1).fit(real).sample(2000, Run(seed=1))
    )
    share = {}
    for name, log in (("real", Log.of(real)), ("fake", Log.of(fake))):
        a, b = pairs(log)
        share[name] = np.mean((a + 1) % 30 == b)
    assert share["real"] > 0.75
    assert share["real"] - 0.2 < share["fake"] <= share["real"] + 0.01
    noise = Log.of(SYNTHESIZERS.make("independent").fit(real).sample(2000, Run(seed=1)))
    a, b = pairs(noise)
    assert np.mean((a + 1) % 30 == b) < 0.08


def test_the_second_item_follows_witten_and_bell() -> None:
    """The oracle counts followers one by one and mixes them with popularity by hand."""
    real, start = small_shop(users=150, items=12), 3
    log = Log.of(real)
    follow, popular = np.zeros(12), np.zeros(12)
    for u in range(len(log.users)):
        own = log.item[log.offsets[u] : log.offsets[u + 1]].tolist()
        for item in own:
            popular[item] += 1
        for a, b in pairwise(own):
            follow[b] += a == start != b
    backoff = np.count_nonzero(follow) / (np.count_nonzero(follow) + follow.sum())
    expected = (1 - backoff) * follow / follow.sum() + backoff * popular / popular.sum()
    expected[start] = 0.0
    made = (
        SYNTHESIZERS.make("markov", structure="chain", window=1)
        .fit(real)
        .sample(20_000, Run(seed=2), Given(start_items=("i3",), length=2))
    )
    second = Log.of(made).item[1::2]
    seen = np.bincount(second[second != start], minlength=12)
    others = np.arange(12) != start
    assert seen[start] == 0
    assert (
        stats.chisquare(seen[others], expected[others] / expected.sum() * seen.sum()).pvalue > 0.001
    )


def test_the_first_item_is_drawn_as_real_users_begin() -> None:
    real = small_shop(users=300, items=12)
    log = Log.of(real)
    heads = np.bincount(log.item[log.offsets[:-1]], minlength=12)
    made = Log.of(
        SYNTHESIZERS.make("markov", structure="chain")
        .fit(real)
        .sample(20_000, Run(seed=3), Given(length=1))
    )
    assert len(made) == 20_000
    assert (
        stats.chisquare(np.bincount(made.item, minlength=12), heads / heads.sum() * 20_000).pvalue
        > 0.001
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.floats(0.001, 1000), max_size=12), min_size=1, max_size=6))
def test_an_alias_table_holds_its_distribution(rows: list[list[float]]) -> None:
    """An entry is accepted, or sends on to its alias: summed up, that must give the weights back."""
    matrix = sparse.lil_matrix((len(rows), 12))
    for r, row in enumerate(rows):
        matrix[r, : len(row)] = row
    table = alias_tables(matrix.tocsr())
    for r, row in enumerate(rows):
        a, b = table.indptr[r], table.indptr[r + 1]
        assert b - a == len(row)
        chance = np.zeros(12)
        for entry in range(a, b):
            chance[table.value[entry]] += table.accept[entry] / (b - a)
            chance[table.value[a + table.alias[entry]]] += (1 - table.accept[entry]) / (b - a)
        if row:
            np.testing.assert_allclose(chance[: len(row)], np.array(row) / sum(row), atol=1e-6)


def deck(users: int = 200, items: int = 60, seed: int = 0) -> Shop:
    """Users who never choose an item twice; popularity falls with the item's number."""
    rng = np.random.default_rng(seed)
    chance = 1.0 / np.arange(1, items + 1)
    rows = []
    for u in range(users):
        for i in rng.choice(items, size=rng.integers(2, 9), replace=False, p=chance / chance.sum()):
            rows.append((f"u{u}", f"i{i}", "purchase"))
    return shop_of(rows, items)


@pytest.mark.parametrize("name", ["markov", "independent"])
def test_nothing_repeats_where_the_log_never_does(name: str) -> None:
    real = deck()
    fitted = SYNTHESIZERS.make(name).fit(real)
    fake = fitted.sample(500, Run(seed=1)).table("events")
    assert fake.select(pl.struct("user_id", "item_id").is_duplicated().any()).item() is False
    ahead = fitted.sample(200, Run(seed=1), Given(histories=real, length=4)).table("events")
    both = pl.concat([real.table("events"), ahead], how="diagonal")
    assert both.select(pl.struct("user_id", "item_id").is_duplicated().any()).item() is False


def test_repeats_come_back_where_the_log_repeats() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"i{i}", "purchase")
        for u in range(200)
        for i in rng.integers(3 * (u % 10), 3 * (u % 10) + 3, 8)
    ]
    real = shop_of(rows, 30)

    def repeats(shop: Shop) -> float:
        frame = Log.of(shop)
        return 1 - len({*zip(frame.user.tolist(), frame.item.tolist(), strict=True)}) / len(frame)

    fake = SYNTHESIZERS.make("markov", structure="chain").fit(real).sample(1000, Run(seed=1))
    assert repeats(real) > 0.5
    assert repeats(fake) == pytest.approx(repeats(real), abs=0.1)


@pytest.mark.parametrize("name", ["markov", "independent"])
def test_popular_items_stay_popular(name: str) -> None:
    real = deck(users=600)
    fake = SYNTHESIZERS.make(name).fit(real).sample(3000, Run(seed=1))
    assert stats.spearmanr(Log.of(real).counts(), Log.of(fake).counts()).statistic > 0.9


def test_no_purchase_without_a_cart() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for u in range(150):
        for i in rng.integers(0, 20, 4):
            rows += [
                (f"u{u}", f"i{i}", kind)
                for kind in ("view_item", "add_to_cart", "purchase")[: rng.integers(1, 4)]
            ]
    log = Log.of(
        SYNTHESIZERS.make("markov", structure="chain")
        .fit(shop_of(rows, 20))
        .sample(1000, Run(seed=1))
    )
    view, cart, purchase = (EVENTS.index(kind) for kind in ("view_item", "add_to_cart", "purchase"))
    assert set(log.event) == {view, cart, purchase}
    for kind, before in ((purchase, cart), (cart, view)):
        at = np.flatnonzero(log.event == kind)
        assert (log.event[at - 1] == before).all()
        assert (log.item[at - 1] == log.item[at]).all()
        assert (log.user[at - 1] == log.user[at]).all()
    assert (log.event[log.offsets[:-1]] == view).all()


@pytest.mark.parametrize("step", ["1d", "1h", "1m", "1s", "1ms", "1us"])
def test_times_stay_in_the_span_and_on_the_clock_of_the_log(step: str) -> None:
    real = small_shop()
    jitter = pl.duration(microseconds=pl.int_range(pl.len()) * 1_000_003)
    rounded = (pl.col("time") + jitter).dt.truncate(step)
    real = real.with_tables(events=real.table("events").with_columns(time=rounded))
    fake = (
        SYNTHESIZERS.make("markov", structure="chain")
        .fit(real)
        .sample(500, Run(seed=1))
        .table("events")
    )
    assert (fake["time"].dt.truncate(step) == fake["time"]).all()
    assert real.table("events")["time"].min() <= fake["time"].min()
    assert fake["time"].max() <= real.table("events")["time"].max()
    assert (
        fake.select((pl.col("time").diff() < pl.duration()).over("user_id").any()).item() is False
    )


def test_activity_is_about_that_of_real_users_and_nobodys() -> None:
    """Numbers of sessions and their sizes are drawn from counts: no user's own sequence of them."""
    real = small_shop(users=200)
    fake = Log.of(
        SYNTHESIZERS.make("markov", structure="chain").fit(real).sample(4000, Run(seed=1))
    )
    lengths, drawn = Log.of(real).lengths(), fake.lengths()
    assert drawn.mean() == pytest.approx(lengths.mean(), rel=0.08)
    shares = [np.bincount(each, minlength=40) / len(each) for each in (lengths, drawn)]
    assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.2
    assert drawn.min() == lengths.min()


def test_a_value_is_that_of_its_item() -> None:
    """In the ring item i is always sold at 1 + i."""
    fake = (
        SYNTHESIZERS.make("markov", structure="chain")
        .fit(small_shop())
        .sample(300, Run(seed=1))
        .table("events")
    )
    price = 1.0 + fake["item_id"].str.slice(1).cast(pl.Float64)
    np.testing.assert_allclose(fake["value"].to_numpy(), price.to_numpy())


def test_old_habits_weigh_less() -> None:
    rows = [(f"old{n}", item, "purchase") for n in range(50) for item in ("i0", "i1")]
    rows += [(f"new{n}", item, "purchase") for n in range(50) for item in ("i0", "i2")]
    real = shop_of(rows, 3, step=timedelta(days=1))
    given = Given(start_items=("i0",), length=2)
    for half_life, low, high in ((None, 0.45, 0.55), (10.0, 0.9, 1.0)):
        fitted = SYNTHESIZERS.make("markov", structure="chain", half_life=half_life, window=1).fit(
            real
        )
        second = fitted.sample(4000, Run(seed=1), given).table("events")["item_id"][1::2]
        assert low <= (second == "i2").mean() <= high


@pytest.mark.parametrize("structure", ["outline", "chain"])
def test_events_of_no_weight_teach_nothing(structure: str) -> None:
    real = small_shop(users=40)
    events = real.table("events")
    muted = events.with_columns(weight=pl.when(pl.col("item_id") == "i7").then(0.0).otherwise(1.0))
    fake = (
        SYNTHESIZERS.make("markov", structure=structure)
        .fit(real.with_tables(events=muted))
        .sample(500, Run(seed=1))
    )
    assert "i7" not in set(fake.table("events")["item_id"])
    with pytest.raises(InputError, match="nothing to learn from"):
        SYNTHESIZERS.make("markov", structure="chain").fit(
            real.with_tables(events=events.with_columns(weight=pl.lit(0.0)))
        )


def test_continues_users_under_their_ids_after_their_last_event() -> None:
    real = small_shop(users=30)
    fitted = SYNTHESIZERS.make("markov", structure="chain").fit(real)
    some = real.with_tables(
        events=real.table("events").filter(pl.col("user_id").is_in(["u3", "u7", "u9"]))
    )
    for length in (None, 5):
        ahead = fitted.sample(3, Run(seed=1), Given(histories=some, length=length)).table("events")
        assert ahead["user_id"].unique().sort().to_list() == ["u3", "u7", "u9"]
        first = ahead.group_by("user_id").agg(
            pl.col("time").min().alias("first"), pl.len().alias("n")
        )
        last = some.table("events").group_by("user_id").agg(pl.col("time").max().alias("last"))
        both = first.join(last, on="user_id")
        assert (both["first"] >= both["last"]).all()
        assert length is None or both["n"].to_list() == [5, 5, 5]
    assert (
        fitted.sample(2, Run(seed=1), Given(histories=some)).table("events")["user_id"].n_unique()
        == 2
    )


def test_a_continued_user_goes_on_from_the_last_item() -> None:
    fitted = SYNTHESIZERS.make("markov", structure="chain", window=1).fit(small_shop(users=400))
    rows = [(f"u{n:03}", f"i{i}", "purchase") for n in range(200) for i in (2, 11)]
    ahead = fitted.sample(200, Run(seed=1), Given(histories=shop_of(rows, 30), length=1))
    assert (ahead.table("events")["item_id"] == "i12").mean() > 0.5


def test_says_what_it_cannot_begin_with() -> None:
    fitted = SYNTHESIZERS.make("markov", structure="chain").fit(small_shop(users=20))
    with pytest.raises(
        InputError, match="The start item 'i99' is not in the fitted shop's catalogue"
    ):
        fitted.sample(3, given=Given(start_items=("i1", "i99")))
    with pytest.raises(InputError, match="the item 'i30', which the fitted shop does not know"):
        fitted.sample(1, given=Given(histories=shop_of([("u1", "i30", "purchase")], 31)))
    with pytest.raises(
        InputError, match="Asked to continue 3 users, but the given histories hold 1 with events"
    ):
        fitted.sample(3, given=Given(histories=shop_of([("u1", "i3", "purchase")], 30)))
    with pytest.raises(InputError, match="Asked for users of 0 events; ask for at least 1"):
        fitted.sample(3, given=Given(length=0))
