"""Cleaning: nothing is lost, cleaning twice is cleaning once, and each step rejects what it should and no more."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wareloom as wl
from wareloom.core.settings import configure
from wareloom.errors import SettingError
from wareloom.preparing.cleaning import CleanSettings, clean
from wareloom.preparing.cleaning_text import TextSettings, clean_text
from wareloom.preparing.resolution import LOG_BINS, future_bound, resolution_of, robust_bounds
from wareloom.preparing.returns import taken_back
from wareloom.shop import Shop, buckets

START = datetime(2024, 1, 1, 12, 34, 56)
ITEMS = pl.DataFrame({"item_id": [f"i{k}" for k in range(20)]})


def shop_of(rows: Sequence[tuple[Any, ...]], **more: pl.DataFrame) -> Shop:
    """A shop of events (user, item, event, seconds, value)."""
    events = pl.DataFrame(
        [
            (u, i, e, None if s is None else START + timedelta(seconds=s), v)
            for u, i, e, s, v in rows
        ],
        schema={
            "user_id": pl.String,
            "item_id": pl.String,
            "event": pl.String,
            "time": pl.Datetime("us"),
            "value": pl.Float64,
        },
        orient="row",
    )
    return Shop.trusted({"items": ITEMS, "events": events} | more)


def run_clean(shop: Shop, tmp_path: Path, **changes: Any) -> tuple[Shop, dict[str, Any]]:
    cleaned = clean(shop, CleanSettings(**changes), to=tmp_path / "clean")
    return cleaned, json.loads((tmp_path / "clean" / "clean.json").read_text())


def background(count: int = 200, seed: int = 0) -> list[tuple[Any, ...]]:
    """Ordinary events at odd seconds, prices around 10."""
    rng = np.random.default_rng(seed)
    return [
        (
            f"u{k % 40}",
            f"i{rng.integers(20)}",
            "purchase",
            int(k * 5000 + rng.integers(3000)),
            float(rng.lognormal(2.3, 0.5)),
        )
        for k in range(count)
    ]


messy = st.tuples(
    st.sampled_from(["u1", "u2", "u3", " ", None]),
    st.sampled_from(["i1", "i2", "i3", "nowhere", "", None]),
    st.sampled_from(["view_item", "purchase", "search", "view_item_list"]),
    st.one_of(st.none(), st.integers(0, 12), st.sampled_from([86_400, 10**9, -(2 * 10**9)])),
    st.sampled_from([None, 0.0, 1.0, 2.0, 3.0, -1.0, 1e9, float("inf"), float("nan")]),
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(messy, max_size=40),
    names=st.lists(st.sampled_from(["i1", "i1", "i2", " ", "i3"]), min_size=1, max_size=6),
    changes=st.sampled_from(
        [
            {},
            {"duplicates": "all"},
            {"core_users": 2, "core_items": 2},
            {"outlier_z": 1.0, "activity_z": 1.0},
        ]
    ),
    seed=st.integers(0, 3),
)
def test_rows_are_conserved_and_cleaning_twice_is_cleaning_once(
    rows: list[tuple[Any, ...]], names: list[str], changes: dict[str, Any], seed: int
) -> None:
    items = pl.DataFrame(
        {
            "item_id": names,
            "title": ["<b>A</b>  ｂ"] * len(names),
            "price": [1.0, -1.0, 5.0, 1e9, 2.0, 0.0][: len(names)],
        }
    )
    users = pl.DataFrame({"user_id": ["u1", "u1", "u9"]})
    searches = pl.DataFrame(
        {
            "search_id": ["a", "b", "b", "c"],
            "query": ["x", "<br>", " y", "z"],
            "user_id": ["u1", "u7", "u1", "u2"],
        }
    )
    judgments = pl.DataFrame(
        {
            "query": ["x", "x", "&nbsp;", "z"],
            "item_id": ["i1", "i1", "i1", "nowhere"],
            "grade": [1.0, 1.0, 2.0, 3.0],
        }
    )
    dialogues = pl.DataFrame(
        {
            "dialogue_id": ["d"] * 2,
            "turn": [0, 1],
            "role": ["a"] * 2,
            "text": ["hi", "<p>"],
            "item_id": ["no", "i1"],
        }
    )
    shop = shop_of(
        rows, items=items, users=users, searches=searches, judgments=judgments, dialogues=dialogues
    )
    with tempfile.TemporaryDirectory() as folder:
        once = clean(shop, CleanSettings(**changes), to=Path(folder) / "one")
        facts = json.loads((Path(folder) / "one" / "clean.json").read_text())["tables"]
        for name in shop.names:
            rejected = Path(folder) / "one" / "rejected" / f"{name}.parquet"
            out = pl.read_parquet(rejected) if rejected.exists() else pl.DataFrame({"reason": []})
            added = facts[name].get("added", 0)
            assert shop.rows(name) + added == once.rows(name) + len(out)
            assert facts[name]["rejected"] == dict(out.group_by("reason").len().iter_rows())
            assert facts[name]["after"] == once.rows(name)
            if name in (
                "events",
                "judgments",
            ):  # what is kept and what is rejected are the rows that came in
                columns = [c for c in shop.columns(name) if c != "query"]
                both = (
                    pl.concat([once.table(name).select(columns), out.select(columns)])
                    if len(out)
                    else once.table(name).select(columns)
                )
                assert both.sort(columns).equals(shop.table(name).select(columns).sort(columns))
        twice = clean(once, CleanSettings(**changes), to=Path(folder) / "two")
        assert twice.fingerprint == once.fingerprint
        assert not (Path(folder) / "two" / "rejected").exists()


def test_a_log_in_buckets_is_cleaned_as_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        background()
        + background(50)
        + [("rare", f"i{k}", "purchase", 5000 * k, 9.0) for k in range(3)]
    )
    rows += [("u1", "nowhere", "purchase", 1, 1.0), ("u2", "i1", "view_item", 10, -1.0)]
    changes = CleanSettings(duplicates="all", core_users=4, core_items=5)
    one = clean(shop_of(rows), changes, to=tmp_path / "one")
    monkeypatch.setattr(buckets.bucketed.__wrapped__, "__kwdefaults__", {"size": 30})  # type: ignore[attr-defined]
    many = clean(shop_of(rows), changes, to=tmp_path / "many")
    assert many.table("events").equals(one.table("events"))
    assert (tmp_path / "many" / "clean.json").read_bytes() == (
        tmp_path / "one" / "clean.json"
    ).read_bytes()
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == sorted(
        path.name for path in (tmp_path / "one").iterdir()
    )
    assert 100 < one.rows("events") <= 200


def test_each_wrong_event_has_its_reason(tmp_path: Path) -> None:
    wrong = [
        (None, "i1", "purchase", 7, 10.0),
        ("u1", None, "view_item", 8, None),
        ("u1", "i1", "purchase", -(2 * 10**9), 10.0),
        ("u1", "i1", "purchase", 9, -3.0),
        ("u1", "i99", "purchase", 11, 10.0),
        ("u1", "i1", "purchase", 10**9, 10.0),
        ("u1", "i1", "purchase", 12, 1e9),
    ]
    fine = [
        ("u1", None, "search", 13, None),
        ("u1", "i1", "view_item", None, None),
        ("u1", "i1", "purchase", 50, 0.0),
    ]
    shop = shop_of(background() + wrong + fine)
    cleaned, facts = run_clean(shop, tmp_path)
    assert cleaned.table("events").equals(
        shop.table("events").filter(pl.int_range(pl.len()).is_between(200, 206).not_())
    )
    assert facts["tables"]["events"]["rejected"] == {
        "missing key": 2, "impossible time": 1, "impossible amount": 1, "unknown item": 1,
        "far in the future": 1, "outlier": 1,
    }  # fmt: skip
    assert (
        run_clean(shop, tmp_path, zero_amounts=True)[1]["tables"]["events"]["rejected"][
            "impossible amount"
        ]
        == 2
    )
    assert (
        run_clean(shop, tmp_path, now=START + timedelta(hours=1))[1]["tables"]["events"]["after"]
        < 10
    )
    off = {
        "missing_keys": False,
        "times": False,
        "amounts": False,
        "orphans": False,
        "outlier_z": 0,
        "near_seconds": 0,
        "returns": False,
    }
    assert run_clean(shop, tmp_path, **off)[1]["tables"]["events"]["rejected"] == {}


def test_repeats_are_rejected_where_they_cannot_be_real(tmp_path: Path) -> None:
    clicks = [("u1", "i1", "view_item", s, None) for s in (0, 2, 2, 5, 9, 9)]
    lines = [("u2", "i1", "purchase", s, 5.0) for s in (100, 100, 101, 200)]
    shop = shop_of(background(5) + clicks + lines)
    rejected = run_clean(shop, tmp_path)[1]["tables"]["events"]["rejected"]
    assert rejected == {
        "exact duplicate": 2,
        "near duplicate": 3,
    }  # clicks 0 and 9 stay; the two lines of a basket stay
    kept = run_clean(shop, tmp_path)[0].table("events")
    assert [t.second for t in kept.filter(user_id="u1", event="view_item")["time"]] == [56, 5]
    with_quantity = shop.with_tables(events=shop.table("events").with_columns(quantity=pl.lit(1.0)))
    assert (
        run_clean(with_quantity, tmp_path)[1]["tables"]["events"]["rejected"]["exact duplicate"]
        == 3
    )
    daily = shop.with_tables(
        events=shop.table("events").with_columns(pl.col("time").dt.truncate("1d"))
    )
    cleaned, facts = run_clean(daily, tmp_path)
    assert facts["found"]["resolution"] == "day"
    assert cleaned.rows("events") == daily.rows("events")
    assert (
        run_clean(daily, tmp_path, duplicates="all")[1]["tables"]["events"]["rejected"][
            "exact duplicate"
        ]
        == 8
    )
    assert (
        run_clean(shop, tmp_path, duplicates="none", near_seconds=0)[1]["tables"]["events"][
            "rejected"
        ]
        == {}
    )


def test_robots_go_and_heavy_customers_stay(tmp_path: Path) -> None:
    rows = background(400)
    rows += [("robot", f"i{k % 20}", "view_item", k * 6, None) for k in range(3000)]
    rows += [("fan", f"i{k % 20}", "view_item", k * 4000, None) for k in range(100)]
    shop = shop_of(
        rows,
        searches=pl.DataFrame(
            {"search_id": ["a", "b"], "user_id": ["robot", "fan"], "query": ["x", "y"]}
        ),
    )
    cleaned, facts = run_clean(shop, tmp_path)
    assert facts["tables"]["events"]["rejected"] == {"robot": 3000}
    assert cleaned.table("searches")["user_id"].to_list() == ["fan"]
    assert run_clean(shop, tmp_path, robot_z=0, activity_z=5)[1]["tables"]["events"][
        "rejected"
    ] == {"unusual activity": 3000}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), users=st.integers(2, 5), items=st.integers(2, 5))
def test_core_is_the_largest_with_enough_events(seed: int, users: int, items: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{rng.integers(15)}", f"i{rng.integers(15)}", "purchase", k * 777, 1.0)
        for k in range(60)
    ]
    with tempfile.TemporaryDirectory() as folder:
        cleaned, _ = run_clean(shop_of(rows), Path(folder), core_users=users, core_items=items)
        left = {(r[0], r[1], r[3]) for r in rows}
        while True:
            by_user = {u: sum(1 for r in left if r[0] == u) for u, _, _ in left}
            by_item = {i: sum(1 for r in left if r[1] == i) for _, i, _ in left}
            fewer = {r for r in left if by_user[r[0]] >= users and by_item[r[1]] >= items}
            if fewer == left:
                break
            left = fewer
        times = {START + timedelta(seconds=s) for _, _, s in left}
        assert set(cleaned.table("events")["time"]) == times
        assert cleaned.rows("items") == 20


def test_prices_are_blanked_and_items_stay(tmp_path: Path) -> None:
    price = [*np.linspace(1, 20, 30).tolist(), -1.0, 1e12, None]
    items = pl.DataFrame({"item_id": [f"i{k}" for k in range(33)], "price": price})
    cleaned, facts = run_clean(Shop.trusted({"items": items}), tmp_path)
    assert cleaned.table("items")["price"].to_list() == [*price[:30], None, None, None]
    assert facts["tables"]["items"]["blanked"] == {"impossible amount": 1, "outlier": 1}
    blanked = pl.read_parquet(tmp_path / "clean" / "blanked" / "items.parquet")
    assert blanked.rows() == [("i30", -1.0, "impossible amount"), ("i31", 1e12, "outlier")]


def test_unknown_users_are_added(tmp_path: Path) -> None:
    users = pl.DataFrame({"user_id": ["u1"], "attributes": [[{"name": "age", "value": "30"}]]})
    cleaned, facts = run_clean(
        shop_of([("u1", "i1", "purchase", 1, 1.0), ("u0", "i1", "purchase", 2, 1.0)], users=users),
        tmp_path,
    )
    assert cleaned.table("users").select("user_id", "origin").rows() == [
        ("u1", "real"),
        ("u0", "real"),
    ]
    assert facts["tables"]["users"]["added"] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ｎｉｋｅ　ﬁne™ shoes", "Nike fineTM shoes"),
        ("<p class='x'>Red<br/>shoes</p>", "Red shoes"),
        ("Tom &amp;amp; Jerry &lt;b&gt;new&lt;/b&gt;", "Tom & Jerry new"),
        ("3 < 4 and 5 > 2, <3, black&notebook", "3 < 4 and 5 > 2, <3, black&notebook"),
        ("a<script>alert('<b>')</script><!-- x -->b", "a b"),
        (" tab\tand\u200b\n\nline ", "tab and line"),
        ("&#x41;&#66;&eacute;", "ABé"),
        ("<a href=\"x\" target=_blank>link</a>", "link"),
        (" <br> ", None),
        (None, None),
    ],
)  # fmt: skip
def test_text_is_as_people_read_it(text: str | None, expected: str | None) -> None:
    assert clean_text(pl.Series([text], dtype=pl.String)).to_list() == [expected]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.sampled_from("&;<>/bpamltgq#x 3Ａﬁ\u00a0\u200b='\"!-é"), max_size=30),
        min_size=1,
    )
)
def test_cleaning_text_is_idempotent(texts: list[str]) -> None:
    once = clean_text(pl.Series(texts, dtype=pl.String))
    assert clean_text(once).equals(once)


def test_text_steps_can_be_switched() -> None:
    text = pl.Series(["ﬁ <b>x</b>  y"])
    assert clean_text(text, TextSettings(unicode=False)).to_list() == ["ﬁ x y"]
    assert clean_text(text, TextSettings(html=False)).to_list() == ["fi <b>x</b> y"]
    assert clean_text(text, TextSettings(spaces=False)).to_list() == ["fi  x   y"]


def test_robust_bounds_against_plain_medians() -> None:
    values = np.round(np.random.default_rng(0).normal(0, 1000, 501)).astype(np.int64)
    low, high = robust_bounds(*np.unique(values, return_counts=True), 100.0)
    middle = np.median(values)
    reach = 100 * 1.4826 * np.median(np.abs(values - middle))
    assert (low, high) == pytest.approx((middle - reach, middle + reach))
    assert robust_bounds(np.array([0, 5 * LOG_BINS]), np.array([99, 1]), 3.0) == (-np.inf, np.inf)


def test_resolution_and_future() -> None:
    seconds = np.zeros(86_400, dtype=np.int64)
    assert resolution_of(seconds) == "none"
    seconds[7 * 3600] = 1000
    assert resolution_of(seconds) == "day"
    seconds[8 * 3600] = 1000
    assert resolution_of(seconds) == "hour"
    seconds[8 * 3600 + 60] = 1000
    assert resolution_of(seconds) == "minute"
    seconds[8 * 3600 + 61] = 1000
    assert resolution_of(seconds) == "second"
    days = np.arange(1000)
    assert future_bound(days, np.ones(1000, dtype=np.int64)) > 1500
    assert future_bound(np.array([*days, 5000]), np.ones(1001, dtype=np.int64)) < 5000


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingError, match=r"outlier_z is -1.*; give 0 or more"):
        CleanSettings(outlier_z=-1)


def test_a_shop_is_cleaned_by_settings_in_text(tmp_path: Path) -> None:
    cleaned = wl.clean(
        shop_of(background()), tmp_path / "clean", now="2024-01-02T00:00:00", near_seconds="0"
    )
    assert 0 < cleaned.rows("events") < 200


def test_repeated_judgments_go_and_contradicting_ones_are_counted(tmp_path: Path) -> None:
    judgments = pl.DataFrame(
        {
            "query": ["red mug"] * 4 + ["mug", "mug", "mug"],
            "item_id": ["i1", "i2", "i2", "i2", "i3", "i1", "i1"],
            "grade": [3.0, 1.0, 1.0, 1.0, 0.0, 2.0, 3.0],
        }
    )
    shop = shop_of(background(5), judgments=judgments)
    cleaned, facts = run_clean(shop, tmp_path)
    assert cleaned.rows("judgments") == 5
    assert facts["tables"]["judgments"]["rejected"] == {"exact duplicate": 2}
    assert facts["tables"]["judgments"]["contradicting"] == 1
    assert run_clean(cleaned, tmp_path / "again")[0].rows("judgments") == 5


def test_today_is_asked_once_and_written_down(tmp_path: Path) -> None:
    late = (datetime.now() + timedelta(days=40) - START).total_seconds()
    shop = shop_of([*background(20), ("u1", "i1", "purchase", int(late), 10.0)])
    settings = configure(CleanSettings, {"now": "today"})
    clean(shop, settings, to=tmp_path / "clean")
    facts = json.loads((tmp_path / "clean" / "clean.json").read_text())
    assert facts["tables"]["events"]["rejected"] == {"impossible time": 1}
    day = facts["settings"]["now"]
    clean(shop, configure(CleanSettings, {"now": day}), to=tmp_path / "again")
    for name in ("events.parquet", "clean.json", "rejected/events.parquet"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "clean" / name).read_bytes()
    with pytest.raises(SettingError, match="now='tomorrow'"):
        configure(CleanSettings, {"now": "tomorrow"})


def returned_slowly(rows: list[tuple[int, int, float]]) -> tuple[set[int], dict[int, float]]:
    """Numbers of returns, and what is left of the purchases that they touch, one after the other.

    First a stack for each user, item and size, then a stack of single pieces for each user and item.
    """
    order = sorted(range(len(rows)), key=lambda p: (rows[p][1], rows[p][2] < 0, p))
    stacks: dict[tuple[int, float], list[int]] = {}
    back, left = set(), {}
    for place in order:
        item, _, quantity = rows[place]
        stack = stacks.setdefault((item, abs(quantity)), [])
        if quantity > 0:
            stack.append(place)
        elif stack:
            back.add(place)
            left[stack.pop()] = 0.0
    pieces: dict[int, list[int]] = {}
    for place in (p for p in order if p not in back and p not in left):
        item, _, quantity = rows[place]
        stack = pieces.setdefault(item, [])
        if quantity > 0:
            stack += [place] * int(quantity)
        elif len(stack) >= -quantity:
            back.add(place)
            for _ in range(int(-quantity)):
                bought = stack.pop()
                left[bought] = left.get(bought, rows[bought][2]) - 1
    return back, left


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(0, 9),
            st.sampled_from([1.0, 2.0, 3.0, 5.0, -1.0, -2.0, -4.0]),
        ),
        max_size=30,
    )
)
def test_each_return_takes_back_what_was_bought_before_it(
    rows: list[tuple[int, int, float]],
) -> None:
    frame = pl.DataFrame(
        {
            "row": range(len(rows)),
            "user": [1] * len(rows),
            "item": [r[0] for r in rows],
            "time": [r[1] for r in rows],
            "quantity": [r[2] for r in rows],
        },
        schema={"row": pl.UInt32, "user": pl.UInt64, "item": pl.UInt64, "time": pl.Int64,
                "quantity": pl.Float64},
    )  # fmt: skip
    back, whole, left = taken_back(frame)
    found = dict.fromkeys(whole, 0.0) | dict(left.select("row", "quantity").iter_rows())
    assert (set(back), found) == returned_slowly(rows)


def test_a_return_in_part_leaves_the_rest_of_its_purchase(tmp_path: Path) -> None:
    events = shop_of(background()).table("events").with_columns(quantity=pl.lit(1.0))
    bought = (
        shop_of(
            [
                ("u1", "i1", "purchase", 10_000, 30.0),
                ("u1", "i1", "purchase", 90_000, -10.0),
                ("u2", "i1", "purchase", 10_000, 12.0),
                ("u2", "i1", "purchase", 90_000, None),
                ("u1", "i2", "purchase", 10_000, 12.5),
                ("u1", "i2", "purchase", 90_000, -25.0),
            ]
        )
        .table("events")
        .with_columns(quantity=pl.Series([3.0, -1.0, 4.0, -3.0, 1.0, -2.0]))
    )
    shop = Shop.trusted({"items": ITEMS, "events": pl.concat([events, bought])})
    cleaned, facts = run_clean(shop, tmp_path)
    assert facts["tables"]["events"]["rejected"] == {"return": 2, "impossible amount": 1}
    assert facts["tables"]["events"]["reduced"] == 2
    assert cleaned.table("events").tail(3).select("quantity", "value").rows() == [
        (2.0, 20.0), (1.0, 3.0), (1.0, 12.5),
    ]  # fmt: skip
    again, facts = run_clean(cleaned, tmp_path / "again")
    assert again.table("events").equals(cleaned.table("events"))
    assert "reduced" not in facts["tables"]["events"]


def test_a_return_goes_with_its_purchase(tmp_path: Path) -> None:
    rows = [
        ("u1", "i1", "purchase", 10_000, 12.5),
        ("u1", "i1", "purchase", 90_000, -12.5),
        ("u1", "i2", "purchase", 90_000, -7.5),
        ("u2", "i1", "purchase", 10_000, 12.5),
    ]
    shop = shop_of(background() + rows)
    cleaned, facts = run_clean(shop, tmp_path)
    assert facts["tables"]["events"]["rejected"] == {
        "return": 1,
        "returned": 1,
        "impossible amount": 1,
    }
    left = cleaned.table("events").filter(pl.col("value").is_in([12.5, -12.5, -7.5]))
    assert left["user_id"].to_list() == ["u2"]
    off = run_clean(shop, tmp_path, returns=False)[1]["tables"]["events"]["rejected"]
    assert off == {"impossible amount": 2}
