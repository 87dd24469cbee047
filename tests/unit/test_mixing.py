"""What each mixer computes, beside slow or exact versions of it, and on planted data."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from conftest import small_shop
from wareloom._version import __version__
from wareloom.core.family import MIXERS, SYNTHESIZERS
from wareloom.core.run import Run
from wareloom.errors import InputError, SettingError
from wareloom.mixing._draw import Pool, in_head
from wareloom.mixing._influence import Bilinear
from wareloom.mixing._inner import unknowing
from wareloom.mixing.fresh import deal
from wareloom.mixing.selected import held_back, mean_worth
from wareloom.rankers.held import hold_back
from wareloom.shop import Log, Shop
from wareloom.shop.log import stacked, without_last

RUN = Run(seed=4, threads=1)


def added(mixed: Shop) -> pl.DataFrame:
    return mixed.table("events").filter(pl.col("origin") != "real")


def named(shop: Shop, origin: str) -> Shop:
    """The users of a shop as a generator's, called origin/user."""
    user = pl.format("{}/{}", pl.lit(origin), "user_id")
    return shop.with_tables(
        events=shop.table("events").with_columns(user.alias("user_id"), origin=pl.lit(origin))
    )


def noise(users: int, items: int = 30, seed: int = 9) -> Shop:
    """Users of the ring whose events are on items drawn evenly, as if from a generator called noise."""
    shop = named(small_shop(users=users, items=items, seed=seed), "noise")
    events = shop.table("events")
    drawn = np.random.default_rng(seed).integers(items, size=len(events))
    return shop.with_tables(
        events=events.with_columns(pl.Series("item_id", [f"i{i}" for i in drawn]))
    )


def both(good: int, bad: int, items: int = 30) -> Shop:
    """Good users, who walk the ring, and bad ones beside them."""
    ring = named(small_shop(users=good, items=items, seed=5), "ring")
    return ring.with_tables(
        events=pl.concat([ring.table("events"), noise(bad, items).table("events")])
    )


@pytest.mark.parametrize("counts", [[5, 1, 3, 0, 3], [1, 1, 1], [0, 0], [9]])
def test_the_head_has_a_third_of_the_events(counts: list[int]) -> None:
    before, wanted = 0, np.zeros(len(counts), dtype=bool)
    for item in sorted(range(len(counts)), key=lambda i: -counts[i]):
        wanted[item] = counts[item] > 0 and before < sum(counts) / 3
        before += counts[item]
    assert in_head(np.array(counts, dtype=float)).tolist() == wanted.tolist()


def test_a_curriculum_ends_on_real_rows() -> None:
    real, made = small_shop(), named(small_shop(users=80, seed=5), "ring")
    at_once = (
        MIXERS.make("curriculum", until=0.4, real_from=0.3).mix(real, made, RUN).table("events")
    )
    spans = (
        at_once.group_by(pl.col("origin") == "real")
        .agg(pl.col("since", "until").unique())
        .sort("origin")
    )
    assert spans["since"].to_list() == [[0.0], [np.float32(0.3)]]
    assert spans["until"].to_list() == [[np.float32(0.4)], [None]]
    fading = added(MIXERS.make("curriculum", until=0.8, fade=0.5).mix(real, made, RUN))
    for share in (0.4, 0.55, 0.7):
        there = (fading["until"] > share).mean()
        assert there == pytest.approx((0.8 - share) / 0.5, abs=0.04), "rows leave evenly"
    assert fading["until"].min() > 0.3
    assert fading["until"].max() == np.float32(0.8)
    assert "until" not in MIXERS.make("curriculum", until=1.0).mix(real, made, RUN).columns(
        "events"
    )
    scheduled = real.with_tables(events=real.table("events").with_columns(since=pl.lit(0.5)))
    for name in ("curriculum", "fresh"):
        with pytest.raises(InputError, match=r"schedule of their own \(since\)"):
            MIXERS.make(name, ratio=0.2).mix(scheduled, made, RUN)


def test_a_network_is_taught_a_curriculum() -> None:
    from wareloom.core.family import RANKERS

    mixed = MIXERS.make("curriculum", fade=0.25).mix(
        small_shop(), named(small_shop(seed=5), "ring"), RUN
    )
    ranker = RANKERS.make("gru", epochs=4, embedding_size=8).fit(mixed, RUN)
    assert len(ranker.items_) == 30


