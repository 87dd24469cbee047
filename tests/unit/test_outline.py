"""Outlines of real users filled with other items: what stays as it was, what changes, and how items are drawn."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse

import wareloom as wl
from conftest import small_shop
from outline_page import tables
from wareloom.core.family import SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.shop import Log, Shop
from wareloom.shop.log import NO_TIME
from wareloom.synthesis import Given
from wareloom.synthesis.behaviour._candidates import _followers, _steps, entry
from wareloom.synthesis.behaviour._outline import popularity_buckets
from wareloom.synthesis.behaviour._walk import _stream
from wareloom.synthesis.behaviour.markov import Markov

WEEK = 7 * 86_400_000_000


def fitted(shop: Shop, **settings: object) -> Markov:
    made: Markov = SYNTHESIZERS.make("markov", structure="outline", **settings).fit(shop)
    return made


def lively(users: int = 300, seed: int = 0) -> Shop:
    """Sessions of views, carts and purchases in forty leaf categories below four, over half a year, in the evening."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(users):
        clock = int(rng.integers(0, 150)) * 86_400 + int(rng.integers(18 * 3600, 22 * 3600))
        for session in range(int(rng.integers(1, 4))):
            start = int(rng.integers(40)) * 10
            for _ in range(int(rng.integers(1, 6))):
                item = (
                    start + int(rng.integers(10)) if rng.random() < 0.7 else int(rng.integers(400))
                )
                rows.append((f"u{user}", f"{user}-{session}", f"i{item}", "view_item", clock))
                clock += int(rng.integers(10, 200))
                if rng.random() < 0.3:
                    rows.append((f"u{user}", f"{user}-{session}", f"i{item}", "add_to_cart", clock))
                    rows.append(
                        (f"u{user}", f"{user}-{session}", f"i{item}", "purchase", clock + 5)
                    )
                    clock += 30
            clock += int(rng.integers(1, 9)) * 86_400
    frame = pl.DataFrame(
        rows, schema=["user_id", "session_id", "item_id", "event", "time"], orient="row"
    )
    frame = frame.with_columns(time=pl.from_epoch("time").cast(pl.Datetime("us")))
    category = [[f"aisle {i // 100}", f"shelf {i // 10}"] for i in range(400)]
    return Shop(
        {
            "items": pl.DataFrame({"item_id": [f"i{i}" for i in range(400)], "category": category}),
            "events": frame,
        }
    )


def patterns(log: Log, aisle: np.ndarray, shelf: np.ndarray) -> list[tuple[object, ...]]:
    """What each user is like but for its items, sorted: kinds, sessions, repeats, categories alike, levels above."""
    found = []
    for u in range(len(log.users)):
        rows = slice(log.offsets[u], log.offsets[u + 1])
        item = log.item[rows].tolist()
        of = shelf[item].tolist()
        session = np.diff(log.session[rows], prepend=log.session[rows][0]) != 0
        alike = tuple(item.index(i) for i in item), tuple(of.index(s) for s in of)
        found.append(
            (
                tuple(log.event[rows].tolist()),
                tuple(session.tolist()),
                *alike,
                tuple(aisle[item].tolist()),
            )
        )
    return sorted(found)


