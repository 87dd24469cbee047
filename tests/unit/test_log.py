"""The log against sorting and counting by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import small_shop
from wareloom.shop import Log, Shop
from wareloom.shop.log import NO_TIME
from wareloom.shop.schema import EVENTS, INTERACTIONS

START = datetime(2024, 1, 1)
ROW = st.tuples(
    st.sampled_from(["u1", "u2", "u3", None]),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from(["i0", "i1", "i2", "i3", "gone", None]),
    st.sampled_from(["purchase", "view_item", "view_item_list", "search"]),
    st.none() | st.integers(0, 4).map(lambda minutes: START + timedelta(minutes=20 * minutes)),
    st.sampled_from(["real", "made@1"]),
)
SCHEMA = {
    "user_id": pl.String, "session_id": pl.String, "item_id": pl.String, "event": pl.String,
    "time": pl.Datetime("us"), "origin": pl.String,
}  # fmt: skip
Rows = list[tuple[Any, ...]]


def shop_of(rows: Rows) -> Shop:
    """Events (user, session, item, event, time, origin) on the items i0 … i3; the weight is the row's number."""
    events = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(
        weight=pl.int_range(pl.len()).cast(pl.Float32)
    )
    return Shop.trusted(
        {"items": pl.DataFrame({"item_id": ["i0", "i1", "i2", "i3"]}), "events": events}
    )


def slowly(rows: Rows) -> dict[str, list[int]]:
    """Numbers of the rows that count, by user, each user's in order of time and then of the file."""
    found: dict[str, list[int]] = {}
    for n, (user, session, item, event, _, _) in enumerate(rows):
        if event in INTERACTIONS and item is not None:
            found.setdefault(user or session, [])
            if item != "gone":
                found[user or session].append(n)
    for own in found.values():
        own.sort(key=lambda n: (rows[n][4] or datetime.min, n))
    return dict(sorted(found.items()))


@settings(deadline=None, max_examples=80)
@given(st.lists(ROW, max_size=25))
def test_a_log_is_the_events_by_user_and_time(rows: Rows) -> None:
    log, expected = Log.of(shop_of(rows)), slowly(rows)
    order = [n for own in expected.values() for n in own]
    assert log.users.ids.to_list() == list(expected)
    assert log.lengths().tolist() == [len(own) for own in expected.values()]
    assert len(log) == len(order) == log.offsets[-1]
    assert log.weight.tolist() == order, "the weight says which row it was"
    assert [log.items.ids[int(i)] for i in log.item] == [rows[n][2] for n in order]
    assert [EVENTS[e] for e in log.event] == [rows[n][3] for n in order]
    assert log.real.tolist() == [rows[n][5] == "real" for n in order]
    times = [
        int(NO_TIME)
        if rows[n][4] is None
        else int((rows[n][4] - datetime(1970, 1, 1)).total_seconds() * 1e6)
        for n in order
    ]
    assert log.time.tolist() == times
    assert log.user.tolist() == [u for u, own in enumerate(expected.values()) for _ in own]
    assert log.last_time() == max(times, default=int(NO_TIME))
    assert log.timed


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, max_size=25), st.booleans())
def test_matrix_and_counts_add_up_what_there_is(rows: Rows, weighted: bool) -> None:
    log, expected = Log.of(shop_of(rows)), slowly(rows)
    whole = np.zeros((len(expected), 4))
    for u, own in enumerate(expected.values()):
        for n in own:
            whole[u, int(rows[n][2][1])] += n if weighted else 1
    np.testing.assert_array_equal(log.matrix(weighted=weighted).toarray(), whole)
    np.testing.assert_array_equal(log.counts(weighted=weighted), whole.sum(axis=0))
    assert log.matrix(weighted=weighted).dtype == np.float32


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, max_size=25), st.lists(st.integers(0, 20), max_size=5))
def test_selected_users_keep_their_events_in_the_order_asked(rows: Rows, wanted: list[int]) -> None:
    log, expected = Log.of(shop_of(rows)), slowly(rows)
    chosen = list(dict.fromkeys(w % len(expected) for w in wanted)) if expected else []
    part = log.select(np.array(chosen, dtype=np.int64))
    names = list(expected)
    assert part.users.ids.to_list() == [names[u] for u in chosen]
    assert part.weight.tolist() == [n for u in chosen for n in expected[names[u]]]
    assert part.lengths().tolist() == [len(expected[names[u]]) for u in chosen]


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, max_size=25), st.integers(0, 5))
def test_shuffling_ties_moves_events_of_one_time_alone(rows: Rows, seed: int) -> None:
    log, dealt = Log.of(shop_of(rows)), Log.of(shop_of(rows), shuffle_ties=seed)
    assert dealt.time.tolist() == log.time.tolist()
    assert dealt.offsets.tolist() == log.offsets.tolist()
    same = [
        {*zip(one.user.tolist(), one.time.tolist(), one.weight.tolist(), strict=True)}
        for one in (log, dealt)
    ]
    assert same[0] == same[1]
    assert Log.of(shop_of(rows), shuffle_ties=seed).weight.tolist() == dealt.weight.tolist()


