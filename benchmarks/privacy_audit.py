"""Is the printed ε right? Draws of each mechanism with and without one user, and one run with a thousand planted users.

    python benchmarks/privacy_audit.py [--json FILE] [--draws 200000] [--repeats 3]

White box: a Clopper-Pearson lower bound on ε at δ = 1e-6 beside the ε that was paid and beside what so many draws can
show at all, the mean over repeats; and the μ that draws show (as many as tell it to 1 %) beside the one that was paid.
One run: planted users, each in by a coin, are sought in the noisy counts of one private release, end to end through
ledger, bounds and noise.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from _common import arguments, machine, write
from wareloom.privacy import audit, gaussian, mechanisms
from wareloom.privacy.accounting import Choice, DiscreteGaussian, Gaussian, SampledGaussian, compose
from wareloom.privacy.integers import whole_numbers
from wareloom.privacy.ledger import Ledger
from wareloom.privacy.noise import Entropy
from wareloom.privacy.private import Private, Release
from wareloom.privacy.public import Public
from wareloom.shop import Shop

EPSILONS = (0.5, 1.0, 3.0, 8.0)
DELTA = 1e-6
NOISE = Entropy()
Draw = Callable[[int, bool], np.ndarray]


def histogram(mu: float, bound: tuple[int, int], cells: int) -> Draw:
    """Counts of a user who has more rows than count; each draw has cells of its own."""
    sigma = mechanisms.sigma_of(mu, mechanisms.sensitivity_of(*bound))

    def draw(count: int, there: bool) -> np.ndarray:
        rows = bound[0] + 1 if there else 0
        user = np.repeat(np.arange(count), rows)
        cell = user * cells + np.tile(np.arange(rows) % cells, count)
        found = mechanisms.histogram(
            user, cell, count * cells, sigma=sigma, bounds=bound, noise=NOISE
        )
        return found.reshape(count, cells).sum(axis=1) / math.sqrt(cells)

    return draw


def discrete(mu: float) -> Draw:
    sigma = mechanisms.sigma_of(mu, 2.0)
    return lambda count, there: whole_numbers(count, sigma, NOISE, "discrete") + 2 * there


def three_together(mu: float) -> Draw:
    """A composition: a twelfth, a quarter and two thirds of the budget; the best statistic of all three.

    The user adds four to each: at widths below 1 rounding would make the counts more private than they are priced.
    """
    sigmas = [mechanisms.sigma_of(mu * math.sqrt(share), 4.0) for share in (1 / 12, 1 / 4, 2 / 3)]

    def draw(count: int, there: bool) -> np.ndarray:
        return np.sum([(whole_numbers(count, s, NOISE) + 4 * there) / s**2 for s in sigmas], axis=0)

    return draw


def steps(noise_multiplier: float, rate: float, times: int) -> Draw:
    """Steps on Poisson samples, each coin its own; the sum of the logarithms of the likelihood ratio."""

    def draw(count: int, there: bool) -> np.ndarray:
        total = np.zeros(count)
        for _ in range(times):
            x = whole_numbers(count, 64 * noise_multiplier, NOISE) / 64
            if there:
                x[mechanisms.poisson_sample(count, rate, NOISE)] += 1
            total += np.log1p(rate * np.expm1((2 * x - 1) / (2 * noise_multiplier**2)))
        return total

    return draw


def choice(epsilon: float) -> Draw:
    return lambda count, there: np.array(
        [mechanisms.choose([0, 1 if there else -1], epsilon, 1, NOISE) for _ in range(count)]
    )


def sampled_for(epsilon: float, rate: float, times: int) -> float:
    """The noise multiplier that costs `epsilon`."""
    low, high = 0.3, 100.0
    for _ in range(30):
        middle = math.sqrt(low * high)
        if compose([SampledGaussian(middle, rate, times)], DELTA).epsilon > epsilon:
            low = middle
        else:
            high = middle
    return high


def white_box(draws: int, repeats: int) -> list[dict[str, Any]]:
    rows = []
    for epsilon in EPSILONS:
        mu = gaussian.mu_of(epsilon, DELTA)
        noise = sampled_for(epsilon, 0.1, 10)
        cases: list[tuple[str, Draw, Any, float | None]] = [
            ("histogram, all rows in one cell", histogram(mu, (4, 4), 1), [Gaussian(mu)], mu),
            ("histogram, rows in cells apart", histogram(mu, (4, 1), 4), [Gaussian(mu)], mu),
            ("discrete Gaussian", discrete(mu), [DiscreteGaussian(mu)], mu),
            ("three mechanisms together", three_together(mu), [Gaussian(mu)], mu),
            (
                "ten steps on samples of a tenth",
                steps(noise, 0.1, 10),
                [SampledGaussian(noise, 0.1, 10)],
                None,
            ),
        ]
        for name, draw, costs, told in cases:
            paid = compose(costs, DELTA).epsilon
            found = [
                audit.white_box(
                    lambda n, d=draw: d(n, True), lambda n, d=draw: d(n, False), DELTA, draws=draws
                )
                for _ in range(repeats)
            ]
            can = audit.visible(told, DELTA, draws) if told else None
            shown = float(np.mean([each.epsilon for each in found]))
            rows.append(
                {
                    "mechanism": name,
                    "epsilon": epsilon,
                    "paid": paid,
                    "shown": shown,
                    "most": max(each.epsilon for each in found),
                    "can": can,
                    "mu": told,
                    "mu_shown": _mu(draw, told, draws) if told else None,
                }
            )
            _tell(rows[-1])
    return rows


def _mu(draw: Draw, told: float, draws: int) -> float:
    """The μ that draws show, as many as tell it to 1 % (one standard error)."""
    parts = max(1, math.ceil(2 / (0.01 * told) ** 2 / draws))
    return float(
        np.mean([audit.mu_shown(draw(draws, True), draw(draws, False)) for _ in range(parts)])
    )


def choices(draws: int) -> list[dict[str, Any]]:
    rows = []
    for epsilon in EPSILONS:
        draw, paid = choice(epsilon), compose([Choice(epsilon)], DELTA).epsilon
        found = audit.white_box(
            lambda n, d=draw: d(n, True), lambda n, d=draw: d(n, False), DELTA, draws=draws
        )
        rows.append(
            {"mechanism": f"choice, {draws:,} draws", "epsilon": epsilon, "paid": paid}
            | {"shown": found.epsilon, "most": found.epsilon, "can": None, "mu": None}
        )
        _tell(rows[-1])
    return rows


def planted(users: int, canaries: int, seed: int) -> tuple[Shop, np.ndarray]:
    """A small shop, and users of it with an item of their own, each in by a coin."""
    rng = np.random.default_rng(seed)
    coins = rng.random(canaries) < 0.5
    items = [f"i{n}" for n in range(200)] + [f"canary{n}" for n in range(canaries)]
    start, rows = datetime(2024, 1, 1), []
    for user in range(users):
        for _ in range(int(rng.integers(1, 9))):
            at = start + timedelta(minutes=int(rng.integers(500_000)))
            rows.append((f"u{user}", items[int(rng.zipf(1.5)) % 200], "purchase", at))
    for n in np.flatnonzero(coins):
        rows += [(f"c{n}", f"canary{n}", "purchase", start + timedelta(hours=k)) for k in range(8)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "event", "time"], orient="row")
    catalogue = pl.DataFrame({"item_id": items, "title": items})
    return Shop({"items": catalogue, "events": events}), coins


def one_run(users: int = 3000, canaries: int = 1000) -> list[dict[str, Any]]:
    shop, coins = planted(users, canaries, 0)
    rows = []
    for epsilon in (*EPSILONS, math.inf):
        if math.isinf(epsilon):
            names = shop.table("events")["item_id"].value_counts()
            counts = dict(names.iter_rows())
            scores = np.array([counts.get(f"canary{n}", 0) for n in range(canaries)])
        else:
            with tempfile.TemporaryDirectory() as folder:
                ledger = Ledger.open(Path(folder), shop.fingerprint)
                ledger.allow(epsilon, DELTA)
                release = Release(epsilon, DELTA, disclosure=0.0)
                private = Private(shop, ledger, release, public=Public.of("items.title"))
                private.size(0.01)
                private.bounded(8)
                noisy = private.histogram(
                    "popularity",
                    lambda rows: (rows.all, rows.log.item),
                    private.items.height,
                    0.99,
                )
                place = {name: n for n, name in enumerate(private.items["item_id"])}
                scores = np.array([noisy[place[f"canary{n}"]] for n in range(canaries)])
        shown = audit.one_run(scores, coins, DELTA)
        rows.append({"epsilon": epsilon if epsilon < math.inf else None, "shown": shown})
        print(f"one run, {canaries:,} planted users, ε {epsilon:g}: shown {shown:.2f}")
    return rows


def _tell(row: dict[str, Any]) -> None:
    can = f"of {row['can']:.3f} that can be" if row["can"] else ""
    mu = f"μ {row['mu_shown']:.4f} of {row['mu']:.4f}" if row["mu"] else ""
    print(
        f"{row['mechanism']:<34} ε {row['epsilon']:<4g} paid {row['paid']:.3f} shown {row['shown']:.3f} {can} {mu}",
        flush=True,
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--draws", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    rows = [*white_box(chosen.draws, chosen.repeats), *choices(min(20_000, chosen.draws))]
    runs = one_run()
    held = all(row["most"] <= row["paid"] for row in rows) and all(
        run["epsilon"] is None or run["shown"] <= run["epsilon"] for run in runs
    )
    near = all(abs(row["mu_shown"] / row["mu"] - 1) < 0.03 for row in rows if row["mu"])
    print(f"No bound above what was paid: {held}; every μ within 3 %: {near}")
    write(
        chosen.json,
        "privacy_audit",
        machine(chosen.note),
        draws=chosen.draws,
        repeats=chosen.repeats,
        rows=rows,
        one_run=runs,
        held=held,
        mu_within_3_percent=near,
    )


if __name__ == "__main__":
    main()
