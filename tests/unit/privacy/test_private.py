"""What a private generator may ask: each number bounded, paid for, and shut afterwards."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from private_shops import PUBLIC, START, crowd, events, private, shop_of

from wareloom.errors import BudgetError, NotFittedError, RefusedError, SchemaError, SettingError
from wareloom.privacy import bounds, gaussian, mechanisms
from wareloom.privacy.ledger import Ledger
from wareloom.privacy.noise import Seeded
from wareloom.privacy.private import Private, Release
from wareloom.privacy.public import Public
from wareloom.privacy.rows import Answer, Rows


def hours(rows: Rows) -> Answer:
    return rows.all, (rows.log.time // 3_600_000_000) % 24


def items(rows: Rows) -> Answer:
    return rows.all, rows.log.item


def test_a_histogram_is_the_counts_and_noise_of_the_width_that_was_told(tmp_path: Path) -> None:
    shop = shop_of(crowd())
    truth = np.bincount([int(name[1:]) for name in shop.table("events")["item_id"]], minlength=20)
    asked = private(shop, tmp_path)
    asked.bounded(10)
    order = [int(name[1:]) for name in asked.items["item_id"]]
    off = np.concatenate(
        [asked.histogram(f"items {n}", items, 20, 0.02) - truth[order] for n in range(40)]
    )
    sigma = asked.sigma(0.02, 10)
    assert abs(off.mean()) < 4 * sigma / np.sqrt(len(off))
    assert off.std() == pytest.approx(sigma, rel=0.1)


def test_shares_of_a_release_add_up_to_its_epsilon_and_no_further(tmp_path: Path) -> None:
    asked = private(shop_of(crowd()), tmp_path, users=None)
    asked.size(0.1)
    asked.bound(0.2)
    asked.histogram("hours", hours, 24, 0.4)
    asked.keys(
        "items", lambda rows: (rows.all, rows.log.items.ids.gather(rows.log.item)), 0.3, per_user=3
    )
    assert asked.spent.epsilon == pytest.approx(3.0, rel=0.01)
    assert asked.spent.epsilon <= 3.0
    with pytest.raises(BudgetError, match="shares of a release add up to 1"):
        asked.histogram("more", hours, 24, 0.05)


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
def test_both_kinds_of_noise_spend_their_budget_to_the_end(tmp_path: Path, kind: Any) -> None:
    asked = private(shop_of(crowd()), tmp_path, kind=kind, disclosure=0.0)
    asked.bounded(5)
    for number in range(10):
        asked.histogram(f"hours {number}", hours, 24, 0.1)
    assert 2.9 < asked.spent.epsilon <= 3.0 * (1 + 1e-9)
    assert asked.spent.way == {"rounded": "mu", "discrete": "renyi"}[kind]


def test_a_mechanism_that_cannot_be_paid_does_not_run(tmp_path: Path) -> None:
    shop = shop_of(crowd())
    ledger = Ledger.open(tmp_path, shop.fingerprint)
    ledger.allow(0.5, 1e-6)
    asked = Private(shop, ledger, Release(3.0, 1e-6), public=PUBLIC, users=200)
    asked.bounded(5)
    with pytest.raises(BudgetError, match=r"budget of this shop is ε 0\.5"):
        asked.histogram("hours", hours, 24, 1.0)
    assert ledger.entries() == []


def test_it_is_paid_before_it_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = private(shop_of(crowd()), tmp_path)
    asked.bounded(5)

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed while drawing")

    monkeypatch.setattr(mechanisms, "whole_numbers", broken)
    with pytest.raises(RuntimeError, match="killed"):
        asked.histogram("hours", hours, 24, 0.5)
    assert [entry.purpose for entry in asked._ledger.entries()] == ["hours"]


def test_noise_that_is_too_wide_is_refused_before_it_is_paid(tmp_path: Path) -> None:
    asked = private(shop_of(crowd()), tmp_path)
    asked.bounded(200)
    with pytest.raises(SettingError, match=r"standard deviation is .*; give a larger share"):
        asked.histogram("hours", hours, 24, 1e-9)
    assert asked._ledger.entries() == []


def test_rows_are_shut_when_the_question_is_answered(tmp_path: Path) -> None:
    asked = private(shop_of(crowd()), tmp_path)
    asked.bounded(5)
    kept: list[Rows] = []

    def greedy(rows: Rows) -> Answer:
        kept.append(rows)
        return hours(rows)

    asked.histogram("hours", greedy, 24, 0.5)
    with pytest.raises(RefusedError, match="rows of real users are shut"):
        kept[0].log
    with pytest.raises(RefusedError, match="rows of real users are shut"):
        kept[0].table("events")
    with pytest.raises(RefusedError, match="not saved"):
        pickle.dumps(kept[0])


def test_nothing_is_answered_before_there_is_a_bound_or_a_size(tmp_path: Path) -> None:
    asked = private(shop_of(crowd()), tmp_path, users=None)
    with pytest.raises(NotFittedError, match=r"bound\(share=0.02, most=100\)"):
        asked.histogram("hours", hours, 24, 0.5)
    with pytest.raises(NotFittedError, match="number of users is not public"):
        asked.users
    with pytest.raises(NotFittedError, match="number of users is not public"):
        asked.stamp()
    assert asked._ledger.entries() == []


def test_the_ledger_of_another_shop_is_refused(tmp_path: Path) -> None:
    first, second = shop_of(crowd(seed=1)), shop_of(crowd(seed=2))
    ledger = Ledger.open(tmp_path, first.fingerprint)
    ledger.allow(3, 1e-6)
    with pytest.raises(RefusedError, match="is of another shop"):
        Private(second, ledger, Release(1.0, 1e-6))


def test_delta_is_held_against_the_number_of_users(tmp_path: Path) -> None:
    shop = shop_of(crowd())
    with pytest.raises(RefusedError, match=r"1 / \(10 · 200 users\) = 0.0005.*--delta 5.0e-04"):
        private(shop, tmp_path / "a", delta=1e-3)
    private(shop, tmp_path / "b", delta=4e-4)
    paid = private(shop, tmp_path / "c", delta=4.9e-4, users=None)
    with pytest.raises(RefusedError, match="more than 1 / "):
        # 200 of 200 users fit, but noise may have taken some away.
        paid.size(0.01)


@pytest.mark.parametrize(("epsilon", "delta"), [(0, 1e-6), (-1, 1e-6), (1, 0), (1, 2), (1, -1e-6)])
def test_releases_that_cannot_be_are_refused(epsilon: float, delta: float) -> None:
    with pytest.raises(SettingError):
        Release(epsilon, delta)


def test_what_leaves_says_what_it_cost_and_nothing_else_of_the_shop(tmp_path: Path) -> None:
    shop = shop_of(crowd())
    asked = private(shop, tmp_path, seed=None)
    asked.bounded(5)
    asked.histogram("hours", hours, 24, 0.5)
    stamp = asked.stamp()
    text = json.dumps(stamp)
    assert shop.fingerprint not in text
    assert str(shop.rows("events")) not in text
    assert stamp["private"] is True
    assert stamp["unit"].startswith("user")
    assert stamp["mechanisms"][0]["purpose"] == "hours"
    assert private(shop, tmp_path, seed=3).stamp()["noise"].startswith("not private")


def test_a_worst_fit_is_chosen_where_the_gap_is_wide(tmp_path: Path) -> None:
    asked = private(shop_of(crowd()), tmp_path)
    asked.bounded(10)
    right = np.bincount(
        [int(i[1:]) for i in shop_of(crowd()).table("events")["item_id"]], minlength=20
    )
    order = [int(name[1:]) for name in asked.items["item_id"]]
    flat = np.full(20, right.sum() / 20)
    chosen = [
        asked.worst(f"{n}", [(items, right[order].astype(float)), (items, flat)], 0.02)
        for n in range(20)
    ]
    assert chosen.count(1) >= 18
    assert asked._ledger.entries()[-1].costs[0].kind == "choice"


def test_a_quantile_is_near_and_is_one_of_the_grid(tmp_path: Path) -> None:
    asked = private(shop_of(crowd(1000)), tmp_path, users=1000)
    asked.bounded(10)
    day = lambda rows: (rows.all, (rows.log.time // 86_400_000_000) - 19723)  # noqa: E731
    found = asked.quantile("days", day, range(0, 400, 2), 0.5, 0.3)
    assert found in range(0, 400, 2)
    assert abs(found - 14) <= 4


# Bounds


def test_a_user_has_so_many_rows_in_all_tables_together() -> None:
    rows = crowd(30) + events("big", list(range(10)) * 30)
    searches = [("big", "big/s", "shoes", START)] * 200 + [("u1", "u1/s", "hat", START)]
    owned = bounds.owned(shop_of(rows, searches))
    kept = bounds.bounded(owned, 7, Seeded(0))
    counted = bounds.rows_of_users(kept)
    assert counted["rows"].max() == 7
    assert counted.filter(pl.col("user_id") == "big")["rows"].item() == 7
    # Who has fewer keeps all.
    few = bounds.rows_of_users(owned).filter(pl.col("rows") <= 7)
    assert few.join(counted, on=["user_id", "rows"], how="anti").height == 0
    # Bounded a table at a time, the naive way, the same user keeps twice as many.
    naive = sum(
        frame.group_by("user_id").head(7).filter(pl.col("user_id") == "big").height
        for frame in (owned.table("events"), owned.table("searches"))
    )
    assert naive == 14


def test_what_is_kept_is_a_run_in_order_of_time() -> None:
    owned = bounds.owned(shop_of(events("a", list(range(20)))))
    starts = set()
    for seed in range(30):
        kept = bounds.bounded(owned, 6, Seeded(seed)).table("events").sort("time")
        numbers = [int(name[1:]) for name in kept["item_id"]]
        assert numbers == list(range(numbers[0], numbers[0] + 6))
        starts.add(numbers[0])
    assert len(starts) > 5


def test_rows_without_a_user_id_are_the_users_of_their_session() -> None:
    rows = crowd(5) + events("a", [1, 2], session="shared")
    rows += [(None, "shared", "i3", "view_item", START), (None, "alone", "i4", "view_item", START)]
    owned = bounds.owned(shop_of(rows)).table("events")
    who = dict(
        owned.filter(pl.col("event") == "view_item").select("item_id", "user_id").iter_rows()
    )
    assert who == {"i3": "a", "i4": "session/alone"}
    # By the key of logs, the naive way, the row would stay when the user leaves.
    from wareloom.shop.buckets import user_key

    frame = shop_of(rows).table("events")
    assert "shared" in frame.select(user_key(frame))[:, 0].to_list()


def test_whose_a_row_is_does_not_change_when_another_user_leaves() -> None:
    rows = events("a", [1], session="s") + events("b", [2], session="s")
    rows += [(None, "s", "i3", "view_item", START)]
    whole = bounds.owned(shop_of(rows)).table("events").sort("item_id")
    for leaver in ("a", "b"):
        rest = whole.filter(pl.col("user_id") != leaver)
        alone = shop_of(rest.select("user_id", "session_id", "item_id", "event", "time").rows())
        again = bounds.owned(alone).table("events").sort("item_id")
        assert again["user_id"].to_list() == rest["user_id"].to_list()


def test_tables_of_nobody_are_not_looked_at(tmp_path: Path) -> None:
    shop = shop_of(crowd()).with_tables(
        judgments=pl.DataFrame({"query": ["shoes of Ann"], "item_id": ["i1"], "grade": [3.0]})
    )
    asked = private(shop, tmp_path)
    asked.bounded(5)
    with pytest.raises(RefusedError, match="No table 'judgments' whose rows are users'"):
        asked.histogram("words", lambda rows: (rows.table("judgments"), rows.all), 3, 0.1)


# Public


def test_nothing_is_public_by_default(tmp_path: Path) -> None:
    asked = private(shop_of(crowd()), tmp_path, public=Public())
    with pytest.raises(RefusedError, match="Which items there are is not public"):
        asked.items


@pytest.mark.parametrize(
    "name",
    [
        "items.attributes.popularity",
        "items.attributes.salesRank",
        "items.attributes.rating_count",
        "items.attributes.last_sold",
        "items.attributes.num-reviews",
        "items.attributes.averageRating",
        "items.attributes.stock",
        "items.attributes.销量",
        "items.attributes.月热度",
        "items.attributes.bestseller",
        "items.attributes.viewCount30d",
        "events.time",
        "users.attributes",
        "searches.query",
        "items.attributes",
    ],
)
def test_behaviour_is_not_public_whatever_table_it_stands_in(name: str) -> None:
    with pytest.raises(RefusedError):
        Public.of(["items.title", name])


@pytest.mark.parametrize(
    "name",
    [
        "items.title",
        "items.price",
        "items.attributes.color",
        "items.attributes.country",
        "items.attributes.borderStyle",
        "items.attributes.operating_system",
        "items.attributes.discount",
        "items.attributes.sale_price",
        "items.attributes.hotelgrade",
        "items.attributes.材质",
        "items.attributes.sleeve_length",
    ],
)
def test_what_anybody_sees_is(name: str) -> None:
    assert Public.of(f" {name}, items.brand,").columns == (name, "items.brand")


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("title", SettingError, "write TABLE.COLUMN"),
        ("item.title", SchemaError, "Did you mean 'items'"),
        ("items.titel", SchemaError, "Did you mean 'title'"),
        ("items.title.word", SchemaError, "has no parts"),
    ],
)
def test_names_that_are_none_are_told(name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Public.of(name)


def test_the_public_catalogue_has_the_named_columns_in_an_order_of_its_own() -> None:
    shop = shop_of(crowd())
    items_ = shop.table("items")
    shuffled = items_.sample(fraction=1, shuffle=True, seed=1)
    attributes = [[{"name": "color", "value": "red"}, {"name": "views", "value": "9000"}]] * 20
    shop = shop.with_tables(items=shuffled.with_columns(attributes=pl.Series(attributes)))
    found = Public.of("items.title,items.attributes.color").items(shop)
    assert found.columns == ["item_id", "title", "attributes"]
    assert found["item_id"].to_list() == sorted(items_["item_id"].to_list())
    assert found["attributes"].to_list() == [[{"name": "color", "value": "red"}]] * 20


def test_items_that_somebodys_event_made_are_not_public(tmp_path: Path) -> None:
    shop = shop_of(crowd())
    made = pl.DataFrame({"item_id": ["only-ann-had-it"]})
    shop = shop.with_tables(items=pl.concat([shop.table("items"), made], how="diagonal"))
    assert "only-ann-had-it" not in PUBLIC.items(shop)["item_id"].to_list()
    # A table that reading made of the log is refused whole.
    kept = shop_of(crowd()).save(tmp_path / "shop")
    (tmp_path / "shop" / "read.json").write_text(json.dumps({"derived": {"items": 20}}))
    with pytest.raises(RefusedError, match="made of the log"):
        PUBLIC.items(kept)


def test_the_price_of_a_choice_is_its_share(tmp_path: Path) -> None:
    asked = private(shop_of(crowd()), tmp_path, users=None)
    asked.bound(0.25)
    cost = asked._ledger.entries()[0].costs[0]
    assert cost.mu() == pytest.approx(asked.release.mu / 2, rel=1e-9)
    assert gaussian.mu_of_range(cost.epsilon) == pytest.approx(cost.mu(), rel=1e-9)
