"""Measures of synthetic behaviour: oracles beside the formulas, faults caught by what ought to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn.metrics import roc_auc_score

import wareloom as wl
from lively import HOUR, lively, lively_events
from wareloom.core.family import METRICS
from wareloom.core.run import Run
from wareloom.errors import SettingError
from wareloom.evaluation.compare import SLOW, measures
from wareloom.metrics import metrics_of
from wareloom.metrics.likeness.measure import Figure, counted, jackknifed, wilson
from wareloom.metrics.likeness.samples import Trio, by_silence, gathered
from wareloom.metrics.likeness.users.discriminators import auc, judged
from wareloom.metrics.likeness.users.features import Known, features
from wareloom.shop import Shop
from wareloom.stats.distances import (
    circular_wasserstein,
    kolmogorov_smirnov,
    total_variation,
    wasserstein,
)

RUN = Run(seed=1, threads=1)
USERS = 400
COUNTED = (
    "activity",
    "category_entropy",
    "category_transitions",
    "co_occurrence",
    "funnel",
    "gaps",
    "hours",
)
COUNTED += (
    "item_coverage",
    "item_gini",
    "item_transitions",
    "popularity",
    "repeat_rate",
    "session_length",
)
COUNTED += ("tail_share", "weekdays")


@pytest.fixture(scope="module")
def real() -> Shop:
    return lively(USERS, 1)


@pytest.fixture(scope="module")
def held() -> Shop:
    return lively(USERS, 2, "h")


@pytest.fixture(scope="module")
def honest() -> pl.DataFrame:
    """Events of a synthesizer that draws from the truth."""
    return lively_events(USERS, 3, "f")


@pytest.fixture(scope="module")
def trio(real: Shop, held: Shop, honest: pl.DataFrame) -> Trio:
    return gathered(real, real.with_tables(events=honest), held, 20, RUN)


two = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        *(arrays(np.int64, n, elements=st.integers(0, 20)).filter(lambda a: a.sum() > 0),) * 2
    )
)


@given(two)
def test_distances_are_those_of_scipy(sides: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = sides
    support = np.cumsum(1.0 + np.arange(len(a)) % 3)
    one, other = np.repeat(support, 2 * a), np.repeat(support, 2 * b)
    assert kolmogorov_smirnov(a, b) == pytest.approx(
        stats.ks_2samp(one, other, method="asymp").statistic
    )
    assert wasserstein(a, b, support) == pytest.approx(stats.wasserstein_distance(one, other))
    p, q = a / a.sum(), b / b.sum()
    assert total_variation(a, b) == pytest.approx(
        sum(max(0.0, x - y) for x, y in zip(p, q, strict=True))
    )
    turned = [
        stats.wasserstein_distance(range(len(a)), range(len(a)), np.roll(p, k), np.roll(q, k))
        for k in range(12)
    ]
    assert circular_wasserstein(a, b, len(a)) <= min(turned) + 1e-9


def test_the_way_round_the_clock_is_the_shorter_one() -> None:
    late, early = np.zeros(24), np.zeros(24)
    late[23], early[1] = 5, 9
    assert circular_wasserstein(late, early, 24.0) == pytest.approx(2.0)
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 8), rng.integers(0, 9, 8)
    p, q = np.cumsum(a / a.sum()), np.cumsum(b / b.sum())
    slow = min(np.abs(p - q - start).sum() for start in np.append(p - q, 0.0))
    assert circular_wasserstein(a, b, 8.0) == pytest.approx(slow)


def test_figures_are_those_of_slow_loops(trio: Trio) -> None:
    """Each counted once more by hand from lists."""
    taken = {name: METRICS.make(name).compare(trio, RUN) for name in COUNTED}
    found = {figure.name: figure for figures in taken.values() for figure in figures}
    rows, lengths, gaps, pairs, threes, near, repeats, kinds, bits = (
        [],
        [],
        [],
        [],
        [],
        [],
        [],
        [],
        [],
    )
    assert trio.category is not None
    for sample in (trio.real, trio.synthetic):
        log = sample.log
        users = [slice(log.offsets[u], log.offsets[u + 1]) for u in range(len(log.users))]
        rows.append(log.item.tolist())
        lengths.append([s.stop - s.start for s in users])
        gaps.append([(b - a) // 10**6 for s in users for a, b in pairwise(log.time[s].tolist())])
        histories = [log.item[s].tolist() for s in users]
        pairs.append(Counter(pair for h in histories for pair in pairwise(h)))
        threes.append(Counter(zip(h, h[1:], h[2:], strict=False)) for h in histories)
        threes[-1] = sum(threes[-1], Counter())
        close = [
            (h[i], h[j]) for h in histories for i, j in combinations(range(len(h)), 2) if j - i <= 3
        ]
        near.append(Counter(tuple(sorted(pair)) for pair in close if pair[0] != pair[1]))
        repeats.append(np.mean([item in h[:i] for h in histories for i, item in enumerate(h)]))
        kinds.append(np.bincount(log.event, minlength=8))
        own = [np.bincount(trio.category[h]) for h in histories if len(h) > 1]
        bits.append([stats.entropy(c[c > 0], base=2) for c in own])

    def variation(sides: list[Counter[object]]) -> float:
        p, q = ({k: v / side.total() for k, v in side.items()} for side in sides)
        return 0.5 * sum(abs(p.get(k, 0) - q.get(k, 0)) for k in p.keys() | q.keys())

    log_gaps = [np.log10(1 + np.array(each)) for each in gaps]
    expected = {
        "activity": stats.ks_2samp(*lengths).statistic,
        "gaps": stats.wasserstein_distance(*log_gaps),
        "popularity.items": variation([Counter(each) for each in rows]),
        "item_transitions.order_1": variation(pairs),
        "item_transitions.order_2": variation(threes),
        "co_occurrence": variation(near),
        "repeat_rate": abs(repeats[0] - repeats[1]),
        "funnel.view_item>add_to_cart": abs(np.subtract(*(k[4] / k[2] for k in kinds))),
        "funnel.add_to_cart>purchase": abs(np.subtract(*(k[6] / k[4] for k in kinds))),
        "item_coverage": abs(len(set(rows[0])) - len(set(rows[1]))) / 120,
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert found["category_entropy"].value == pytest.approx(
        stats.wasserstein_distance(*bits), abs=1e-4
    )
    tails = [sum(sorted(np.bincount(each, minlength=120))[:96]) / len(each) for each in rows]
    assert found["tail_share"].value == pytest.approx(abs(tails[0] - tails[1]))
    assert (found["tail_share"].real, found["tail_share"].synthetic) == pytest.approx(tuple(tails))
    gini = [
        np.abs(np.subtract.outer(c, c)).sum() / (2 * 120 * c.sum())
        for c in (np.bincount(r, minlength=120) for r in rows)
    ]
    assert found["item_gini"].value == pytest.approx(abs(gini[0] - gini[1]))
    named = [pl.Series(trio.category[np.array(r)]) for r in rows]
    assert all(each.n_unique() == 6 for each in named), (
        "the first level is one shop, so shelves are told apart"
    )


def test_sessions_are_cut_by_silence_the_same_way_on_both_sides(trio: Trio) -> None:
    log = trio.real.log
    np.testing.assert_array_equal(by_silence(log).session, log.session)
    starts = [
        sum(
            i == 0 or t - log.time[a + i - 1] > 30 * 60 * 10**6 for i, t in enumerate(log.time[a:b])
        )
        for a, b in pairwise(log.offsets)
    ]
    np.testing.assert_array_equal(starts, [log.session[b - 1] + 1 for b in log.offsets[1:]])


def test_the_area_is_that_of_scikit_learn_and_its_variance_that_of_many_draws() -> None:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], [60, 90])
    drawn = []
    for _ in range(300):
        score = np.round(rng.normal(label * 0.8), 1)
        drawn.append(auc(score, label))
    assert drawn[-1][0] == pytest.approx(roc_auc_score(label, score))
    areas, variances = np.array(drawn).T
    assert np.sqrt(variances.mean()) == pytest.approx(areas.std(), rel=0.1)


def test_intervals_of_shares_are_wilsons() -> None:
    for hits, number in ((0, 40), (7, 50), (40, 40)):
        slow = stats.binomtest(hits, number).proportion_ci(method="wilson")
        low, high = wilson(hits, number)
        assert (low, high) == pytest.approx((slow.low, slow.high), abs=1e-12)
        assert low <= hits / number <= high


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Users of two habits, whose events hang together: a bootstrap of events would be far too narrow."""
    rng, number, held = np.random.default_rng(0), 20, {"tv": 0, "w": 0}
    habits = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    shares = {0: 0.5, 1: 0.8}
    truth = [np.array([1 - s, s]) @ habits for s in shares.values()]
    exact = {"tv": total_variation(*truth), "w": wasserstein(*truth, np.arange(3.0))}
    for _ in range(200):
        keys, groups = [], []
        for share in (*shares.values(), 0.5):
            habit = (rng.random(200) < share).astype(int)
            keys.append(
                (rng.random((200, 6, 1)) > np.cumsum(habits[habit], axis=1)[:, None, :2])
                .sum(axis=2)
                .ravel()
            )
            groups.append(np.repeat(np.arange(200) * number // 200, 6))
        counts = counted(keys, groups, number)
        for name, far in (
            ("tv", total_variation),
            ("w", lambda a, b: wasserstein(a, b, np.arange(3.0))),
        ):
            a, b = counts.total(0), counts.total(1)
            left = [far(a - counts.of(0, g), b - counts.of(1, g)) for g in range(number)]
            low, high = jackknifed(far(a, b), np.array(left))
            held[name] += low <= exact[name] <= high
    assert all(0.9 <= count / 200 <= 0.99 for count in held.values()), held


def test_a_ratio_looks_at_what_is_left_to_one_where_that_says_more() -> None:
    def figure(value: float, floor: float, bounded: bool = True) -> Figure:
        return Figure("x", value, 0, 1, floor, 0, floor * 1.1, "share", bounded)

    assert figure(0.4, 0.2).ratio == pytest.approx(2.0)
    assert figure(0.95, 0.8).ratio == pytest.approx(4.0)
    assert figure(0.95, 0.8, False).ratio == pytest.approx(0.95 / 0.8)
    assert figure(0.1, 0.2).ratio == pytest.approx(0.5)
    assert figure(0.0, 0.0).ratio == 1.0
    assert figure(0.1, 0.0).ratio is None
    assert figure(1.0, 0.9).ratio is None
    assert [figure(v, 0.2).verdict(1.04) for v in (0.205, 0.215, 0.225)] == [
        "within",
        "chance",
        "beyond",
    ]
    assert figure(0.1, 0.0).verdict(1.25) == "beyond"


def scrambled(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(pl.col("item_id").shuffle(seed=5))


def without_tail(events: pl.DataFrame) -> pl.DataFrame:
    head = events["item_id"].value_counts().sort("count", descending=True)["item_id"][:24]
    return events.filter(pl.col("item_id").is_in(head.implode()))


def later(hours: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda events: events.with_columns(
        (pl.col("time").cast(pl.Int64) + int(hours * HOUR)).cast(pl.Datetime("us"))
    )


def never_bought(events: pl.DataFrame) -> pl.DataFrame:
    drawn = pl.int_range(pl.len()).shuffle(seed=3) % 3 > 0
    return events.filter((pl.col("event") != "purchase") | ~drawn)


def slow_motion(events: pl.DataFrame) -> pl.DataFrame:
    first = pl.col("time").cast(pl.Int64).min().over("user_id")
    return events.with_columns(
        (first + (pl.col("time").cast(pl.Int64) - first) * 8).cast(pl.Datetime("us"))
    )


def doubled(events: pl.DataFrame) -> pl.DataFrame:
    """Every event twice in a row."""
    again = events.with_columns((pl.col("time").cast(pl.Int64) + 10**6).cast(pl.Datetime("us")))
    return pl.concat([events, again]).sort("time", maintain_order=True)


FAULTS: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], set[str], set[str]]] = {
    "shuffled items": (
        scrambled,
        {"item_transitions.order_1", "category_transitions.order_1", "co_occurrence"},
        {
            "popularity.items",
            "popularity.curve",
            "tail_share",
            "gaps",
            "hours",
            "activity",
            "item_gini",
        },
    ),
    "dropped tail": (
        without_tail,
        {"tail_share", "item_coverage", "popularity.items", "popularity.curve"},
        {"hours", "weekdays"},
    ),
    "shifted clock": (
        later(4),
        {"hours"},
        {"gaps", "popularity.items", "item_transitions.order_1", "session_length"},
    ),
    "shifted week": (later(72), {"weekdays"}, {"gaps", "hours", "popularity.items"}),
    "broken funnel": (
        never_bought,
        {"funnel.add_to_cart>purchase"},
        {"funnel.view_item>add_to_cart", "hours"},
    ),
    "slow motion": (
        slow_motion,
        {"gaps", "session_length"},
        {"activity", "popularity.items", "repeat_rate"},
    ),
    "every event twice": (
        doubled,
        {"activity", "repeat_rate", "session_length"},
        {"popularity.items", "weekdays"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_the_measure_that_ought_to(
    fault: str, real: Shop, held: Shop, honest: pl.DataFrame
) -> None:
    spoil, beyond, quiet = FAULTS[fault]
    fake = real.with_tables(events=spoil(honest))
    found = wl.compare(real, fake, held, run=RUN, measures=COUNTED)
    verdicts = dict(found.table().select("measure", "verdict").iter_rows())
    assert {name: verdicts[name] for name in beyond} == dict.fromkeys(beyond, "beyond")
    assert [name for name in quiet if verdicts[name] == "beyond"] == []
    worst = found.figure(next(iter(beyond)))
    assert worst["low"] > worst["floor"]


def test_real_users_stay_at_the_floor(held: Shop, real: Shop) -> None:
    """Over several other real samples: what two real samples may differ by is said of one figure in twenty or so."""
    figures = []
    for seed in range(3, 9):
        found = wl.compare(
            real, lively(USERS, seed, "f"), held, run=Run(seed=seed, threads=1), measures=COUNTED
        )
        figures += [figure["verdict"] for figure in found.data["figures"]]
    assert figures.count("beyond") / len(figures) < 0.08
    assert figures.count("within") / len(figures) > 0.6


def test_copied_users_are_caught(real: Shop, held: Shop) -> None:
    copied = real.with_tables(
        events=real.table("events").with_columns(pl.format("c{}", "user_id").alias("user_id"))
    )
    names = ("near_copies", "popularity", "item_transitions", "hours")
    for holdout in (held, None):
        found = wl.compare(
            real, copied, holdout, run=RUN, measures=names, settings={"near_copies": {"length": 8}}
        )
        verdicts = dict(found.table().select("measure", "verdict").iter_rows())
        assert verdicts.pop("near_copies") == "beyond"
        assert "beyond" not in verdicts.values()
        copies = found.figure("near_copies")
        assert copies["value"] == 1.0
        assert copies["floor"] < 0.4
    fresh = wl.compare(
        real, lively(USERS, 4, "f"), held, run=RUN, measures=("near_copies",)
    ).figure("near_copies")
    assert fresh["verdict"] != "beyond"


def test_copies_are_those_of_a_slow_search(trio: Trio) -> None:
    def histories(log: object) -> list[list[int]]:
        return [log.item[a:b].tolist() for a, b in pairwise(log.offsets)]

    training = histories(trio.training.log)
    for length in (4, 6):
        known = {tuple(h[i : i + length]) for h in training for i in range(len(h) - length + 1)}
        whole = {tuple(h) for h in training if len(h) < length}
        copied = []
        for history in histories(trio.synthetic.log):
            if len(history) >= 3:
                runs = {tuple(history[i : i + length]) for i in range(len(history) - length + 1)}
                copied.append(
                    bool(runs & known) or (len(history) < length and tuple(history) in whole)
                )
        (figure,) = METRICS.make("near_copies", length=length).compare(trio, RUN)
        assert figure.value == pytest.approx(np.mean(copied))
        assert 0 < figure.value < 1


def test_the_discriminator_names_what_betrays_the_fake(
    real: Shop, held: Shop, honest: pl.DataFrame
) -> None:
    how = {"settings": {"discriminator": {"trees": 30, "folds": 3}}, "measures": ("discriminator",)}
    true = wl.compare(real, real.with_tables(events=honest), held, run=RUN, **how).figure(
        "discriminator"
    )
    assert true["verdict"] != "beyond"
    assert true["low"] < 0.55
    shifted = real.with_tables(events=later(4)(honest))
    clock = wl.compare(real, shifted, held, run=RUN, **how).figure("discriminator")
    assert clock["low"] > 0.9
    assert clock["about"]["betray"][0]["feature"].startswith("time of day")
    mixed = real.with_tables(events=scrambled(honest))
    order = wl.compare(real, mixed, held, run=RUN, **how).figure("discriminator")
    assert order["verdict"] == "beyond"
    told = {row["feature"]: row for row in order["about"]["betray"]}
    step = told["share of steps within a category"]
    assert step["real"] > step["synthetic"] + 0.2


@pytest.mark.parametrize("holdout", [True, False])
def test_nobody_is_judged_by_what_it_said_itself(holdout: bool, real: Shop, held: Shop) -> None:
    """Real users of training must not seem known because their own steps are: that would betray every honest fake."""
    trio = gathered(real, lively(USERS, 3, "f"), held if holdout else None, 20, RUN)
    sides = judged(trio, 1000, RUN)
    names = [set(s.log.users.ids) for s in (sides.real, sides.again, sides.known)]
    assert all(not a & b for a, b in combinations(names, 2))
    assert len(names[2]) >= len(names[0]) / 2
    known = Known(sides.known)
    shares = [
        np.nanmean(features(s, known, trio)["share of known transitions"])
        for s in (sides.real, sides.again, sides.synthetic)
    ]
    assert max(shares) - min(shares) < 0.06


def test_known_steps_are_counted_as_a_loop_does(trio: Trio) -> None:
    sides = judged(trio, 50, RUN)
    log = sides.known.log
    steps = Counter(
        pair for a, b in pairwise(log.offsets) for pair in pairwise(log.item[a:b].tolist())
    )
    seen = features(sides.synthetic, Known(sides.known), trio)
    for user in range(len(sides.synthetic)):
        own = list(
            pairwise(
                sides.synthetic.log.item[
                    slice(*sides.synthetic.log.offsets[user : user + 2])
                ].tolist()
            )
        )
        if own:
            assert seen["share of known transitions"][user] == pytest.approx(
                np.mean([p in steps for p in own])
            )


def test_the_network_tells_the_order_of_items(real: Shop, held: Shop, honest: pl.DataFrame) -> None:
    how = {"users": 400, "updates": 250, "embedding_size": 16, "history": 12}
    settings = {
        "measures": ("sequence_discriminator",),
        "settings": {"sequence_discriminator": how},
    }
    mixed = real.with_tables(events=scrambled(honest))
    found = wl.compare(real, mixed, held, run=RUN, **settings).figure("sequence_discriminator")
    assert found["verdict"] == "beyond"
    assert found["low"] > found["floor_high"]
    assert 0.35 < found["floor"] < 0.65


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("co_occurrence", {"window": 0}, "co_occurrence: window is 0; give 1 or more"),
        (
            "tail_share",
            {"head": 1.5},
            "tail_share: head is 1.5; give a number between 0 and 1",
        ),
        ("near_copies", {"length": 1}, "near_copies: length is 1; give 2 or more"),
        ("discriminator", {"folds": 1}, "discriminator: folds is 1; give 2 or more"),
        (
            "sequence_discriminator",
            {"history": 1},
            "sequence_discriminator: history is 1; give 2 or more",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(
    name: str, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(SettingError, match=message):
        METRICS.make(name, **settings)


def test_a_comparison_knows_all_measures() -> None:
    assert measures() == metrics_of("users")
    assert set(SLOW) <= set(measures())
    assert len(measures()) >= 17


def test_a_user_of_two_shops_is_two_users() -> None:
    """Ids of synthetic users may be those of real ones."""
    real, held = lively(80, 1), lively(60, 2, "h")
    same, apart = (gathered(real, lively(70, 3, prefix), held, 10, RUN) for prefix in ("u", "f"))
    one, two = (METRICS.make("activity").compare(trio, RUN)[0] for trio in (same, apart))
    assert one.value == two.value
    assert len(same.synthetic) == 60
    assert pl.Series(same.synthetic.log.users.ids).str.starts_with("u").all()