@pytest.mark.parametrize(("most", "pools"), [(10, 3), (7, 5)])
def test_pools_are_dealt_greedily(most: int, pools: int) -> None:
    sizes = np.random.default_rng(1).integers(1, 6, size=40)
    edges, place = deal(sizes, most, pools), 0
    for start, stop in pairwise(edges):
        total, begin = 0, place
        while place < len(sizes) and total + sizes[place] <= most:
            total, place = total + sizes[place], place + 1
        assert (start, stop) == (begin, place)


def test_each_pool_is_fresh_and_full() -> None:
    real, made = small_shop(), named(small_shop(users=200, seed=5), "ring")
    rows = added(MIXERS.make("fresh", ratio=0.5, pools=4).mix(real, made, RUN))
    wanted = round(0.5 * real.rows("events"))
    for pool in range(4):
        there = rows.filter(
            (pl.col("since") <= pool / 4 + 0.1) & (pl.col("until") > pool / 4 + 0.1)
        )
        assert wanted - 11 < len(there) <= wanted
    assert rows.group_by("user_id").agg(pl.col("since").n_unique())["since"].max() == 1
    with pytest.raises(InputError, match=r"there are .* of 200 users: sample about \d+ users"):
        MIXERS.make("fresh", ratio=1.0, pools=4).mix(real, made, RUN)
    with pytest.raises(InputError, match="of one synthetic user: give a larger ratio"):
        MIXERS.make("fresh", ratio=0.005, pools=2).mix(real, made, RUN)


def test_influence_is_the_slope_of_the_held_back_likelihood() -> None:
    rng = np.random.default_rng(0)
    vectors, popular = rng.normal(size=(7, 3)), rng.integers(1, 9, 7).astype(float)
    model = Bilinear(vectors, popular)
    held = sparse.csr_matrix(rng.integers(0, 3, (7, 7)).astype(float))

    def likelihood(w: np.ndarray, pairs: sparse.csr_matrix) -> float:
        z = vectors @ w @ vectors.T + np.log(popular)
        chance = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return float((pairs.toarray() * chance).sum() / pairs.sum())

    a, b = model.influence(held, held, 1)
    here = np.zeros((3, 3))
    for i, j in ((0, 1), (4, 4), (6, 2)):
        one = sparse.csr_matrix(([1.0], ([i], [j])), shape=(7, 7))
        gradient = np.array(
            [[_slope(likelihood, here, one, r, c) for c in range(3)] for r in range(3)]
        )
        slope = (
            likelihood(here + 1e-5 * gradient, held) - likelihood(here - 1e-5 * gradient, held)
        ) / 2e-5
        assert a[i] @ vectors[j] - b[i] == pytest.approx(slope, rel=1e-4, abs=1e-6)
    mean = model.expected(rng.normal(size=(3, 3)))
    assert mean.min() >= vectors.min()
    assert mean.max() <= vectors.max()


def _slope(likelihood, at, pairs, row, column):  # type: ignore[no-untyped-def]
    step = np.zeros_like(at)
    step[row, column] = 1e-5
    return (likelihood(at + step, pairs) - likelihood(at - step, pairs)) / 2e-5


def test_training_raises_the_likelihood_that_influence_follows() -> None:
    rng = np.random.default_rng(0)
    vectors, pairs = (
        rng.normal(size=(7, 3)),
        sparse.csr_matrix(rng.integers(0, 3, (7, 7)).astype(float)),
    )
    model = Bilinear(vectors, np.ones(7))
    norms = [
        np.abs(model.influence(pairs, pairs, n)[0] - model.influence(pairs, pairs, n - 1)[0]).max()
        for n in (1, 9)
    ]
    assert norms[1] < norms[0], "what is learned pulls less"


def test_a_users_worth_is_the_mean_of_its_steps() -> None:
    log, rng = Log.of(small_shop(users=12, items=9)), np.random.default_rng(0)
    vectors, a, b = rng.normal(size=(9, 4)), rng.normal(size=(9, 4)), rng.normal(size=9)
    found = mean_worth(log, vectors, a, b, block=7)
    for user in range(12):
        items = log.item[log.offsets[user] : log.offsets[user + 1]]
        steps = [a[i] @ vectors[j] - b[i] for i, j in pairwise(items) if i != j]
        assert found[user] == pytest.approx(np.mean(steps) if steps else 0.0)