def test_as_many_shoppers_as_users_are_like_them_in_all_but_their_items() -> None:
    shop = lively()
    fake = fitted(shop).sample(300, Run(seed=3))
    shelf = np.arange(400) // 10
    real, made = Log.of(shop), Log.of(fake)
    told, expected = patterns(made, shelf // 10, shelf), patterns(real, shelf // 10, shelf)
    # A category that has been bought out makes room for another; that is rare.
    assert sum(a == b for a, b in zip(told, expected, strict=True)) > 0.97 * 300
    own = {
        tuple(real.item[real.offsets[u] : real.offsets[u + 1]])
        for u in range(300)
        if real.lengths()[u] > 2
    }
    copies = sum(tuple(made.item[made.offsets[u] : made.offsets[u + 1]]) in own for u in range(300))
    assert copies <= 3


def test_items_follow_one_another_as_real_ones_do() -> None:
    real = small_shop(users=400)
    log = Log.of(fitted(real).sample(2000, Run(seed=1)))
    inner = np.flatnonzero(log.user[1:] == log.user[:-1])
    rate = np.mean((log.item[inner] + 1) % 30 == log.item[inner + 1])
    assert 0.55 < rate < 0.85  # 81 % of real steps
    counts = [np.bincount(x.item, minlength=30) / len(x) for x in (log, Log.of(real))]
    assert np.abs(counts[0] - counts[1]).sum() / 2 < 0.09


def test_the_discount_is_taken_off_each_count_for_what_was_not_seen() -> None:
    counts = sparse.csr_matrix(
        np.array([[0, 1, 1, 2, 4], [0, 0, 0, 0, 1], [0] * 5, [0] * 5, [0] * 5], np.float32)
    )
    steps = _steps(counts, np.arange(5), np.zeros(5, np.int64))
    assert steps.discount[0] == pytest.approx(3 / (3 + 2))
    state, drawn = _stream(np.uint64(7), 0), np.zeros(5)
    for _ in range(40_000):
        _, follower, unseen = entry(steps, 0, 8, state)
        drawn[0 if unseen else follower] += 1
    expected = np.array([4 * 0.6, 0.4, 0.4, 1.4, 3.4]) / 8
    assert np.abs(drawn / drawn.sum() - expected).max() < 0.01


def chains(users: int = 400) -> Shop:
    """One category, five purchases a user; some steps are those of many users, most are nobody else's."""
    rng, rows = np.random.default_rng(4), []
    for user in range(users):
        item = int(rng.integers(500))
        for _ in range(5):
            rows.append((f"u{user}", f"i{item}"))
            known = item % 5 == 0 and rng.random() < 0.8
            item = (item + 7 * int(rng.integers(1, 3))) % 500 if known else int(rng.integers(500))
    return bought(rows, pl.DataFrame({"item_id": [f"i{i}" for i in range(500)]}))


def known_share(train: Shop, made: Shop, *, least: int = 1, leave_out: bool = False) -> float:
    """Share of steps that so many users of `train` took, with `leave_out` others than the one who takes it."""

    def steps(log: Log) -> list[tuple[int, str, str]]:
        names = log.items.ids
        inner = np.flatnonzero(log.user[1:] == log.user[:-1])
        return [
            (int(log.user[i]), names[int(log.item[i])], names[int(log.item[i + 1])]) for i in inner
        ]

    known: dict[tuple[str, str], set[int]] = {}
    for user, one, two in steps(Log.of(train)):
        known.setdefault((one, two), set()).add(user)
    taken = steps(Log.of(made))
    number = [len(known.get(t[1:], set()) - ({t[0]} if leave_out else set())) for t in taken]
    return float(np.mean([n >= least for n in number]))


def test_steps_are_as_well_known_as_real_users_are_to_others() -> None:
    shop = chains()
    made, blind = (fitted(shop, look_ahead=n).sample(1000, Run(seed=2)) for n in (15, 1))
    for least, least_share in ((1, 0.1), (2, 0.04)):
        real = known_share(shop, shop, least=least, leave_out=True)
        assert real > least_share
        assert abs(known_share(shop, made, least=least) - real) < 0.012
    assert known_share(shop, blind, least=2) < 0.5 * known_share(shop, made, least=2)


def test_what_only_the_user_did_is_not_known() -> None:
    rows = [
        (user, item)
        for user, items in (("u1", "abcab"), ("u2", "abc"), ("u3", "dbd"))
        for item in items
    ]
    model = fitted(bought(rows, pl.DataFrame({"item_id": list("abcd")})))
    # u1 and u2 each know of the other that b follows a, and c b; nobody else went from d to b; no mark on had items.
    assert model._outline().predecessors.tolist() == [0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0]


def test_events_of_one_time_follow_one_another_in_any_order() -> None:
    day = [datetime(2024, 3, 1), datetime(2024, 3, 1), datetime(2024, 3, 1), datetime(2024, 3, 2)]
    frame = pl.DataFrame(
        {"user_id": ["u"] * 4, "item_id": list("abcd"), "time": day, "event": ["purchase"] * 4}
    )
    counts = _followers(
        Log.of(Shop({"items": pl.DataFrame({"item_id": list("abcd")}), "events": frame}))
    )
    expected = np.array([[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 0, 0]])
    assert np.array_equal(counts.toarray(), expected)


def test_own_steps_are_counted_as_everybodys_are() -> None:
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {"user_id": ["u"] * 60, "item_id": [f"i{i}" for i in rng.integers(12, size=60)]}
    )
    frame = frame.with_columns(
        event=pl.lit("purchase"), time=pl.Series([datetime(2024, 3, 1 + i // 5) for i in range(60)])
    )
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(12)]})
    alone = fitted(Shop({"items": items, "events": frame}))
    assert not alone._outline().predecessors.any()
    two = pl.concat([frame, frame.with_columns(user_id=pl.lit("v"))])
    assert fitted(Shop({"items": items, "events": two}))._outline().predecessors.any()


