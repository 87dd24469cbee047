"""Each metric against a slow obvious version or scikit-learn, and the laws they keep."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from wareloom.core.family import METRICS
from wareloom.errors import SettingError
from wareloom.metrics import Metric, Ranked, RequestMetric

ITEMS = 14
REQUEST_METRICS = ["recall", "precision", "f1", "hit_rate", "ndcg", "mrr", "map", "auc"]
SEEDS = st.integers(0, 10**6)


def ranked_of(lists: list[list[int]], relevant: list[dict[int, float]]) -> Ranked:
    """Build the outcome from full lists of items and graded relevant items, the slow way."""
    rank, grade, item, offsets = [], [], [], [0]
    for ordered, wanted in zip(lists, relevant, strict=True):
        places = {i: ordered.index(i) + 1 if i in ordered else len(ordered) + 1 for i in wanted}
        for i in sorted(wanted, key=lambda i: (places[i], i)):
            rank.append(places[i])
            grade.append(wanted[i])
            item.append(i)
        offsets.append(len(rank))
    return Ranked(
        offsets=np.array(offsets),
        rank=np.array(rank, dtype=np.int64),
        grade=np.array(grade, dtype=np.float64),
        item=np.array(item, dtype=np.int32),
        candidates=np.array([len(ordered) for ordered in lists], dtype=np.int64),
        top=np.array([(ordered + [-1] * ITEMS)[:12] for ordered in lists], dtype=np.int32).reshape(
            len(lists), 12
        ),
        popularity=np.arange(ITEMS, dtype=np.float64),
        groups=np.array([-1, *(i % 3 for i in range(ITEMS - 1))], dtype=np.int32),
    )


def draw(
    seed: int, *, requests: int = 6, hidden: bool = True
) -> tuple[list[list[int]], list[dict[int, float]]]:
    """Full lists (some items masked where `hidden`) and up to five graded relevant items, grade 0 among them."""
    rng = np.random.default_rng(seed)
    lists = [
        rng.permutation(ITEMS)[: rng.integers(1, ITEMS + 1) if hidden else ITEMS].tolist()
        for _ in range(requests)
    ]
    relevant = [
        {int(i): float(rng.integers(0, 4)) for i in rng.permutation(ITEMS)[: rng.integers(0, 6)]}
        for _ in range(requests)
    ]
    return lists, relevant


def good(wanted: dict[int, float]) -> set[int]:
    return {i for i, grade in wanted.items() if grade > 0}


def slow_recall(ordered: list[int], wanted: dict[int, float], k: int) -> float:
    return len(set(ordered[:k]) & good(wanted)) / len(good(wanted))


def slow_precision(ordered: list[int], wanted: dict[int, float], k: int) -> float:
    return len(set(ordered[:k]) & good(wanted)) / k


def slow_f1(ordered: list[int], wanted: dict[int, float], k: int) -> float:
    p, r = slow_precision(ordered, wanted, k), slow_recall(ordered, wanted, k)
    return 2 * p * r / (p + r) if p + r else 0.0


def slow_hit_rate(ordered: list[int], wanted: dict[int, float], k: int) -> float:
    return float(any(i in good(wanted) for i in ordered[:k]))


def slow_mrr(ordered: list[int], wanted: dict[int, float], k: int) -> float:
    return next((1 / place for place, i in enumerate(ordered[:k], 1) if i in good(wanted)), 0.0)


def slow_map(ordered: list[int], wanted: dict[int, float], k: int) -> float:
    found, total = 0, 0.0
    for place, i in enumerate(ordered[:k], 1):
        if i in good(wanted):
            found += 1
            total += found / place
    return total / min(k, len(good(wanted)))


def slow_ndcg(ordered: list[int], wanted: dict[int, float], k: int) -> float:
    gains = sorted(wanted.values(), reverse=True)[:k]
    best = sum(g / math.log2(place + 1) for place, g in enumerate(gains, 1))
    return (
        sum(wanted.get(i, 0) / math.log2(place + 1) for place, i in enumerate(ordered[:k], 1))
        / best
    )


SLOW: dict[str, Callable[[list[int], dict[int, float], int], float]] = {
    "recall": slow_recall,
    "precision": slow_precision,
    "f1": slow_f1,
    "hit_rate": slow_hit_rate,
    "mrr": slow_mrr,
    "map": slow_map,
    "ndcg": slow_ndcg,
}


@pytest.mark.parametrize("name", SLOW)
@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, k=st.integers(1, 16))
def test_equals_the_slow_version(name: str, seed: int, k: int) -> None:
    lists, relevant = draw(seed)
    expected = [
        SLOW[name](ordered, wanted, k) if good(wanted) else math.nan
        for ordered, wanted in zip(lists, relevant, strict=True)
    ]
    ranked = ranked_of(lists, relevant)
    metric = METRICS.make(name, k=k)
    np.testing.assert_allclose(metric.per_request(ranked), expected, atol=1e-12)
    np.testing.assert_allclose(
        metric.measure(ranked), np.nanmean(expected) if not np.isnan(expected).all() else math.nan
    )


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, k=st.integers(1, 16), exponential=st.booleans())
def test_ndcg_equals_scikit_learn(seed: int, k: int, exponential: bool) -> None:
    lists, relevant = draw(seed, hidden=False)
    values = METRICS.make("ndcg", k=k, exponential=exponential).per_request(
        ranked_of(lists, relevant)
    )
    for ordered, wanted, value in zip(lists, relevant, values, strict=True):
        if not good(wanted):
            assert np.isnan(value)
            continue
        truth = np.array([wanted.get(i, 0.0) for i in range(ITEMS)])
        score = np.array([-ordered.index(i) for i in range(ITEMS)], dtype=float)
        assert value == pytest.approx(
            ndcg_score([2**truth - 1 if exponential else truth], [score], k=k)
        )


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_auc_equals_scikit_learn(seed: int) -> None:
    lists, relevant = draw(seed, hidden=False)
    values = METRICS.make("auc").per_request(ranked_of(lists, relevant))
    for ordered, wanted, value in zip(lists, relevant, values, strict=True):
        truth = [int(i in good(wanted)) for i in range(ITEMS)]
        if sum(truth) in (0, ITEMS):
            assert np.isnan(value)
            continue
        assert value == pytest.approx(
            roc_auc_score(truth, [-ordered.index(i) for i in range(ITEMS)])
        )


def test_auc_counts_an_item_that_is_no_candidate_as_behind_all() -> None:
    ranked = ranked_of([[4, 5, 6]], [{4: 1.0, 9: 1.0}])
    assert METRICS.make("auc").per_request(ranked).tolist() == [0.5]


@pytest.mark.parametrize("name", REQUEST_METRICS)
@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_stays_in_range_and_follows_a_permutation_of_requests(name: str, seed: int) -> None:
    lists, relevant = draw(seed)
    metric = METRICS.make(name)
    values = metric.per_request(ranked_of(lists, relevant))
    defined = values[~np.isnan(values)]
    assert ((defined >= 0) & (defined <= 1 + 1e-12)).all()
    moved = np.random.default_rng(seed).permutation(len(lists))
    again = metric.per_request(ranked_of([lists[i] for i in moved], [relevant[i] for i in moved]))
    np.testing.assert_array_equal(again, values[moved])


@pytest.mark.parametrize("name", REQUEST_METRICS)
@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_a_better_rank_never_lowers_it(name: str, seed: int) -> None:
    lists, relevant = draw(seed, requests=1, hidden=False)
    ordered, wanted = lists[0], relevant[0]
    if not good(wanted):
        return
    metric = METRICS.make(name)
    before = metric.measure(ranked_of(lists, relevant))
    item = next(i for i in reversed(ordered) if i in good(wanted))
    place = ordered.index(item)
    if place and wanted.get(ordered[place - 1], 0.0) < wanted[item]:
        ordered[place - 1], ordered[place] = item, ordered[place - 1]
    assert metric.measure(ranked_of(lists, relevant)) >= before - 1e-12


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, k=st.integers(1, 14))
def test_diversity_equals_the_slow_version(seed: int, k: int) -> None:
    lists, relevant = draw(seed)
    ranked = ranked_of(lists, relevant)
    tops = [[i for i in top[:k].tolist() if i >= 0] for top in ranked.top]
    shown = np.array([sum(top.count(i) for top in tops) for i in range(ITEMS)])
    assert METRICS.make("coverage", k=k).measure(ranked) == pytest.approx(
        len({i for t in tops for i in t}) / ITEMS
    )
    apart = np.abs(shown[:, None] - shown[None, :]).sum() / (2 * ITEMS * shown.sum())
    assert METRICS.make("gini", k=k).measure(ranked) == pytest.approx(apart)
    weight = [max(p, 1.0) for p in ranked.popularity]
    bits = [np.mean([-math.log2(weight[i] / sum(weight)) for i in top]) for top in tops]
    np.testing.assert_allclose(METRICS.make("novelty", k=k).per_request(ranked), bits)
    assert ranked.groups is not None
    expected = []
    for top in tops:
        kinds = [int(ranked.groups[i]) for i in top if ranked.groups[i] >= 0]
        pairs = [a != b for n, a in enumerate(kinds) for b in kinds[n + 1 :]]
        expected.append(np.mean(pairs) if pairs else math.nan)
    np.testing.assert_allclose(
        METRICS.make("intra_list_diversity", k=k).per_request(ranked), expected
    )


def test_undefined_is_not_a_number() -> None:
    empty = ranked_of([], [])
    for name in METRICS.names():
        if issubclass(METRICS.load(name), Metric):
            value = METRICS.make(name).measure(empty)
            assert np.isnan(value) or name == "coverage", name
    ranked = ranked_of([[1, 2, 3]], [{1: 1.0}])
    nameless = Ranked(**{**vars(ranked), "groups": None})
    assert np.isnan(METRICS.make("intra_list_diversity").measure(nameless))


@pytest.mark.parametrize("name", ["recall", "coverage"])
def test_a_list_of_no_length_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name}: k is 0; give 1 or more"):
        METRICS.make(name, k=0)


def test_the_mean_skips_undefined_requests() -> None:
    ranked = ranked_of([[1, 2], [3, 4]], [{1: 1.0}, {}])
    metric = METRICS.make("recall", k=1)
    assert isinstance(metric, RequestMetric)
    assert metric.measure(ranked) == 1.0


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, k=st.integers(1, 16))
def test_the_share_judged_counts_any_grade(seed: int, k: int) -> None:
    lists, judged = draw(seed)
    expected = [
        len(set(ordered[:k]) & set(graded)) / len(ordered[:k])
        for ordered, graded in zip(lists, judged, strict=True)
    ]
    found = METRICS.make("judged", k=k).per_request(ranked_of(lists, judged))
    np.testing.assert_allclose(found, expected)