def test_ties_come_in_every_order() -> None:
    rows: Rows = [("u1", "s", f"i{n}", "purchase", START, "real") for n in range(3)]
    orders = [tuple(Log.of(shop_of(rows), shuffle_ties=seed).item.tolist()) for seed in range(300)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert counts.min() > 20


@settings(deadline=None, max_examples=50)
@given(st.lists(ROW, max_size=25))
def test_sessions_change_with_their_id(rows: Rows) -> None:
    log = Log.of(shop_of(rows))
    numbers = []
    for own in slowly(rows).values():
        for place, n in enumerate(own):
            new = place > 0 and rows[n][1] != rows[own[place - 1]][1]
            numbers.append(0 if place == 0 else numbers[-1] + new)
    assert log.session.tolist() == numbers


def test_sessions_change_after_half_an_hour_of_silence_where_nothing_names_them() -> None:
    minutes = [0, 30, 60, 91, 91, 200]
    rows: Rows = [
        ("u1", None, "i0", "purchase", START + timedelta(minutes=m), "real") for m in minutes
    ]
    rows += [("u2", None, "i1", "purchase", START + timedelta(minutes=m), "real") for m in (0, 31)]
    shop = shop_of(rows)
    assert Log.of(shop).session.tolist() == [0, 0, 0, 1, 1, 2, 0, 1]
    without = shop.with_tables(events=shop.table("events").drop("session_id"))
    assert Log.of(without).session.tolist() == [0, 0, 0, 1, 1, 2, 0, 1]
    untimed = shop.with_tables(events=shop.table("events").drop("session_id", "time"))
    assert Log.of(untimed).session.tolist() == [0] * 8


@pytest.mark.parametrize("kinds", [("purchase",), ("view_item", "purchase"), EVENTS])
def test_only_the_asked_kinds_count(kinds: tuple[str, ...]) -> None:
    rows: Rows = [("u1", "s", "i0", kind, None, "real") for kind in EVENTS]
    log = Log.of(shop_of(rows), kinds=kinds)
    assert {EVENTS[e] for e in log.event} == set(kinds)
    assert len(log) == len(kinds)


def test_users_of_unknown_items_alone_have_no_events() -> None:
    rows: Rows = [
        ("u1", "s", "gone", "purchase", None, "real"),
        ("u2", "s", "i3", "purchase", None, "real"),
    ]
    log = Log.of(shop_of(rows))
    assert log.users.ids.to_list() == ["u1", "u2"]
    assert log.lengths().tolist() == [0, 1]
    assert log.matrix().toarray().tolist() == [[0, 0, 0, 0], [0, 0, 0, 1]]
    assert log.select(np.array([0])).lengths().tolist() == [0]


def test_a_log_without_times_is_in_the_order_of_the_file() -> None:
    rows: Rows = [
        ("u1", "s", f"i{n}", "purchase", START - timedelta(days=n), "real") for n in range(4)
    ]
    shop = shop_of(rows)
    assert Log.of(shop).item.tolist() == [3, 2, 1, 0]
    untimed = Log.of(shop.with_tables(events=shop.table("events").drop("time")))
    assert untimed.item.tolist() == [0, 1, 2, 3]
    assert not untimed.timed
    assert untimed.last_time() == NO_TIME


def test_keep_leaves_every_user_with_some_events() -> None:
    log = Log.of(small_shop())
    rows = np.random.default_rng(0).random(len(log)) < 0.5
    kept = log.keep(rows)
    assert kept.users == log.users
    for user in range(len(log.users)):
        span = slice(log.offsets[user], log.offsets[user + 1])
        mine = slice(kept.offsets[user], kept.offsets[user + 1])
        for name in ("item", "time", "event", "session", "weight", "real"):
            assert (
                getattr(kept, name)[mine].tolist() == getattr(log, name)[span][rows[span]].tolist()
            )