def test_held_back_events_are_the_last_ones() -> None:
    log = Log.of(small_shop())
    rest, held = held_back(log, 0.5, np.random.default_rng(0))
    assert len(rest) == len(log) - 30
    for user in np.flatnonzero(held.lengths()):
        whole = log.item[log.offsets[user] : log.offsets[user + 1]].tolist()
        assert held.item[held.offsets[user] : held.offsets[user + 1]].tolist() == whole[-2:]
        assert rest.item[rest.offsets[user] : rest.offsets[user + 1]].tolist() == whole[:-1]
    with pytest.raises(InputError, match="holds back the last events of 6 of 60 real users"):
        held_back(log, 0.1, np.random.default_rng(0))


def shuffled(users: int) -> Shop:
    """Users of the ring whose items are dealt among them anew: as popular as before, in no order."""
    shop = named(small_shop(users=users, seed=6), "shuffled")
    events = shop.table("events")
    dealt = events["item_id"].gather(np.random.default_rng(3).permutation(len(events)))
    return shop.with_tables(events=events.with_columns(dealt))


@pytest.mark.parametrize("bad", [noise(100), shuffled(100)])
def test_users_in_no_order_are_not_selected(bad: Shop) -> None:
    ring = named(small_shop(users=100, seed=5), "ring")
    mixer = MIXERS.make("selected", ratio=9.0, keep=0.5)
    made = ring.with_tables(events=pl.concat([ring.table("events"), bad.table("events")]))
    users = added(mixer.mix(small_shop(users=300), made, RUN)).unique("user_id")["origin"].to_list()
    assert users.count("ring") >= 90
    assert len(users) - users.count("ring") <= 10
    assert len(mixer.worth_) == 200


def test_a_search_keeps_the_guard_of_the_head() -> None:
    real, made = small_shop(users=80, items=200), both(200, 200, items=200)
    mixer = MIXERS.make(
        "searched", ratio=3.0, head=0.25, heads=(1.0,), weights=(0.5,), independent=True
    )
    rows = added(mixer.mix(real, made, RUN))
    assert (mixer.chosen_["weight"], mixer.chosen_["head"]) == (0.5, 0.25)
    head = rows["item_id"].is_in(Pool.of(real, made).head.implode())
    assert set(rows.filter(head)["weight"]) == {0.125}
    assert set(rows.filter(~head)["weight"]) == {0.5}


def test_the_source_that_helps_is_found() -> None:
    mixer = MIXERS.make("searched", ratio=3.0, independent=True)
    rows = added(mixer.mix(small_shop(users=80, items=200), both(200, 200, items=200), RUN))
    assert mixer.chosen_["source"] == "ring"
    assert set(rows["origin"]) == {"ring"}
    assert mixer.chosen_["mean"] > mixer.chosen_["without"]
    taken = mixer.trials_.filter(
        **{name: mixer.chosen_[name] for name in ("ratio", "source", "weight", "head")}
    )
    assert taken["mean"].item() == mixer.trials_["mean"].max()
    assert mixer.trials_["source"].to_list().count("none") == 1


def test_trials_do_not_know_what_they_are_judged_by() -> None:
    real = small_shop(users=60, items=300)
    found = hold_back(Log.of(real), 1000, RUN)
    assert found is not None
    rest, _ = found
    copied = named(real, "copies")
    made = SYNTHESIZERS.make("markov").fit(real, RUN).sample(80, RUN)
    events = pl.concat([copied.table("events"), made.table("events")], how="diagonal_relaxed")
    pool = Pool.of(real, real.with_tables(events=events))
    inner = Log.of(without_last(pool.real, pool.real_log, rest))
    ends = inner.offsets[1:]
    assert [inner.item[a:b].tolist() for a, b in pairwise([0, *ends])] == [
        rest.item[a:b].tolist() for a, b in pairwise([0, *rest.offsets[1:]])
    ]
    secret = _pairs(pool.real_log) - _pairs(rest)
    assert secret & _pairs(Log.of(copied))
    trial = _blind(pool, rest)
    assert {user.partition("/")[0] for user in trial.users.ids} <= {
        "copies",
        f"markov@{__version__}",
    }
    of_copies = trial.select(np.flatnonzero(trial.users.ids.str.starts_with("copies")))
    assert not secret & _pairs(of_copies)
    whole = _blind(pool, rest, independent=True)
    assert secret <= _pairs(whole)
    left_out = set(copied.table("events")["user_id"]) - set(of_copies.users.ids)
    for user in left_out:
        rows = copied.with_tables(events=copied.table("events").filter(user_id=user))
        assert secret & _pairs(Log.of(rows)), "only who knows something is left out"
    with pytest.raises(SettingError, match="has no setting"):
        unknowing(pool, rest, {"markov": {"windo": 1}}, RUN)


