"""Power and corrections against simulation, slow definitions and scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wareloom.proof.families import correct
from wareloom.stats.bootstrap import combine, resample
from wareloom.stats.correction import MANY, adjust, benjamini_hochberg, holm
from wareloom.stats.power import Spread, detectable, power, requests_needed, seeds_needed, spread

SPREADS = [
    Spread(user=1.0, seed=0.0, both=0.0, requests=150, seeds=3),
    Spread(user=0.2, seed=0.0, both=2.0, requests=150, seeds=3),
    Spread(user=0.5, seed=0.01, both=1.0, requests=150, seeds=3),
    Spread(user=0.5, seed=0.01, both=1.0, requests=150, seeds=8),
]
P = st.lists(st.floats(0, 1), min_size=1, max_size=30).map(np.array)


def draw(effect: float, of: Spread, rng: np.random.Generator) -> np.ndarray:
    """Differences [requests, seeds] of the model that the power is computed of."""
    n, s = of.requests, of.seeds
    user, seed = rng.normal(0, of.user**0.5, (n, 1)), rng.normal(0, of.seed**0.5, (1, s))
    found: np.ndarray = effect + user + seed + rng.normal(0, of.both**0.5, (n, s))
    return found


@pytest.mark.parametrize("of", SPREADS)
@pytest.mark.parametrize("wanted", [0.5, 0.8])
def test_what_is_computed_is_what_the_gate_does(of: Spread, wanted: float) -> None:
    """The share of simulated proofs whose interval lies above zero is the power, within the error of 400 of them."""
    rng, effect, found, runs = np.random.default_rng(1), detectable(of, wanted), 0, 400
    assert power(effect, of) == pytest.approx(wanted, abs=1e-4)
    for _ in range(runs):
        x = draw(effect, of, rng)
        interval = combine(
            float(x.mean()), resample(x.mean(axis=1)[:, None], rng, 300)[:, 0], x.mean(axis=0)
        )
        found += interval.low > 0
    assert abs(found / runs - wanted) < 3.5 * (wanted * (1 - wanted) / runs) ** 0.5 + 0.02


@pytest.mark.parametrize("of", SPREADS)
def test_variances_are_taken_apart(of: Spread) -> None:
    rng = np.random.default_rng(2)
    found = [spread(draw(0.3, replace(of, requests=400, seeds=6), rng)) for _ in range(60)]
    for name in ("user", "seed", "both"):
        mean = np.mean([getattr(each, name) for each in found])
        assert mean == pytest.approx(getattr(of, name), rel=0.15, abs=0.004), name


def test_a_request_without_a_word_is_left_out() -> None:
    x = draw(0.0, SPREADS[2], np.random.default_rng(0))
    gaps = np.insert(x, [0, 7], np.nan, axis=0)
    assert spread(gaps) == spread(x)
    alone = spread(x[:, :1])
    assert (alone.seed, alone.both, alone.seeds) == (0.0, 0.0, 1)
    assert alone.user == pytest.approx(np.var(x[:, 0], ddof=1))


@pytest.mark.parametrize("of", SPREADS)
def test_the_fewest_are_enough_and_one_less_is_not(of: Spread) -> None:
    effect = 1.3 * detectable(replace(of, requests=10**7))
    n = requests_needed(effect, of)
    assert n is not None
    assert (
        power(effect, replace(of, requests=n)) >= 0.8 > power(effect, replace(of, requests=n - 1))
    )
    effect = 1.2 * detectable(replace(of, seeds=10**6))
    s = seeds_needed(effect, of)
    assert s is not None
    assert power(effect, replace(of, seeds=s)) >= 0.8
    assert s == 2 or power(effect, replace(of, seeds=s - 1)) < 0.8


def test_what_no_number_can_show_is_said_to_be_so() -> None:
    seeds = Spread(user=0.0, seed=1.0, both=0.1, requests=100, seeds=3)
    assert requests_needed(0.1, seeds) is None
    assert seeds_needed(0.1, seeds) is not None
    users = Spread(user=1.0, seed=0.0, both=0.0, requests=100, seeds=3)
    assert seeds_needed(0.1, users) is None
    assert requests_needed(0.1, users) == pytest.approx(785, abs=5), "(1.96 + 0.8416)² / 0.1²"
    assert requests_needed(-0.1, users) is None
    assert requests_needed(0.0, users) is None
    assert detectable(Spread(user=0.0, seed=0.0, both=0.0, requests=10, seeds=2)) == 0.0


def test_power_rises_with_everything_that_should_raise_it() -> None:
    for of in SPREADS:
        grid = [power(effect, of) for effect in np.linspace(0, 3, 40)]
        assert np.all(np.diff(grid) >= -1e-9)
        assert grid[0] < 0.03, "no effect, no power but the level's half"
        assert power(0.2, replace(of, requests=300)) >= power(0.2, of)


def slow_holm(p: np.ndarray) -> np.ndarray:
    """The smallest level at which Holm's procedure rejects each."""
    order, out, worst = sorted(range(len(p)), key=lambda i: p[i]), np.zeros(len(p)), 0.0
    for place, i in enumerate(order):
        worst = max(worst, (len(p) - place) * p[i])
        out[i] = min(1.0, worst)
    return out


@given(P)
def test_corrections_are_those_of_their_definitions(p: np.ndarray) -> None:
    np.testing.assert_allclose(holm(p), slow_holm(p))
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    assert np.all(holm(p) >= p - 1e-15)
    assert np.all(holm(p) >= benjamini_hochberg(p) - 1e-12)
    shuffle = np.random.default_rng(0).permutation(len(p))
    np.testing.assert_allclose(holm(p[shuffle]), holm(p)[shuffle])


def test_families_are_corrected_each_for_itself() -> None:
    def row(part: str, p: float, metric: str = "ndcg@10", against: str = "real") -> dict:
        return {
            "ties": "file",
            "arm": "real + synthetic",
            "against": against,
            "metric": metric,
            "slice": part,
            "p": p,
        }

    rows = [
        row("all", 0.03),
        row("all", 0.03, against="naive"),
        row("all", 0.03, against="teacher"),
    ]
    rows += [row("head", 0.02), row("tail", 0.04), row("head", 0.02, against="naive")]
    rows += [row("all", 0.01, "mrr"), row("all", 0.03, "recall@10"), row("head", 0.5, "mrr")]
    correct(rows, "ndcg@10", ("real", "naive"))
    families = (
        ["decisive"] * 2
        + ["reference"]
        + ["slices"] * 3
        + ["metrics"] * 2
        + ["slices of other metrics"]
    )
    assert [r["family"] for r in rows] == families
    assert [r["p_adjusted"] for r in rows] == pytest.approx(
        [0.03, 0.03, 0.03, 0.04, 0.04, 0.02, 0.02, 0.03, 0.5]
    )
    assert {r["correction"] for r in rows} == {"none", "holm"}
    many = [{"p": k / (MANY + 1)} for k in range(MANY + 1)]
    adjust(many)
    assert {r["correction"] for r in many} == {"benjamini-hochberg"}
