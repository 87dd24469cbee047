"""Splits are disjoint, cover everything, and cut where they say."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wareloom as wl
from wareloom.errors import SchemaError, SettingError
from wareloom.preparing.split_settings import duration
from wareloom.preparing.splits import PARTS, Split, SplitSettings, split
from wareloom.preparing.splits_by import dealt, hashed
from wareloom.preparing.splits_time import cut_times, part_of_time
from wareloom.shop import Log, Shop, buckets

START = datetime(2024, 1, 1)
SHARES = st.sampled_from(
    [(6.0, 2.0, 2.0), (1.0, 1.0, 3.0), (8.0, 0.0, 1.0), (1.0, 0.0, 0.0), (1.0, 9.0, 0.0)]
)


def shop_of(
    rows: list[tuple[int, int, int]], *, timed: bool = True, events: str = "purchase"
) -> Shop:
    """A shop of (user, item, hour) rows with searches, judgments and dialogues; `position` numbers the rows."""
    n = len(rows)
    frame = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user, _, _ in rows],
            "item_id": [f"i{item}" for _, item, _ in rows],
            "event": [
                "view_item_list" if events == "mixed" and item == 0 else "purchase"
                for _, item, _ in rows
            ],
            "time": [START + timedelta(hours=hour) for _, _, hour in rows],
            "position": list(range(n)),
            "search_id": [f"s{k}" if k % 2 else None for k in range(n)],
        },
        schema_overrides={"time": pl.Datetime("us"), "search_id": pl.String},
    )
    searches = frame.select(
        "user_id",
        "time",
        search_id=pl.format("s{}", "position"),
        query=pl.format("Query {}", pl.col("position") % 60),
    )
    drop = [] if timed else ["time"]
    return Shop(
        {
            "items": pl.DataFrame({"item_id": [f"i{k}" for k in range(10)]}),
            "users": pl.DataFrame({"user_id": sorted({f"u{user}" for user, _, _ in rows})}),
            "events": frame.drop(drop),
            "searches": searches.drop(drop),
            "judgments": pl.DataFrame(
                {
                    "query": [f"QUERY  {k % 60}" for k in range(90)],
                    "item_id": ["i1"] * 90,
                    "grade": [k % 4 for k in range(90)],
                }
            ),
            "dialogues": pl.DataFrame(
                {
                    "dialogue_id": [f"d{k // 3}" for k in range(60)],
                    "turn": list(range(60)),
                    "role": ["a"] * 60,
                    "text": ["x"] * 60,
                }
            ),
        },
        {"name": "test"},
    )


def rows_of(count: int = 300, seed: int = 0, span: int = 2000) -> list[tuple[int, int, int]]:
    rng = np.random.default_rng(seed)
    return [
        (int(rng.integers(25)), int(rng.integers(10)), int(rng.integers(span)))
        for _ in range(count)
    ]


def whole_and_disjoint(shop: Shop, made: Split) -> None:
    """Each row of each divided table is in one part; rows keep their order; the catalogue is in every part."""
    for name in ("events", "searches", "judgments", "dialogues"):
        parts = [part.table(name) for part in made]
        columns = shop.columns(name)
        assert (
            pl.concat(parts)
            .sort(columns, nulls_last=True)
            .equals(shop.table(name).sort(columns, nulls_last=True))
        )
        assert made.how["rows"][name] == dict(zip(PARTS, map(len, parts), strict=True))
    for part in made:
        assert part.table("items").equals(shop.table("items"))
        assert part.table("users").equals(shop.table("users"))
        assert part.table("events")["position"].is_sorted()
        assert part.meta == shop.meta


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    by=st.sampled_from(["time", "leave-last-out", "user", "query"]),
    shuffle=st.sampled_from([None, 3]),
    span=st.sampled_from([5, 2000]),
)
def test_parts_are_disjoint_and_cover_everything(
    seed: int, by: str, shuffle: int | None, span: int
) -> None:
    shop = shop_of(rows_of(seed=seed, span=span), events="mixed")
    made = split(shop, SplitSettings(by=by, shuffle_ties=shuffle))  # type: ignore[arg-type]
    whole_and_disjoint(shop, made)


def test_time_parts_have_the_shares_and_follow_each_other() -> None:
    shop = shop_of(rows_of(1000, span=100_000))
    made = split(shop)
    assert [part.rows("events") for part in made] == [600, 200, 200]
    for table in ("events", "searches"):
        last, first = (
            made.train.table(table)["time"].max(),
            made.validation.table(table)["time"].min(),
        )
        assert last < first  # type: ignore[operator]
        assert made.validation.table(table)["time"].max() < made.test.table(table)["time"].min()  # type: ignore[operator]
    assert made.test.table("events")["time"].min() >= datetime.fromisoformat(
        made.how["cuts"]["test"]
    )  # type: ignore[operator]


@settings(max_examples=50, deadline=None)
@given(
    hours=st.lists(st.integers(0, 60), min_size=30, max_size=80),
    parts=st.sampled_from([(6, 2, 2), (8, 1, 1)]),
)
def test_cuts_are_the_nearest_possible(hours: list[int], parts: tuple[float, float, float]) -> None:
    shop = shop_of([(0, 0, hour) for hour in hours])
    # A time is left for each of the other parts.
    cuts = sorted({*hours})[1:-1]
    if not cuts:
        with pytest.raises(SettingError, match=r"leaves .* without events"):
            split(shop, SplitSettings(parts=parts))
        return
    train = split(shop, SplitSettings(parts=parts)).train.rows("events")
    ordered = np.sort(hours)
    possible = [int((ordered < cut).sum()) for cut in cuts]
    target = len(hours) * parts[0] / sum(parts)
    assert abs(train - target) == pytest.approx(min(abs(one - target) for one in possible))


def test_last_span_and_dates() -> None:
    shop = shop_of([(hour % 7, 0, hour) for hour in range(24 * 100)])
    made = split(shop, SplitSettings(last="14d"))
    assert [part.rows("events") for part in made] == [72 * 24, 14 * 24, 14 * 24]
    made = split(shop, SplitSettings(share="span"))
    assert [part.rows("events") for part in made] == [1440, 480, 480]
    made = split(
        shop, SplitSettings(dates=(START + timedelta(days=10), START + timedelta(days=40)))
    )
    assert [part.rows("events") for part in made] == [240, 720, 1440]
    assert split(shop, SplitSettings(parts=(8, 0, 2))).validation.rows("events") == 0
    days = shop_of([(0, 0, 24 * day) for day in range(30)])
    assert split(days, SplitSettings(last="1w")).test.rows("events") == 7


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    shuffle=st.sampled_from([None, 0, 11]),
    timed=st.booleans(),
    span=st.sampled_from([3, 500]),
)
def test_leave_last_out_takes_the_last_of_the_log(
    seed: int, shuffle: int | None, timed: bool, span: int
) -> None:
    rows = rows_of(120, seed=seed, span=span)
    shop = shop_of(rows, timed=timed).with_tables(judgments=None)
    made = split(shop, SplitSettings(by="leave-last-out", shuffle_ties=shuffle))
    log = Log.of(shop, shuffle_ties=shuffle)
    items = log.items.ids.to_list()
    train, validation, test = (part.table("events") for part in made)
    for code, user in enumerate(log.users.ids.to_list()):
        history = [items[item] for item in log.item[log.offsets[code] : log.offsets[code + 1]]]
        held = [frame.filter(user_id=user)["item_id"].to_list() for frame in (validation, test)]
        assert held == ([[], []] if len(history) < 3 else [history[-2:-1], history[-1:]])
        assert sorted(train.filter(user_id=user)["item_id"]) == sorted(
            history[: -2 if len(history) > 2 else None]
        )


def test_other_events_go_with_the_interaction_that_follows() -> None:
    kinds = ["view_item_list", "purchase"] * 4 + ["view_item_list"]
    events = pl.DataFrame(
        {
            "user_id": ["u"] * 9,
            "item_id": ["i1"] * 9,
            "event": kinds,
            "time": [START + timedelta(hours=k) for k in range(9)],
            "position": list(range(9)),
        }
    )
    searches = pl.DataFrame(
        {"search_id": list("abcd"), "user_id": ["u", "u", "u", "stranger"], "query": ["q"] * 4}
    ).with_columns(time=pl.Series([START + timedelta(hours=h) for h in (2.5, 4.5, 6.5, 6.5)]))
    shop = shop_of(rows_of(5)).with_tables(events=events, searches=searches, judgments=None)
    made = split(shop, SplitSettings(by="leave-last-out"))
    assert [part.table("events")["position"].to_list() for part in made] == [
        [0, 1, 2, 3],
        [4, 5],
        [6, 7, 8],
    ]
    assert [part.table("searches")["search_id"].to_list() for part in made] == [
        ["a", "d"],
        ["b"],
        ["c"],
    ]


def test_a_log_in_buckets_splits_as_one_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = shop_of(rows_of(), events="mixed")
    once = split(shop, SplitSettings(by="leave-last-out", shuffle_ties=5))
    monkeypatch.setattr(buckets.bucketed.__wrapped__, "__kwdefaults__", {"size": 40})  # type: ignore[attr-defined]
    again = split(shop, SplitSettings(by="leave-last-out", shuffle_ties=5))
    for one, other in zip(once, again, strict=True):
        assert one.table("events").equals(other.table("events"))


def test_user_and_query_parts_do_not_share_users_and_queries() -> None:
    shop = shop_of([(user, user % 10, user) for user in range(2000)])
    made = split(shop, SplitSettings(by="user"))
    users = [set(part.table("events")["user_id"]) for part in made]
    assert not (users[0] & users[1] | users[0] & users[2] | users[1] & users[2])
    assert [len(part) / 2000 for part in users] == pytest.approx([0.6, 0.2, 0.2], abs=0.04)
    assert set(made.test.table("searches")["user_id"]) == users[2]
    made = split(shop, SplitSettings(by="query"))
    for part in made:
        asked = {q.casefold() for q in part.table("searches")["query"]}
        assert {" ".join(q.casefold().split()) for q in part.table("judgments")["query"]} == asked
    linked = made.test.table("events")["search_id"].to_list()
    assert linked
    assert set(linked) <= set(made.test.table("searches")["search_id"])


def test_hashes_are_the_same_everywhere() -> None:
    ids = pl.Series(["anna", "bert", "張三", "u1", "u2", "u3"])
    assert (
        hashed(ids, (6, 2, 2), (0, "user")).tolist() == hashed(ids, (3, 1, 1), (0, "user")).tolist()
    )
    assert hashed(ids, (6, 2, 2), (0, "user")).tolist() == [0, 0, 0, 0, 2, 0]


@given(st.integers(0, 12), SHARES, st.integers(0, 99))
def test_no_part_is_empty_where_there_are_enough_queries(
    queries: int, parts: tuple[float, float, float], seed: int
) -> None:
    """Those that are moved are as many as parts were empty, and all rows of a query go together."""
    ids = pl.Series("id", [f"q{n}" for n in range(queries)], dtype=pl.String)
    plain = hashed(ids, parts, (seed, "query"))
    found = dealt(ids, np.ones(queries, dtype=bool), parts, (seed, "query"))
    asked = [place for place in range(3) if parts[place] > 0]
    lacking = [place for place in asked if place not in plain]
    assert len({*found.tolist()}) == min(queries, len(asked))
    assert {*found.tolist()} <= {*asked}
    assert int((found != plain).sum()) <= len(lacking)
    order = np.random.default_rng(seed).permutation(queries)
    again = dealt(ids[order], np.ones(queries, dtype=bool), parts, (seed, "query"))
    assert again.tolist() == found[order].tolist()


@given(st.lists(st.integers(0, 8), min_size=1, max_size=12), SHARES)
def test_no_part_is_empty_where_there_are_enough_times(
    hours: list[int], parts: tuple[float, float, float]
) -> None:
    times = [datetime(2020, 1, 1) + timedelta(hours=6 * hour) for hour in hours]
    settings = SplitSettings(parts=parts)
    cuts = cut_times(pl.LazyFrame({"time": times}), settings)
    code = part_of_time(pl.col("time"), cuts)
    found = pl.DataFrame({"time": times}).select(code=code)["code"].to_list()
    asked = [place for place in range(3) if parts[place] > 0]
    if len({*hours}) >= len(asked):
        assert {*asked} <= {*found}
    assert [code for _, code in sorted(zip(hours, found, strict=True))] == sorted(found)


@pytest.mark.parametrize("seed", range(12))
def test_a_query_is_in_one_part_in_searches_and_judgments(seed: int) -> None:
    """Four judged queries, of which a part may have got none by chance, searched for among many others."""
    words = [f"q{n}" for n in range(4)]
    judged = pl.DataFrame({"query": words, "item_id": ["i0"] * 4, "grade": [1.0, 2.0, 3.0, 0.0]})
    every = [*words, *(f"other {n}" for n in range(9))]
    searches = pl.DataFrame(
        {"search_id": [f"s{n}" for n in range(13)], "query": every, "user_id": ["u"] * 13}
    )
    shop = shop_of([(0, 0, 0)]).with_tables(judgments=judged, searches=searches)
    parts = split(shop, SplitSettings(by="query", parts=(1.0, 1.0, 1.0), seed=seed))
    held = [{*part.table("judgments")["query"]} for part in parts]
    assert all(held)
    assert sorted(set.union(*held)) == words
    for own, part in zip(held, parts, strict=True):
        assert {*part.table("searches")["query"]} & {*words} == own


def test_on_disk_equals_in_memory(tmp_path: Path) -> None:
    shop = shop_of(rows_of())
    for by in ("time", "leave-last-out", "user", "query"):
        lazy, saved = (
            split(shop, SplitSettings(by=by)),
            split(shop, SplitSettings(by=by), to=tmp_path / by),
        )
        assert saved.how == lazy.how == Split.open(tmp_path / by).how
        for one, other in zip(lazy, saved, strict=True):
            for name in shop.names:
                assert one.table(name).equals(other.table(name))


def test_errors_name_the_remedy() -> None:
    shop = shop_of(rows_of(), timed=False)
    with pytest.raises(SchemaError, match="leave-last-out"):
        split(shop)
    with pytest.raises(SchemaError, match="events"):
        split(shop.with_tables(events=None))
    with pytest.raises(SettingError, match="without events"):
        split(shop_of([(0, 0, 0)] * 10))
    with pytest.raises(SettingError, match="3 interactions"):
        split(shop_of([(user, 0, 0) for user in range(9)]), SplitSettings(by="leave-last-out"))
    with pytest.raises(SettingError, match="spans"):
        split(shop_of(rows_of(span=48)), SplitSettings(last="14d"))
    with pytest.raises(SettingError, match="'14d' or '36h'"):
        duration("14 days")
    with pytest.raises(SettingError, match="parts"):
        SplitSettings(parts=(0, 1, 1))
    with pytest.raises(SettingError, match="by='user'"):
        SplitSettings(by="user", last="1d")


def test_a_shop_is_split_by_settings_in_text() -> None:
    shop = shop_of([(hour % 7, 0, hour) for hour in range(24 * 100)])
    train, validation, test = wl.split(shop, last="14d")
    assert (train.rows("events"), validation.rows("events"), test.rows("events")) == (
        72 * 24,
        14 * 24,
        14 * 24,
    )
    assert (
        wl.split(shop, by="leave-last-out", shuffle_ties="3").how["settings"]["shuffle_ties"] == 3
    )
    with pytest.raises(SettingError, match="Did you mean 'dates'"):
        wl.split(shop, date="2024-01-01")


def test_validation_of_a_share_of_the_users_leaves_the_others_whole() -> None:
    rows = [(user, item, 10 * user + item) for user in range(200) for item in range(6)]
    shop = shop_of(rows, events="mixed")
    whole = split(shop, SplitSettings(by="leave-last-out"))
    some = split(shop, SplitSettings(by="leave-last-out", validation_users=0.3))
    for name in ("events", "searches"):
        here, there = (set(p.validation.table(name)["user_id"]) for p in (some, whole))
        assert 0.2 < len(here) / len(there) < 0.4
        assert some.test.table(name).equals(whole.test.table(name))
        mine = pl.col("user_id").is_in(sorted(here))
        assert some.validation.table(name).equals(whole.validation.table(name).filter(mine))
        assert some.train.rows(name) + some.validation.rows(name) == (
            whole.train.rows(name) + whole.validation.rows(name)
        )
    again = split(shop, SplitSettings(by="leave-last-out", validation_users=0.3, seed=1))
    assert set(again.validation.table("events")["user_id"]) != set(
        some.validation.table("events")["user_id"]
    )


def test_validation_of_a_share_of_the_users_is_for_leave_last_out_and_never_empty() -> None:
    with pytest.raises(SettingError, match="leave-last-out"):
        SplitSettings(by="time", validation_users=0.3)
    with pytest.raises(SettingError, match="validation_users"):
        SplitSettings(by="leave-last-out", validation_users=0.0)
    shop = shop_of([(user, item, item) for user in range(3) for item in range(3)])
    parts = split(shop, SplitSettings(by="leave-last-out", validation_users=0.001))
    assert parts.validation.table("events")["user_id"].n_unique() == 1