def test_what_is_stretched_within_a_day_leaves_other_days_their_hours() -> None:
    rows = [
        (
            f"u{user}",
            f"i{(user + 3 * day + late) % 30}",
            datetime(2024, 1 + user % 3, 3 + day, 19 + 3 * late),
        )
        for user in range(90)
        for day in (0, 2, 4, 9)
        for late in (0, 1)
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row").with_columns(
        event=pl.lit("view_item")
    )
    items = pl.DataFrame({"item_id": [f"i{i}" for i in range(30)]})
    made = (
        fitted(Shop({"items": items, "events": frame}), jitter=0.3)
        .sample(300, Run(seed=1))
        .table("events")
    )
    hours = (
        made.sort("user_id", "time")
        .group_by("user_id", maintain_order=True)
        .agg(pl.col("time").dt.hour())
    )
    found = np.array(hours["time"].to_list())
    assert found.shape == (300, 8)
    assert (found[:, 1::2] == 22).all()
    assert 0.2 < (found[:, ::2] != 19).mean() < 0.9


def test_popularity_buckets_are_powers_of_two() -> None:
    assert popularity_buckets(np.array([0, 1, 2, 3, 4, 7, 8, 10**9])).tolist() == [
        0,
        1,
        2,
        2,
        3,
        3,
        4,
        19,
    ]


def test_users_are_moved_by_whole_weeks_and_hours_stay() -> None:
    shop = lively()
    real, made = Log.of(shop), Log.of(fitted(shop, jitter=0.0).sample(300, Run(seed=5)))
    last = [log.time[log.offsets[1:] - 1] for log in (real, made)]
    assert sorted(last[0] % WEEK) == sorted(last[1] % WEEK)
    assert (np.sort(last[0]) != np.sort(last[1])).any()
    gaps = [np.sort(np.diff(log.time)[log.user[1:] == log.user[:-1]]) for log in (real, made)]
    assert (gaps[0] == gaps[1]).all()
    stretched = Log.of(fitted(shop, jitter=0.3).sample(300, Run(seed=5)))
    hour = stretched.time % (24 * 3_600_000_000) / 3_600_000_000
    assert np.mean((hour >= 17.5) & (hour <= 23)) > 0.97
    assert stretched.time.min() >= real.time.min()
    assert stretched.time.max() <= real.time.max()
    inner = stretched.user[1:] == stretched.user[:-1]
    assert (np.diff(stretched.time)[inner] >= 0).all()


def test_shoppers_may_begin_with_given_items_and_lengths_are_kept() -> None:
    model = fitted(lively())
    log = Log.of(model.sample(50, Run(seed=1), Given(start_items=("i7",))))
    assert (log.items.decode(log.item[log.offsets[:-1]]) == "i7").all()
    assert (Log.of(model.sample(50, Run(seed=1), Given(length=4))).lengths() == 4).all()


def test_shoppers_are_like_those_of_a_segment() -> None:
    shop, model = lively(), fitted(lively())
    events = shop.table("events")
    buyers = events.filter(pl.col("event") == "purchase")["user_id"].unique()
    lookers = shop.with_tables(events=events.filter(~pl.col("user_id").is_in(buyers.implode())))
    fake = model.sample(100, Run(seed=1), Given(like=lookers)).table("events")
    assert set(fake["event"]) == {"view_item"}
    assert "purchase" in set(model.sample(100, Run(seed=1)).table("events")["event"])
    summer = pl.col("time").dt.month() == 4
    season = shop.with_tables(events=events.filter(summer))
    assert (
        model.sample(60, Run(seed=1), Given(like=season)).table("events")["time"].dt.month() == 4
    ).mean() > 0.8