def _blind(pool: Pool, rest: Log, *, independent: bool = False) -> Log:
    trial = unknowing(pool, rest, {}, RUN, independent=independent)
    assert trial is not None
    return Log.of(trial.synthetic)


def test_where_all_know_what_is_held_back_nothing_is_mixed_in() -> None:
    real = small_shop(users=60, items=3000)
    long = real.table("events").filter(pl.len().over("user_id") > 4)
    real, mixer = real.with_tables(events=long), MIXERS.make("searched", held=100_000)
    assert len(added(mixer.mix(real, named(real, "copies"), RUN))) == 0
    assert mixer.chosen_["ratio"] == 0


def _pairs(log: Log) -> set[tuple[int, int]]:
    return {step for a, b in pairwise(log.offsets) for step in pairwise(log.item[a:b].tolist())}


def test_nothing_is_mixed_in_where_nothing_helps() -> None:
    mixed_in = 0
    for seed in range(5):
        mixer, run = (
            MIXERS.make("searched", ratio=2.0, shares=(0.5, 1.0)),
            Run(seed=seed, threads=1),
        )
        rows = added(mixer.mix(small_shop(users=200, seed=seed), noise(300, seed=50 + seed), run))
        assert (
            (len(rows) == 0) == (mixer.chosen_["ratio"] == 0) == (mixer.chosen_["source"] == "none")
        )
        mixed_in += len(rows) > 0
    assert mixed_in <= 1, "luck does it once in 40"


def test_a_search_needs_events_to_judge_by() -> None:
    with pytest.raises(InputError, match="fewer than 20 real users"):
        MIXERS.make("searched").mix(small_shop(users=10), named(small_shop(), "ring"), RUN)


def test_logs_are_stacked_row_for_row() -> None:
    first, second = Log.of(small_shop(users=5)), Log.of(small_shop(users=3, seed=1))
    log = stacked(first, second)
    assert log.lengths().tolist() == [*first.lengths(), *second.lengths()]
    assert log.item.tolist() == [*first.item, *second.item]
    assert log.users.ids.is_unique().all()


def test_mixers_say_how_much_they_choose_from() -> None:
    assert MIXERS.make("ratio").supply == 1
    assert MIXERS.make("fresh", pools=7).supply == 7
    assert MIXERS.make("selected", keep=0.25).supply == 4


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("curriculum", {"until": 0.0}, "until is 0.0; give a number above 0, at most 1"),
        ("curriculum", {"until": 0.3, "fade": 0.4}, "fade is 0.4"),
        (
            "curriculum",
            {"until": 0.3, "real_from": 0.4},
            "from 0 to 0.3, where users begin to leave",
        ),
        ("fresh", {"pools": 0}, "pools is 0; give 1 or more"),
        ("selected", {"keep": 0.0}, "keep is 0.0; give a number above 0, at most 1"),
        ("selected", {"steps": 0}, "steps is 0; give 1 or more"),
        ("searched", {"shares": ()}, "give one number or more"),
        ("searched", {"shares": (2.0,)}, "give a number from 0 to 1"),
        ("searched", {"weights": (-1.0,)}, r"weights\[0\] is -1.0; give 0 or more"),
        ("searched", {"margin": -1.0}, "margin is -1.0; give 0 or more"),
    ],
)
def test_settings_are_checked(name: str, values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        MIXERS.make(name, **values)


def test_sessions_without_users_are_mixed_too() -> None:
    def anonymous(shop: Shop) -> Shop:
        return shop.with_tables(
            events=shop.table("events").rename({"user_id": "session_id"}), users=None
        )

    made = anonymous(named(small_shop(users=200, seed=5), "ring"))
    for name in MIXERS.names():
        few = {"pools": 2} if name == "fresh" else {}
        mixed = MIXERS.make(name, ratio=0.4, **few).mix(anonymous(small_shop(users=110)), made, RUN)
        assert "user_id" not in mixed.columns("events")
