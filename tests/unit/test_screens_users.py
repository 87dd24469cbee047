"""The screens that take whole users: planted copies and nonsense are taken, honest users are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wareloom.core.family import SCREENS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.screening import Screened, owners, reject_users
from wareloom.screening._chances import Chances
from wareloom.screening._runs import longest_runs
from wareloom.screening.novelty import _over
from wareloom.shop import Log, Shop
from wareloom.shop.item_sets import nearest, rarity, sets

START = datetime(2024, 5, 1)
MADE = "made@1"
RUN = Run(seed=1, threads=1)


def shop_of(
    histories: dict[str, list[int]], origin: str = "real", items: int = 30, *, timed: bool = True
) -> Shop:
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
    ).with_columns(event=pl.lit("purchase"), origin=pl.lit(origin))
    users = pl.DataFrame(
        {"user_id": list(histories), "origin": origin}, schema_overrides={"user_id": pl.String}
    )
    catalogue = pl.DataFrame({"item_id": [f"i{i}" for i in range(items)]})
    return Shop(
        {"items": catalogue, "users": users, "events": events if timed else events.drop("time")}
    )


def gone(screened: Screened) -> set[str]:
    return set(screened.rejected["events"]["user_id"])


def walks(users: int, seed: int, items: int = 400, name: str = "u") -> dict[str, list[int]]:
    """Users who keep to one of 20 groups of items, of which the first are the most popular."""
    rng = np.random.default_rng(seed)
    size = items // 20
    found = {}
    for user in range(users):
        group, own = int(rng.integers(20)), []
        for _ in range(int(rng.integers(6, 13))):
            group = group if rng.random() < 0.9 else int(rng.integers(20))
            own.append(group * size + min(int(rng.geometric(0.12)) - 1, size - 1))
        found[f"{name}{user}"] = own
    return found


@cache
def train() -> Shop:
    return shop_of(walks(1500, 1), items=400).in_memory()


def both(*shops: Shop) -> Shop:
    tables = {
        t: pl.concat([shop.table(t) for shop in shops], how="diagonal") for t in ("events", "users")
    }
    return shops[0].with_tables(**tables)


def test_planted_copies_and_near_copies_are_found() -> None:
    own = walks(1500, 1)
    fresh = shop_of(walks(300, 7, name="f"), MADE, items=400)
    copies = {f"copy{n}": own[f"u{n}"] for n in range(20)}
    turned = {f"turned{n}": own[f"u{n}"][::-1] for n in range(20, 40)}
    embedded = {f"within{n}": [399 - n, *own[f"u{n}"][:6], n] for n in range(40, 60)}
    pool = both(fresh, shop_of(copies | turned | embedded, MADE, items=400))
    screened = SCREENS.make("novelty").screen(pool, train(), run=RUN)
    planted = set(copies) | set(turned) | set(embedded)
    assert planted <= gone(screened)
    assert len(gone(screened) - planted) <= 9, "at most 3 % of the others"
    assert set(screened.kept.table("users")["user_id"]) == set(owners(screened.kept))
    assert set(screened.rejected["users"]["user_id"]) == gone(screened)
    near = screened.report["near"]
    for how in ("same items", "run from 4"):
        assert near["kept"][how] <= near["real"][how] + 1e-12
    assert (
        sum(screened.report["users by reason"].values())
        == screened.report["users"]
        == len(gone(screened))
    )
    assert screened.report["reasons"]["the same items as a real user"] >= 6 * 20


@pytest.mark.parametrize(
    ("name", "settings", "most"),
    [
        ("markov", {"structure": "chain"}, 0.01),
        ("independent", {}, 0.01),
        ("shuffled", {}, 0.01),
        ("markov", {}, 0.08),
    ],
)
def test_honest_generators_lose_next_to_nothing(
    name: str, settings: dict[str, str], most: float
) -> None:
    """Outlines, whose items follow several earlier ones, come nearer to real users of so dense a shop."""
    made = SYNTHESIZERS.make(name, **settings).fit(train(), RUN).sample(1000, RUN)
    assert SCREENS.make("novelty").screen(made, train(), run=RUN).report["share of users"] < most


def test_real_users_never_seen_lose_next_to_nothing() -> None:
    """Half of these users share half of their items with another: what is common is no copy."""
    fresh = shop_of(walks(1500, 8, name="h"), MADE, items=400)
    found = SCREENS.make("novelty").screen(fresh, train(), run=RUN)
    assert found.report["near"]["real"]["jaccard from 0.5"] > 0.4
    assert found.report["share of users"] < 0.02
    assert (
        found.kept.fingerprint
        == SCREENS.make("novelty").screen(fresh, train(), run=RUN).kept.fingerprint
    )
    strict = SCREENS.make("novelty", rare=1.0).screen(fresh, train(), run=RUN)
    assert all(
        strict.report["near"]["kept"][how] <= share
        for how, share in strict.report["near"]["real"].items()
    )


def test_as_many_twins_as_among_real_users_may_stay_and_tolerance_sets_how_many() -> None:
    """A tenth of the real users have a twin; so may a tenth of the synthetic ones."""
    own = {f"u{n}": [10 * n + k for k in range(6)] for n in range(100)}
    real = shop_of(own | {f"twin{n}": own[f"u{n}"] for n in range(5)}, items=3000)
    fresh = {f"f{n}": [1500 + 10 * n + k for k in range(6)] for n in range(90)}
    pool = shop_of(fresh | {f"copy{n}": own[f"u{n}"] for n in range(30)}, MADE, items=3000)
    left = {
        tolerance: 120
        - SCREENS.make("novelty", tolerance=tolerance).screen(pool, real, run=RUN).report["users"]
        for tolerance in (0.0, 1.0, 2.0, 100.0)
    }
    assert left[0.0] == 90
    assert 90 + 8 <= left[1.0] <= 90 + 10
    assert (left[1.0] - 90) * 10 / 105 <= left[1.0] * 10 / 105
    assert 90 + 18 <= left[2.0] <= 90 + 22
    assert left[100.0] == 120


HISTORIES = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=7), min_size=1, max_size=7)


@settings(deadline=None, max_examples=40)
@given(real=HISTORIES, fake=HISTORIES, own=st.booleans())
def test_nearest_and_longest_runs_agree_with_a_slow_search(
    real: list[list[int]], fake: list[list[int]], own: bool
) -> None:
    fake = real if own else fake
    logs = [
        Log.of(shop_of({f"u{n}": h for n, h in enumerate(side)}, items=6)) for side in (real, fake)
    ]
    rank = rarity(logs[0].user, logs[0].item, 6)
    coded = [sets(log.user, log.item, len(log.users), rank, log.item) for log in logs]
    for least in (0.3, 0.5, 0.8, 1.0):
        found = nearest(coded[1], coded[0], least, np.arange(len(real)) if own else None)
        for n, mine in enumerate(fake):
            others = [set(h) for m, h in enumerate(real) if not (own and m == n)]
            best = max((len(set(mine) & h) / len(set(mine) | h) for h in others), default=0.0)
            assert found[n] == pytest.approx(best if best >= least - 1e-9 else 0.0), (mine, others)
    runs = longest_runs(logs[1].item, logs[1].offsets, logs[0], 2, own=own)
    for n, mine in enumerate(fake):
        parts = {
            tuple(h[a:b]) for m, h in enumerate(real) if not (own and m == n)
            for a in range(len(h)) for b in range(a + 2, len(h) + 1)
        }  # fmt: skip
        lengths = [
            b - a
            for a in range(len(mine))
            for b in range(a + 2, len(mine) + 1)
            if tuple(mine[a:b]) in parts
        ]
        assert runs[n] == max(lengths, default=0)


@example(
    level=[0, 2, 0, 4, 1, 3], yard=[4, 5, 5, 2, 3], tolerance=0.5
)  # one has room again once others went
@settings(deadline=None, max_examples=80)
@given(
    level=st.lists(st.integers(0, 5), max_size=40),
    yard=st.lists(st.integers(0, 5), max_size=40),
    tolerance=st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
def test_what_is_left_is_no_nearer_than_the_yardstick_and_no_more_is_taken_than_must_be(
    level: list[int], yard: list[int], tolerance: float
) -> None:
    levels, yards = np.array(level, dtype=float), np.array(yard, dtype=float)
    goes = _over(levels, yards, tolerance)
    left = levels[~goes]
    assert not goes[levels == 0].any()
    for t in range(1, 6):
        share = (yards >= t).mean() if len(yards) else 0.0
        assert (left >= t).sum() <= tolerance * share * len(left) + 1e-6
    assert not _over(left, yards, tolerance).any(), "what is left passes again"
    for back in np.unique(levels[goes]):
        more = np.append(left, back)
        room = [
            tolerance * ((yards >= t).mean() if len(yards) else 0.0) * len(left) + 1e-9
            for t in range(1, 6)
        ]
        assert any((more >= t).sum() > room[t - 1] for t in range(1, int(back) + 1)), (
            "one more would be too many"
        )


def test_novelty_tells_items_apart_that_training_lacks() -> None:
    real = shop_of({"u": [1, 2, 3, 4]}, items=5)
    pool = shop_of({"a": [1, 2, 6, 7, 8, 9], "b": [6, 7, 8, 9]}, MADE, items=10)
    assert SCREENS.make("novelty", jaccard=0.3).screen(pool, real).report["users"] == 0


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("novelty", {"jaccard": 0.1}, "novelty: jaccard is 0.1; give a number from 0.3 to 1"),
        ("novelty", {"length": 1}, "novelty: length is 1; give a whole number from 2 to 20"),
        ("novelty", {"shortest": 0}, "novelty: shortest is 0; give 1 or more"),
        ("novelty", {"rare": 0.0}, "novelty: rare is 0.0; give a number above 0, at most 1"),
        ("novelty", {"tolerance": -1.0}, "novelty: tolerance is -1.0; give 0 or more"),
        ("plausibility", {"quantile": 0.7}, "quantile is 0.7; give a number between 0 and 0.5"),
        (
            "plausibility",
            {"judges": ("likelyhood",)},
            "no judge 'likelyhood'. Did you mean 'likelihood'",
        ),
        ("plausibility", {"judges": ()}, "judges is empty; name likelihood or discriminator"),
    ],
)
def test_wrong_settings_are_refused(name: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        SCREENS.make(name, **changes)


@pytest.mark.parametrize(
    "judges", [("likelihood",), ("discriminator",), ("likelihood", "discriminator")]
)
def test_nonsense_is_taken_and_real_users_pass_at_the_calibrated_rate(
    judges: tuple[str, ...],
) -> None:
    screen = SCREENS.make("plausibility", judges=judges, quantile=0.02)
    rng = np.random.default_rng(5)
    nonsense = {
        f"n{n}": rng.integers(400, size=int(rng.integers(6, 13))).tolist() for n in range(400)
    }
    real = shop_of(walks(1500, 8, name="h"), MADE, items=400)
    taken = screen.screen(shop_of(nonsense, MADE, items=400), train(), run=RUN)
    assert taken.report["share of users"] > 0.5
    passed = screen.screen(real, train(), run=RUN)
    assert passed.report["share of users"] < 0.02 * len(judges) + 0.015
    assert passed.report["users"] == len(gone(passed)) == len(passed.rejected["users"])
    assert set(passed.report["judges"]) == set(judges)
    again = screen.screen(real, train(), run=RUN)
    assert again.kept.fingerprint == passed.kept.fingerprint, "same seed, same bytes"


def test_the_calibrated_rate_holds_on_the_mean() -> None:
    """Over halves drawn anew and real users never seen, the likelihood takes `quantile` of them."""
    shares = []
    for seed in range(6):
        real = shop_of(walks(800, 20 + seed, name="h"), MADE, items=400)
        screen = SCREENS.make("plausibility", quantile=0.1)
        shares.append(screen.screen(real, train(), run=Run(seed=seed)).report["share of users"])
    assert np.mean(shares) == pytest.approx(0.1, abs=0.03)


def test_too_few_real_users_take_nobody_and_say_so() -> None:
    few = shop_of(walks(40, 1), items=400)
    pool = shop_of({"x": [399, 1, 398, 7, 300]}, MADE, items=400)
    found = SCREENS.make("plausibility", judges=("likelihood", "discriminator")).screen(
        pool, few, run=RUN
    )
    assert found.report["users"] == 0
    assert (
        found.report["judges"]["likelihood"]["why"]
        == "20 real users are too few for a quantile of 0.01"
    )
    assert (
        found.report["judges"]["discriminator"]["why"]
        == "there are too few users to teach trees on"
    )


def test_an_unknown_item_is_the_least_plausible_of_all() -> None:
    pool = shop_of(
        {"a": [0, 1, 2, 0, 1, 2], "b": [500] * 6, "c": [399, 0, 200, 100, 50, 350]}, MADE, items=501
    )
    log = Log.of(train())
    model = Chances.fit(log, np.zeros(400, dtype=np.int64), np.arange(1500))
    fake = Log.of(pool)
    codes = log.items.recode(fake.items)[fake.item]
    bits = model.bits(replace(fake, items=log.items, item=codes))
    assert bits[0] < bits[2] < bits[1]


def test_chances_agree_with_counting_by_hand() -> None:
    """Two users of two items: what followed item 0 was item 1, always."""
    log = Log.of(shop_of({"a": [0, 1], "b": [0, 1], "c": [0, 1], "d": [1, 1]}, items=3))
    model = Chances.fit(log, np.array([0, 0, 1]), np.arange(4))
    found = model.sources(log)
    assert found[1].tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0, 1.0 * 5 / 8, 5 / 8, 1 / 3])
    assert found[0].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.0, 0.0, 3 / 8, 1 / 3])
    assert found[7].tolist() == pytest.approx([0.0, 0.0, 1.0, 1.0, 5 / 8, 5 / 8, 1 / 3])
    assert np.allclose(model.weights.sum(axis=1), 1.0)
    assert np.allclose(model.kinds.sum(axis=2), 1.0)


@pytest.mark.parametrize("name", ["novelty", "plausibility"])
@pytest.mark.parametrize(
    "kind", ["no time", "one user", "one item", "no user", "no training", "one event each"]
)
def test_poor_input_is_no_trouble(name: str, kind: str) -> None:
    own = {
        "one user": {"u0": [1, 2, 3]},
        "no user": {},
        "one item": {f"u{n}": [5] * 4 for n in range(30)},
    }
    own |= {"one event each": {f"u{n}": [n % 7] for n in range(30)}}
    pool = shop_of(own.get(kind, walks(30, 3)), MADE, items=400, timed=kind != "no time")
    real = shop_of(
        {} if kind == "no training" else own.get(kind, walks(60, 4)),
        items=400,
        timed=kind != "no time",
    )
    found = SCREENS.make(name).screen(pool, real, run=RUN)
    assert found.kept.rows("events") + len(found.rejected["events"]) == pool.rows("events")
    if name == "novelty" and kind == "one user":
        assert gone(found) == {"u0"}, "the only user's copy"


def test_a_rejected_user_leaves_every_table() -> None:
    pool = shop_of({"a": [1, 2], "b": [3, 4], "c": [5, 6]}, MADE)
    searches = pl.DataFrame(
        {"search_id": ["s1", "s2"], "user_id": ["a", "b"], "query": ["x", "y"], "origin": MADE}
    )
    labels = pl.DataFrame(
        {"user_id": ["a", "c"], "place": [0, 1], "item_id": ["i1", "i2"], "origin": MADE}
    )
    pool = pool.with_tables(searches=searches, soft_labels=labels)
    named = pl.DataFrame({"owner": ["a"], "reason": ["because"]})
    found = reject_users(pool, named, 3)
    for table in ("events", "users", "searches", "soft_labels"):
        assert set(found.rejected[table]["user_id"]) == {"a"}
        assert "a" not in set(found.kept.table(table)["user_id"])
        assert set(found.rejected[table]["reason"]) == {"because"}
    assert found.report["reasons"] == {"because": 2}
    assert found.report["users by reason"] == {"because": 1}
    assert SCREENS.make("schema").screen(
        pool.with_tables(events=pool.table("events").with_columns(
            item_id=pl.when(pl.col("user_id") == "a").then(pl.lit("gone")).otherwise("item_id"))),
        pool,
    ).rejected.keys() == {"events", "users", "searches", "soft_labels"}  # fmt: skip


def test_steps_that_hold_for_one_item_do_not_for_all() -> None:
    """Near-copies are no more frequent at each length of run, not only at the shortest."""
    own = walks(300, 1)
    real = shop_of(own, items=400)
    pool = shop_of(
        {f"c{n}": own[f"u{n}"][: 4 + n % 3] for n in range(60)} | walks(240, 9, name="f"),
        MADE,
        items=400,
    )
    kept = SCREENS.make("novelty").screen(pool, real, run=RUN).kept
    logs = Log.of(real), Log.of(kept)
    for length in range(4, 8):
        shares = []
        for log, alone in ((logs[0], True), (logs[1], False)):
            runs = longest_runs(log.item, log.offsets, logs[0], 4, own=alone)
            shares.append((runs >= length).mean())
        assert shares[1] <= shares[0] + 1e-12
    assert all(a <= b for a, b in pairwise(logs[1].offsets))
