"""The likelihood of users as copies, beside a slow and obvious version, and where only a part is searched."""

from __future__ import annotations

import numpy as np
import pytest

from wareloom.attacks import _templates
from wareloom.attacks._templates import FINE, Shares, Traits, copies, shares

SLIPS, WIDTH = [0.05, 0.2, 0.1], 0.3


def traits(users: int, seed: int) -> Traits:
    """Users of two to five events, of two sorts of values, with gaps of which some are none and some unknown."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(2, 6, users))]).astype(np.int64)
    fine = rng.integers(0, 40, (offsets[-1], 2)).astype(np.int32)
    gap = np.where(rng.random(offsets[-1]) < 0.3, -1.0, rng.normal(25, 2, offsets[-1]))
    gap[offsets[:-1]] = np.nan
    return Traits(offsets, fine, fine // 4, gap)


def changed(whole: Traits, seed: int) -> Traits:
    """The same users, a tenth of their values others, their gaps stretched."""
    rng = np.random.default_rng(seed)
    fine = np.where(
        rng.random(whole.fine.shape) < 0.1, rng.integers(0, 40, whole.fine.shape), whole.fine
    )
    gap = np.where(whole.gap > 0, whole.gap + 0.2 * rng.normal(size=len(whole.gap)), whole.gap)
    return Traits(whole.offsets, fine.astype(np.int32), (fine // 4).astype(np.int32), gap)


def looked_up(value: int, known: tuple[np.ndarray, np.ndarray]) -> float:
    found = np.flatnonzero(known[0] == value)
    return float(known[1][found[0]]) if len(found) else float(known[1].min())


def event(mine: Traits, a: int, among: Traits, b: int, told: Shares) -> float:
    """What one event as a copy of another adds, by the formula of the module's docstring."""
    total = 0.0
    for sort, slip in enumerate(SLIPS[:-1]):
        fine, coarse = (
            looked_up(getattr(mine, form)[a, sort], getattr(told, form)[sort])
            for form in ("fine", "coarse")
        )
        if mine.fine[a, sort] == among.fine[b, sort]:
            total += np.log(slip + (1 - slip) * (FINE / fine + (1 - FINE) / coarse))
        elif mine.coarse[a, sort] == among.coarse[b, sort]:
            total += np.log(slip + (1 - slip) * (1 - FINE) / coarse)
        else:
            total += np.log(slip)
    x, y, slip = mine.gap[a], among.gap[b], SLIPS[-1]
    if np.isnan(x) or np.isnan(y):
        return total
    if x < 0 or y < 0:
        return total + np.log(slip + (1 - slip) / told.none if x < 0 and y < 0 else slip)
    density = told.density[int(x / 0.25)] * (1 - told.none)
    peak = np.log(slip + (1 - slip) / (WIDTH * np.sqrt(2 * np.pi) * density))
    return total + max(np.log(slip), peak - (x - y) ** 2 / (2 * WIDTH**2))


def slowly(mine: Traits, among: Traits, told: Shares) -> tuple[np.ndarray, np.ndarray]:
    mean, best = [], []
    for u in range(len(mine.offsets) - 1):
        gains = [0.0]
        a, end = mine.offsets[u : u + 2]
        for v in range(len(among.offsets) - 1):
            b, last = among.offsets[v : v + 2]
            if end - a == last - b:
                gains.append(sum(event(mine, a + i, among, b + i, told) for i in range(end - a)))
        best.append(max(gains))
        mean.append(np.log(np.exp(gains).sum() / len(among.offsets)))
    return np.array(mean), np.array(best)


def test_likelihoods_are_those_of_the_formula() -> None:
    whole = traits(60, 1)
    mine, told = changed(whole, 2), shares(whole)
    mean, best = copies(mine, whole, told, SLIPS, WIDTH)
    expected = slowly(mine, whole, told)
    np.testing.assert_allclose(best, expected[1], atol=1e-4)
    # What is far below the best is left out: together less than sixty times e to the minus six.
    np.testing.assert_allclose(mean, expected[0], atol=0.15)
    assert (mean <= expected[0] + 1e-6).all()


def test_a_user_as_long_as_nobody_is_finite() -> None:
    one = Traits(np.array([0, 9]), *[np.zeros((9, 2), np.int32)] * 2, np.full(9, np.nan))
    mean, best = copies(one, traits(20, 1), shares(one, traits(20, 1)), SLIPS, WIDTH)
    assert best[0] == 0.0
    assert mean[0] == pytest.approx(-np.log(21))


def test_copies_are_found_where_only_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searched by one key, a tenth of them is lost: by either of two, hardly one in a hundred."""
    whole = traits(400, 3)
    mine, told = changed(whole, 4), shares(whole)
    exact = copies(mine, whole, told, SLIPS, WIDTH)[1]
    monkeypatch.setattr(_templates, "MANY", 10)
    found = copies(mine, whole, told, SLIPS, WIDTH)[1]
    assert (found <= exact + 1e-9).all()
    sure = exact > 8
    assert sure.sum() > 200
    assert (found[sure] > exact[sure] - 1e-9).mean() > 0.97
    whose = whole.coarse[whole.offsets[1:] - 1, 0] == mine.coarse[mine.offsets[1:] - 1, 0]
    assert whose.mean() < 0.95