def test_a_segment_must_be_of_the_shop() -> None:
    strange = lively(users=3)
    strange = strange.with_tables(
        items=pl.DataFrame({"item_id": ["x"]}),
        events=strange.table("events").with_columns(item_id=pl.lit("x")),
    )
    with pytest.raises(InputError, match="'x', which the fitted shop does not know"):
        fitted(lively()).sample(5, given=Given(like=strange))
    with pytest.raises(InputError, match="no histories or length beside it"):
        fitted(lively()).sample(5, given=Given(like=lively(), length=3))
    with pytest.raises(InputError, match="needs structure='outline'"):
        SYNTHESIZERS.make("markov", structure="chain").fit(lively()).sample(
            5, given=Given(like=lively())
        )


def test_histories_are_continued() -> None:
    shop = lively()
    more = fitted(shop).sample(20, Run(seed=1), Given(histories=shop))
    assert set(more.table("events")["user_id"]) <= set(shop.table("events")["user_id"])


def test_the_same_whatever_the_cores_and_restored(tmp_path: Path) -> None:
    model = fitted(lively())
    one = model.sample(100, Run(seed=2, threads=1)).table("events")
    assert one.equals(model.sample(100, Run(seed=2, threads=2)).table("events"))
    model.save(tmp_path / "model")
    again = SYNTHESIZERS.restore(tmp_path / "model")
    assert again.sample(100, Run(seed=2)).table("events").equals(one)


@pytest.mark.parametrize("drop", ["category", "time"])
def test_a_shop_may_lack_categories_or_time(drop: str) -> None:
    shop = lively()
    table = "items" if drop == "category" else "events"
    shop = shop.with_tables(**{table: shop.table(table).drop(drop)})
    fake = fitted(shop).sample(80, Run(seed=1))
    assert Log.of(fake).lengths().min() >= 1
    assert fake.has("events", "time") == (drop != "time")


def bought(rows: list[tuple[str, str]], items: pl.DataFrame) -> Shop:
    """A shop of purchases without times."""
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").with_columns(
        event=pl.lit("purchase")
    )
    return Shop({"items": items, "events": events})


def test_long_baskets_stay_as_popular_as_they_were() -> None:
    """A household that buys all of a shelf's favourites is not given what nobody buys instead."""
    rng, rows = np.random.default_rng(5), []
    for user in range(60):
        rare = 80 + 5 * user + np.arange(5)
        rows += [
            (f"u{user}", f"i{item}")
            for item in (*range(40), *rng.choice(40, 20, replace=False) + 40, *rare)
        ]
    items = pl.DataFrame(
        {"item_id": [f"i{i}" for i in range(1000)], "category": [["aisle", "shelf"]] * 1000}
    )
    made = Log.of(fitted(bought(rows, items)).sample(60, Run(seed=2)))
    rare = np.array([int(name[1:]) >= 80 for name in made.items.ids])[made.item]
    assert rare.sum() == 60 * 5


def test_a_new_category_has_what_will_be_bought_there() -> None:
    """Where a user buys what is rare and what is popular in one category, it must be one that stocks both."""
    rng, rows = np.random.default_rng(6), []
    for user in range(200):
        shelf = int(rng.integers(4))
        rows += [(f"u{user}", f"rare {shelf} {user}"), (f"u{user}", f"hit {shelf}")]
    rows += [(f"u{user}", f"rare {4 + user % 40} {user}") for user in range(200, 400)]
    rows += [(f"v{user}", f"nail 100 {user % 30}") for user in range(200)]
    items = pl.DataFrame({"item_id": sorted({item for _, item in rows})})
    aisle = (
        pl.when(pl.col("item_id").str.starts_with("nail"))
        .then(pl.lit("nails"))
        .otherwise(pl.lit("all else"))
    )
    shelf = pl.col("item_id").str.split(" ").list.get(1)
    made = Log.of(
        fitted(bought(rows, items.with_columns(category=pl.concat_list(aisle, shelf)))).sample(
            600, Run()
        )
    )
    hits = made.items.ids.str.starts_with("hit").to_numpy()[made.item]
    assert hits.mean() == pytest.approx(200 / 800, abs=0.02)


