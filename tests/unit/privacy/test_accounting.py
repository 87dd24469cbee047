"""What mechanisms cost together: against integrals, dp-accounting and Opacus."""

from __future__ import annotations

import math
import warnings
from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from wareloom.errors import InputError, SettingError
from wareloom.privacy import gaussian, pld, renyi
from wareloom.privacy.accounting import (
    Chance,
    Choice,
    DiscreteGaussian,
    Gaussian,
    Pure,
    SampledGaussian,
    compose,
    cost_of,
)

ORDERS = [1.25, 1.5, 1.9, 2.0, 2.7, 3.0, 4.5, 6.0, 8.0, 11.5, 16.0, 24.0, 32.0, 48.0, 64.0, 128.0]


@cache
def oracles():  # type: ignore[no-untyped-def]
    """dp-accounting and Opacus; imports warn of what is none of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dp = pytest.importorskip("dp_accounting")
        opacus = pytest.importorskip("opacus.accountants.analysis.rdp")
        import dp_accounting.pld.privacy_loss_distribution as losses
        import dp_accounting.rdp.rdp_privacy_accountant as rdp
    return dp, rdp, losses, opacus


def composition(seed: int) -> list[SampledGaussian]:
    """One to four groups of steps, from hardly sampled to all users, from loud to nearly no noise."""
    rng = np.random.default_rng(seed)
    return [
        SampledGaussian(
            noise_multiplier=float(np.exp(rng.uniform(np.log(0.6), np.log(20)))),
            rate=1.0 if rng.random() < 0.2 else float(np.exp(rng.uniform(np.log(1e-4), 0))),
            times=int(np.exp(rng.uniform(0, np.log(3000)))),
        )
        for _ in range(int(rng.integers(1, 5)))
    ]


@pytest.mark.parametrize("mu", [0.05, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.3, 2.0, 9.0])
def test_delta_of_normal_noise_is_the_integral_over_what_one_neighbour_makes_likelier(
    mu: float, epsilon: float
) -> None:
    def excess(x: float) -> float:
        return max(0.0, norm.pdf(x, mu) - math.exp(epsilon) * norm.pdf(x))

    edge = epsilon / mu + mu / 2
    truth = quad(excess, edge, max(edge, mu) + 12, epsabs=1e-14, limit=200)[0]
    assert gaussian.delta_of(epsilon, mu) == pytest.approx(truth, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1e-2])
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 8.0])
def test_mu_epsilon_and_delta_are_inverse_and_rounded_to_the_safe_side(
    epsilon: float, delta: float
) -> None:
    mu = gaussian.mu_of(epsilon, delta)
    assert gaussian.delta_of(epsilon, mu) <= delta < gaussian.delta_of(epsilon, mu * (1 + 1e-9))
    assert gaussian.epsilon_of(delta, mu) == pytest.approx(epsilon, rel=1e-9)


def test_many_gaussian_mechanisms_are_one_and_not_as_many_epsilons() -> None:
    alone = compose([Gaussian(0.1)], 1e-6).epsilon
    together = compose([Gaussian(0.1)] * 100, 1e-6)
    assert together.way == "mu"
    assert together.epsilon == pytest.approx(gaussian.epsilon_of(1e-6, 1.0), rel=1e-12)
    assert together.epsilon == pytest.approx(compose([Gaussian(0.1, 100)], 1e-6).epsilon, rel=1e-12)
    assert together.epsilon < 0.15 * 100 * alone


@pytest.mark.parametrize("seed", range(50))
def test_renyi_orders_and_epsilons_are_those_of_dp_accounting_and_opacus(seed: int) -> None:
    dp, rdp, _, opacus = oracles()
    costs, delta = composition(seed), 10.0 ** -(4 + seed % 6)
    ours = sum(c.times * renyi.sampled_gaussian(c.noise_multiplier, c.rate, ORDERS) for c in costs)
    theirs = sum(
        opacus.compute_rdp(
            q=c.rate, noise_multiplier=c.noise_multiplier, steps=c.times, orders=ORDERS
        )
        for c in costs
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)
    epsilon = renyi.epsilon_of(ours, delta, ORDERS)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Opacus warns where the best order is an end
        assert opacus.get_privacy_spent(orders=ORDERS, rdp=theirs, delta=delta)[0] == pytest.approx(
            epsilon, abs=1e-3, rel=1e-3
        )
        account = rdp.RdpAccountant(orders=ORDERS)
        for c in costs:
            event = dp.GaussianDpEvent(c.noise_multiplier)
            event = event if c.rate == 1 else dp.PoissonSampledDpEvent(c.rate, event)
            account.compose(event, c.times)
    # At fractional orders dp-accounting 0.6 sums a series without its signs, which is above the divergence (Opacus and
    # the integral agree), and leaves orders out where that does not converge: whole orders are compared.
    theirs = account._rdp
    whole = np.array([order.is_integer() for order in ORDERS])
    np.testing.assert_allclose(ours[whole], theirs[whole], rtol=1e-5, atol=1e-9)
    assert np.all(theirs >= ours * (1 - 1e-5) - 1e-9)
    kept = [order for order in ORDERS if order.is_integer()]
    again = rdp.compute_epsilon(np.array(kept), theirs[whole], delta)[0]
    assert renyi.epsilon_of(ours[whole], delta, kept)[0] == pytest.approx(again, abs=1e-3)


@pytest.mark.parametrize("alpha", [1.3, 2.5, 7.1])
@pytest.mark.parametrize(("sigma", "rate"), [(0.5, 0.01), (1.0, 0.3), (4.0, 0.7)])
def test_a_fractional_order_is_the_integral_that_defines_it(
    alpha: float, sigma: float, rate: float
) -> None:
    def inside(z: float) -> float:
        return (
            norm.pdf(z, 0, sigma)
            * (1 - rate + rate * math.exp((2 * z - 1) / (2 * sigma**2))) ** alpha
        )

    moment = quad(inside, -12 * sigma, alpha + 12 * sigma, limit=500, points=[0, 1, alpha])[0]
    found = renyi.sampled_gaussian(sigma, rate, [alpha])[0]
    assert found == pytest.approx(math.log(moment) / (alpha - 1), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("seed", range(0, 50, 4))
def test_what_is_printed_is_never_below_the_distribution_of_losses_and_hardly_above(
    seed: int,
) -> None:
    _, _, losses, _ = oracles()
    costs = [c for c in composition(seed) if c.noise_multiplier > 0.8][:2] or composition(0)[:1]
    spent = compose(costs, 1e-6)

    def theirs(pessimistic: bool) -> float:
        made = [
            losses.from_gaussian_mechanism(
                c.noise_multiplier,
                sampling_prob=c.rate,
                pessimistic_estimate=pessimistic,
                value_discretization_interval=1e-3,
            ).self_compose(c.times)
            for c in costs
        ]
        whole = made[0] if len(made) == 1 else made[0].compose(made[1])
        return float(whole.get_epsilon_for_delta(1e-6))

    low, high = theirs(False), theirs(True)
    assert low - 1e-6 <= spent.epsilon <= high * (1 + 1e-3) + 1e-3
    assert spent.ways["renyi"] >= low - 1e-6
    assert spent.ways.get("mu", math.inf) >= low - 1e-6


@pytest.mark.parametrize("mu", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("delta", [1e-8, 1e-4])
def test_the_grid_of_losses_is_just_above_the_exact_normal_curve(mu: float, delta: float) -> None:
    exact = gaussian.epsilon_of(delta, mu)
    ten = [pld.Loss(mu=mu / math.sqrt(10), times=10)]
    assert exact <= pld.epsilon_of(ten, delta) <= exact * 1.001 + 1e-4


def test_randomised_response_composes_as_the_binomial_says() -> None:
    epsilon, times, delta = 0.3, 20, 1e-4
    k = np.arange(times + 1)
    chance = np.exp(epsilon) / (1 + np.exp(epsilon))
    mass = np.array([math.comb(times, int(n)) for n in k]) * chance**k * (1 - chance) ** (times - k)
    loss = epsilon * (2 * k - times)

    def delta_at(e: float) -> float:
        return float(np.sum(mass * np.maximum(0, -np.expm1(e - loss))))

    found = pld.epsilon_of([pld.Loss(epsilon=epsilon, times=times)], delta)
    assert delta_at(found) <= delta * (1 + 1e-6)
    assert delta_at(found - 2 * times * pld.STEP) > delta


@pytest.mark.parametrize("epsilon", [0.05, 0.7, 3.0])
def test_mu_of_a_choice_covers_every_mechanism_of_that_range(epsilon: float) -> None:
    mu = gaussian.mu_of_range(epsilon)
    worst = 0.0
    for t in np.linspace(0, epsilon, 401)[1:-1]:
        # Losses t and t − ε: chances p and 1 − p with p e^(−t) + (1 − p) e^(ε − t) = 1.
        p = (math.exp(epsilon) - math.exp(t)) / math.expm1(epsilon)
        # The corner: errors (1 − p) and p e^(−t).
        worst = max(worst, -norm.ppf(p * math.exp(-t)) - norm.ppf(1 - p))
    assert worst <= mu * (1 + 1e-9)
    assert worst == pytest.approx(mu, rel=1e-4)
    assert gaussian.range_of(mu) == pytest.approx(epsilon, rel=1e-9)


def test_a_choice_is_cheaper_than_any_mechanism_of_its_epsilon_and_dearer_than_half() -> None:
    choices = compose([Choice(0.2, 30)], 1e-6).epsilon
    assert (
        compose([Pure(0.1, 30)], 1e-6).epsilon <= choices < compose([Pure(0.2, 30)], 1e-6).epsilon
    )


def test_discrete_noise_is_not_priced_as_if_its_mu_were_proven() -> None:
    spent = compose([DiscreteGaussian(1.0)], 1e-6)
    assert spent.way == "renyi"
    assert spent.epsilon > compose([Gaussian(1.0)], 1e-6).epsilon
    mixed = compose([DiscreteGaussian(0.5), Gaussian(0.5)], 1e-6)
    assert set(mixed.ways) == {"renyi"}


def test_chances_of_disclosure_are_part_of_delta() -> None:
    with_chance = compose([Gaussian(1.0), Chance(9e-7)], 1e-6)
    assert with_chance.epsilon == pytest.approx(gaussian.epsilon_of(1e-7, 1.0), rel=1e-6)
    assert compose([Gaussian(1.0), Chance(6e-7), Chance(6e-7)], 1e-6).epsilon == math.inf


def test_all_ways_are_valid_so_the_least_is_told() -> None:
    spent = compose([SampledGaussian(1.0, 0.01, 500), Choice(0.1), Gaussian(0.2)], 1e-6)
    assert spent.epsilon == min(spent.ways.values())
    assert spent.way == "pld"
    assert compose([], 1e-6).epsilon == 0


def test_costs_survive_a_round_through_json() -> None:
    for cost in (
        Gaussian(0.3, 4),
        DiscreteGaussian(0.1),
        SampledGaussian(2.0, 0.25, 9),
        Pure(0.5),
        Choice(0.5, 2),
        Chance(1e-9),
    ):
        assert cost_of(cost.to_json()) == cost
    with pytest.raises(InputError, match=r"gausian.*Did you mean 'gaussian'"):
        cost_of({"kind": "gausian"})
    with pytest.raises(InputError, match="cannot have the numbers"):
        cost_of({"kind": "pure", "mu": 3})


@pytest.mark.parametrize("delta", [0.0, -1e-6, 1.0, math.nan])
def test_no_delta_of_nought(delta: float) -> None:
    with pytest.raises(SettingError, match=r"delta is .*; give a number above 0"):
        compose([Gaussian(1.0)], delta)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_no_epsilon_of_nought(epsilon: float) -> None:
    with pytest.raises(SettingError, match=r"epsilon is .*; give a number above 0"):
        gaussian.mu_of(epsilon, 1e-6)


def test_costs_that_are_none_are_refused() -> None:
    for wrong in (
        lambda: Gaussian(0.0),
        lambda: Gaussian(1.0, 0),
        lambda: SampledGaussian(1.0, 1.5),
        lambda: SampledGaussian(-1.0, 0.5),
        lambda: Pure(math.inf),
        lambda: Chance(0.0),
    ):
        with pytest.raises(SettingError):
            wrong()