def test_the_smallest_shops() -> None:
    at = datetime(2024, 1, 1)
    rows = {
        "user_id": ["a", "b", "b"],
        "item_id": ["x"] * 3,
        "event": ["purchase"] * 3,
        "time": [at] * 3,
    }
    one = Shop({"items": pl.DataFrame({"item_id": ["x"]}), "events": pl.DataFrame(rows)})
    log = Log.of(fitted(one).sample(6, Run(seed=1)))
    assert sorted(log.lengths().tolist()) == [1, 1, 1, 2, 2, 2]
    assert (log.time != NO_TIME).all()
    assert len(np.unique(log.time)) == 1


def test_a_log_of_few_days_keeps_its_span() -> None:
    shop = lively()
    quick = pl.datetime(2024, 3, 1) + (pl.col("time") - pl.col("time").min()) / 60
    shop = shop.with_tables(
        events=shop.table("events").with_columns(time=quick.cast(pl.Datetime("us")))
    )
    short, made = Log.of(shop), Log.of(fitted(shop).sample(300))
    assert made.time.min() >= short.time.min()
    assert made.time.max() <= short.time.max()
    assert len(np.intersect1d(made.time, short.time)) < 0.9 * len(np.unique(made.time))


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="jitter is -1"):
        SYNTHESIZERS.make("markov", jitter=-1.0)
    with pytest.raises(SettingError, match="look_ahead is 0"):
        SYNTHESIZERS.make("markov", look_ahead=0)


def test_old_outlines_are_drawn_less_often_where_old_events_weigh_less() -> None:
    shop = lively()
    real, half = Log.of(shop), 30.0
    age = (real.last_time() - real.time[real.offsets[1:] - 1]) / 86_400_000_000
    expected = np.average(age, weights=0.5 ** (age / half))
    made = Log.of(fitted(shop, half_life=half, jitter=0.0).sample(2000, Run(seed=1)))
    told = (real.last_time() - made.time[made.offsets[1:] - 1]) / 86_400_000_000
    assert told.mean() == pytest.approx(expected, abs=6)
    assert age.mean() > expected + 15


def test_the_naive_control_takes_no_outlines() -> None:
    with pytest.raises(SettingError, match=r"independent: .* always 'chain'"):
        SYNTHESIZERS.make("independent", structure="outline")


def test_the_page_on_outlines_shows_what_is_drawn() -> None:
    page = (Path(__file__).parents[2] / "docs" / "outlines.md").read_text(encoding="utf-8")
    for table in tables():
        assert table in page, "docs/outlines.md: print its tables anew by tests/outline_page.py"


def test_what_an_earlier_version_saved_is_read() -> None:
    made = wl.synthesizer("markov").fit(lively(40, 1), wl.Run(seed=1))
    old = {
        "candidates_category_": "shelves_shelf_",
        "candidates_parent_": "shelves_aisle_",
        "candidates_bucket_": "shelves_band_",
        "candidates_fit_": "shelves_fit_",
        "outline_same_item_": "outline_same_",
        "outline_same_category_": "outline_shelf_",
        "outline_parent_": "outline_aisle_",
        "outline_bucket_": "outline_band_",
        "outline_predecessors_": "outline_after_",
    }
    for part in ("indptr", "value", "accept", "alias"):
        old[f"candidates_items_{part}_"] = f"shelves_items_{part}_"
        old[f"candidates_categories_{part}_"] = f"shelves_shelves_{part}_"
    for part in ("indptr", "value", "group", "above", "discount"):
        old[f"candidates_next_item_{part}_"] = f"shelves_next_item_{part}_"
        old[f"candidates_next_category_{part}_"] = f"shelves_next_shelf_{part}_"
    state = made.state()
    assert set(old) <= set(state)
    for values in (state, {old.get(name, name): value for name, value in state.items()}):
        again = type(made).restore(made.settings(), values)
        assert set(again.state()) == set(state)
        assert again.sample(30).fingerprint == made.sample(30).fingerprint
